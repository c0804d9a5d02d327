"""
Lesson 9. How far can a verb be from its subject?

In a German clause with "dass" the verb comes last, and in English right after its subject: "Ich glaube,
dass der Hund heute im Garten ... schläft", "I believe that the dog sleeps ...". To say "the dog" the decoder
must know what the encoder read at the beginning, and to say "sleeps" what it read at the very end. The
grammar puts 2 to 40 words between the two, and a state without attention must carry all of these as well.

Before you run it, write down: which is lost first without attention, the subject, the verb, or the verb's
ending (sleep, sleeps)? From which distance on? Does it help to read the source backwards (Sutskever et al.
2014), and whom? To double the state?

    python lessons/09_without_attention.py
"""
import itertools, random

import regex

import course
import plot
import prepare
from course import spread, table, train
from sample import load, translate

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # what it is trained on is made from the same grammar
out_dir = 'checkpoints/lesson9'
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500
max_steps = 3000
learning_rate = 5e-3
seeds = 1                   # README.md's numbers are of three
smoke = False
# -----------------------------------------------------------------------------
WHAT = 'the subject', 'the verb', 'the verb, wrong ending'
PLACES = [('im Garten', 'in the garden'), ('am See', 'at the lake'), ('in Riga', 'in Riga'),
          ('auf dem Dach', 'on the roof'), ('in der Stadt', 'in the town'), ('am Bahnhof', 'at the station'),
          ('vor dem Hotel', 'in front of the hotel'), ('hinter der Kirche', 'behind the church'),
          ('unter einem alten Baum', 'under an old tree'), ('neben unserer Schule', 'beside our school'),
          ('zwischen zwei Bergen', 'between two hills'), ('in einem kleinen Haus', 'in a small house')]
DISTANCES = 2, 5, 10, 15, 20, 30, 40        # German words between subject and verb

def sounded(text, lang):
    """im for in dem, an old for a old."""
    for pattern, sound in prepare.SOUNDS[lang]:
        text = regex.sub(pattern, sound, text)
    return text

def sentence(rng, distance):
    """
    A clause with that many words, phrases of place, between subject and verb: German, English, and what to
    look for, the English subject and the two forms of the verb, the right one first.
    """
    verb, noun = rng.choice(prepare.FRAMES['human', 'nothing'])[1], rng.choice(prepare.NOUNS['human'])
    many = rng.randrange(2)
    subject = dict(noun=noun, cls='human', det=prepare.DETERMINERS['many' if many else 'one'][0], many=many,
                   fem=noun['fem'], gender=3 if many else noun['gender'])
    between = '', ''
    while (n_words := len(between[0].split())) != distance:
        if n_words > distance:                      # once more from the beginning
            between = '', ''
        between = [f'{text} {more}' for text, more in zip(between, rng.choice(PLACES))]
    finite = verb['de']['prefix'] + verb['de']['now'][many]
    forms = verb['en']['now'][many], verb['en']['now'][1 - many]
    who = sounded(prepare.say(subject, 'en'), 'en')
    return (sounded(f'Ich glaube, dass {prepare.say(subject, "de")}{between[0]} {finite}.', 'de'),
            f'I believe that {who} {forms[0]}{between[1]}.', (who.split()[-1], *forms))

def main():
    rng = random.Random(1)
    pairs = [sentence(rng, int(2 + 39 * rng.random() ** 2))[:2]           # more near ones than far
             for _ in range(600 if smoke else 40000)]
    folder = course.make_data_of(pairs, f'{out_dir}/data', ('de', 'en'), smoke)
    seen, tests = {source for source, _ in pairs}, {}
    for distance in DISTANCES:                      # sentences that were not in training
        drawn = (sentence(rng, distance) for _ in itertools.count())
        new = (drawing for drawing in drawn if drawing[0] not in seen)
        tests[distance] = list(itertools.islice(new, 5 if smoke else 200))
    rows, curves = [], []
    arms = {'attention': {}, 'none': dict(attention='none'),
            'none, source reversed': dict(attention='none', reverse_source=True),
            'none, twice the state': dict(attention='none', n_hidden=2 * n_hidden)}
    for name, how in arms.items():
        shares = {what: {distance: [] for distance in DISTANCES} for what in WHAT}
        for seed in range(1, seeds + 1):
            out = f'{out_dir}/{name.replace(",", "").replace(" ", "_")}-{seed}'
            train(out, smoke, data_dir=folder, seed=seed, eval_sentences=50, eval_interval=max_steps // 4,
                  **{**dict(n_embd=n_embd, n_hidden=n_hidden, bidirectional=False, dropout=dropout,
                            batch_tokens=batch_tokens, max_steps=max_steps,
                            learning_rate=learning_rate), **how})
            model, *vocabs = load(f'{out}/best.pt')
            for distance, texts in tests.items():
                found = translate([de for de, _, _ in texts], model, *vocabs, beam_size=1,
                                  max_length=1 if smoke else 0)
                said = [set(text.rstrip('.').split()) for ((text, _),) in found]
                for i, what in enumerate(WHAT):
                    right = sum(wanted[i] in words for words, (_, _, wanted) in zip(said, texts))
                    shares[what][distance].append(100 * right / len(texts))
        for what, by_distance in shares.items():
            rows.append([name, what, *map(spread, by_distance.values())])
            if what != WHAT[2]:
                curves.append((f'{name}: {what}', [(distance, sum(each) / seeds)
                                                   for distance, each in by_distance.items()]))
    table(['% of sentences that have', '', *DISTANCES], rows)
    course.save(f'{out_dir}/09_distance.svg', plot.line_chart(
        'What is still there?', 'words between subject and verb', '% right', curves, may_be_log=False))

if __name__ == '__main__':
    course.begin(globals())
    main()
