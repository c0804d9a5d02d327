"""
Lesson 9. How far can a verb be from its subject?

In a German clause with "dass" the verb comes last, and in English right after its subject: "Ich glaube,
dass der Hund heute im Garten ... schläft", "I believe that the dog sleeps ...". To say "sleeps" the decoder
must know what the encoder read at the very end, and to say "sleeps" and not "sleep", what it read far
before that. The grammar puts 2 to 40 words between the two. A state without attention must carry everything
that lies between as well.

Before you run it, write down: at which distance is the verb lost without attention, the verb itself or its
ending? Does it help to read the source backwards (Sutskever et al. 2014)? To double the state?

    python lessons/09_without_attention.py
"""
import random

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
max_steps = 1500
learning_rate = 5e-3
seeds = 3
smoke = False
# -----------------------------------------------------------------------------
DISTANCES = 2, 5, 10, 15, 20, 30, 40        # German words between subject and verb, at most

def sentence(rng, distance):
    """
    A clause with at most that many words, phrases of place, between subject and verb: German, English, and
    the two forms of its English verb, the right one first.
    """
    verb, noun = rng.choice(prepare.FRAMES['human', 'nothing'])[1], rng.choice(prepare.NOUNS['human'])
    many = rng.randrange(2)
    subject = dict(noun=noun, cls='human', det=prepare.DETERMINERS['many' if many else 'one'][0], many=many,
                   fem=noun['fem'], gender=3 if many else noun['gender'])
    between = '', ''
    while True:
        preposition, place = prepare.where(rng, False)
        longer = [f'{text} {preposition[i]} {prepare.say(place, lang, 2)}'
                  for i, (lang, text) in enumerate(zip(('de', 'en'), between))]
        if len(longer[0].split()) > distance:
            break
        between = longer
    finite = verb['de']['prefix'] + verb['de']['now'][many]
    forms = verb['en']['now'][many], verb['en']['now'][1 - many]
    texts = [f'Ich glaube, dass {prepare.say(subject, "de")}{between[0]} {finite}.',
             f'I believe that {prepare.say(subject, "en")} {forms[0]}{between[1]}.']
    for i, lang in enumerate(('de', 'en')):         # im for in dem, an old for a old
        for pattern, sound in prepare.SOUNDS[lang]:
            texts[i] = regex.sub(pattern, sound, texts[i])
    return *texts, forms

def main():
    rng = random.Random(1)
    pairs = (sentence(rng, rng.randint(2, 40))[:2] for _ in range(600 if smoke else 40000))
    folder = course.make_data_of(pairs, f'{out_dir}/data', ('de', 'en'), smoke)
    alone = dict(attention='none', bidirectional=False)
    rows, curves = [], []
    arms = {'attention': {}, 'none': alone, 'none, source reversed': {**alone, 'reverse_source': True},
            'none, twice the state': {**alone, 'n_hidden': 2 * n_hidden}}
    for name, how in arms.items():
        right, other = ({distance: [] for distance in DISTANCES} for _ in range(2))
        for seed in range(1, seeds + 1):
            out = f'{out_dir}/{name.replace(",", "").replace(" ", "_")}-{seed}'
            train(out, smoke, data_dir=folder, seed=seed, eval_sentences=50, eval_interval=max_steps // 4,
                  **{**dict(n_embd=n_embd, n_hidden=n_hidden, dropout=dropout, batch_tokens=batch_tokens,
                            max_steps=max_steps, learning_rate=learning_rate), **how})
            model, *vocabs = load(f'{out}/best.pt')
            for distance in DISTANCES:
                rng = random.Random(distance)
                texts = [sentence(rng, distance) for _ in range(5 if smoke else 200)]
                found = translate([de for de, _, _ in texts], model, *vocabs, beam_size=1,
                                  max_length=1 if smoke else 0)
                words = [set(text.rstrip('.').split()) for ((text, _),) in found]
                share = [sum(forms[i] in said for said, (_, _, forms) in zip(words, texts)) / len(texts)
                         for i in (0, 1)]
                right[distance].append(100 * share[0]), other[distance].append(100 * share[1])
        rows.append([name, *(spread(right[distance]) for distance in DISTANCES)])
        rows.append([f'{name}: wrong ending', *(spread(other[distance]) for distance in DISTANCES)])
        curves.append((name, [(distance, sum(right[distance]) / seeds) for distance in DISTANCES]))
    table(['% of verbs right, by distance', *DISTANCES], rows)
    course.save(f'{out_dir}/09_distance.svg', plot.line_chart(
        'Is the verb still there?', 'words between subject and verb', '% right', curves, may_be_log=False))

if __name__ == '__main__':
    course.begin(globals())
    main()
