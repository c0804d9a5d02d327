"""
Lesson 9. How far can a verb be from its subject?

In a German clause with "weil" the verb comes last, and in English right after its subject: "Weil der Koch
sehr sehr laut singt", "Because the chef sings very very loudly". To say "the chef" the decoder must know
what the encoder read at the beginning, and to say "sings" what it read at the very end. We put 2 to 40
words between the two, of two kinds: "very" over and over, where little else has to be kept, and "in Oslo in
Riga ...", one of twelve cities after the other, each of which has to be said too.

Before you run it, write down: which is lost first without attention, the subject, the verb, or what is
between? From which distance on, with either kind of words between? Does it help to read the source backwards
(Sutskever et al. 2014), and whom? To double the state?

    python lessons/09_without_attention.py
    python lessons/09_without_attention.py --max_steps=2000
"""
import itertools, random

import course
import grammar
import plot
from course import spread, table, train
from sample import load, translate

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # what it is trained on is made from the same grammar
out_dir = 'checkpoints/lesson9'
cell = 'gru'                # which learns soonest without attention, see lesson 1
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500
max_steps = 1000
learning_rate = 5e-3
seeds = 1
smoke = False
# -----------------------------------------------------------------------------
WHAT = ('the subject', 'the verb', 'the verb, wrong ending', 'of what is between, the words at their place',
        'all of what is between')
DISTANCES = 2, 6, 10, 16, 20, 30, 40        # German words between subject and verb
SUBJECTS = list(itertools.product(grammar.NOUNS['human'], (False, True)))     # a noun, and whether many of it
VERBS = [verb for _, verb in grammar.FRAMES['human', 'intransitive']]
CITIES = 'Basel Berlin Bremen Kassel London Madrid Oslo Paris Potsdam Riga Stuttgart Zagreb'.split()

def sentence(rng, distance, between, fifths):
    """
    A clause with that many words, an even number, between subject and verb: German, English, and what to look
    for, the English subject and the two forms of the verb, the right one first. Which of the pairs of subject
    and verb may be drawn is said in fifths of all.
    """
    s, v = rng.choice([(s, v) for s in range(len(SUBJECTS)) for v in range(len(VERBS))
                       if (s // 2 + v) % 5 in fifths])
    (noun, many), verb = SUBJECTS[s], VERBS[v]
    subject = grammar.noun_phrase(noun, 'human', grammar.DETERMINERS['plural' if many else 'singular'][0], many)
    if between == 'very':
        german, english = 'sehr ' * (distance - 1) + 'laut', 'very ' * (distance - 1) + 'loudly'
    else:
        german = english = ' '.join(f'in {rng.choice(CITIES)}' for _ in range(distance // 2))
    who = grammar.realise_noun_phrase(subject, 'en')
    forms = verb['en']['present'][many], verb['en']['present'][1 - many]
    finite = verb['de']['prefix'] + verb['de']['present'][many]
    german = f'Weil {grammar.realise_noun_phrase(subject, "de")} {german} {finite}.'
    return (german, f'Because {who} {forms[0]} {english}.',
            (who.split()[-1], *forms))

def what_is_right(found, texts):
    """The percentages of the translations that have each thing of WHAT; of the fourth, of its words."""
    n_said, n_right, n_between, n_whole = [0, 0, 0], 0, 0, 0
    for text, (_, english, wanted) in zip(found, texts):
        text, english = text.rstrip('.').split(), english.rstrip('.').split()
        n_said = [n + (word in text) for n, word in zip(n_said, wanted)]
        between = [i for i in range(4, len(english)) if english[i] != 'in']         # from the fifth word on
        n_right += sum(text[i:i + 1] == english[i:i + 1] for i in between)
        n_between += len(between)
        n_whole += text[4:] == english[4:]
    return *(100 * n / len(texts) for n in n_said), 100 * n_right / n_between, 100 * n_whole / len(texts)

def main():
    rows, curves = [], []
    arms = {'attention': {}, 'none': dict(attention='none'),
            'none, source reversed': dict(attention='none', reverse_source=True),
            'none, twice the state': dict(attention='none', n_hidden=2 * n_hidden)}
    for between in 'very', 'cities':
        rng = random.Random(1)
        def pairs(n, fifths):
            distances = (2 * int(1 + 20 * rng.random() ** 2) for _ in range(n))         # most are near
            return [sentence(rng, distance, between, fifths)[:2] for distance in distances]
        held_out = {}           # the subjects and verbs of the test are together neither here nor in training
        for side, lines in zip(('source', 'target'), zip(*pairs(200, [1]))):
            held_out[f'valid_{side}'] = held_out[f'test_{side}'] = f'{out_dir}/{between}-valid.{side}'
            course.write(f'{out_dir}/{between}-valid.{side}', lines)
        folder = course.make_data_of(pairs(600 if smoke else 40000, [2, 3, 4]), f'{out_dir}/{between}',
                                     ('de', 'en'), smoke, **held_out,
                                     drop_duplicates=False)     # else the short ones are few
        tests = {distance: [sentence(rng, distance, between, [0]) for _ in range(5 if smoke else 200)]
                 for distance in DISTANCES}
        for name, how in arms.items():
            shares = {what: {distance: [] for distance in DISTANCES} for what in WHAT}
            for seed in range(1, seeds + 1):
                out = f'{out_dir}/{between}_{name.replace(",", "").replace(" ", "_")}-{seed}'
                train(out, smoke, data_dir=folder, seed=seed, eval_sentences=50, eval_interval=max_steps // 4,
                      **{**dict(cell=cell, n_embd=n_embd, n_hidden=n_hidden, bidirectional=False,
                                dropout=dropout, batch_tokens=batch_tokens, max_steps=max_steps,
                                learning_rate=learning_rate), **how})
                model, *vocabs = load(f'{out}/best.pt')
                for distance, texts in tests.items():
                    found = translate([de for de, _, _ in texts], model, *vocabs, beam_size=1,
                                      max_length=1 if smoke else 0)
                    for what, share in zip(WHAT, what_is_right([text for ((text, _),) in found], texts)):
                        shares[what][distance].append(share)
            for what, by_distance in shares.items():
                rows.append([between, name, what, *map(spread, by_distance.values())])
            curves.append((f'{between}: {name}', [(distance, sum(each) / seeds)
                                                  for distance, each in shares[WHAT[-1]].items()]))
    table(['between', 'model', '% right', *DISTANCES], rows)
    course.save(f'{out_dir}/09_distance.svg', plot.line_chart(
        'All of what is between', 'words between subject and verb', '% of the sentences', curves,
        may_be_log=False))

if __name__ == '__main__':
    course.run_lesson(main, globals())

# -----------------------------------------------------------------------------
# what we measured
# (--max_steps=2000 --seeds=3, 26 November 2026; tables, figures, hardware: README.md)
# Subject and verb are right in all sentences, up to 40 words apart, in all four models: distance is no
# obstacle. What lies between is. Attention has 99.5 % of the cities at their place. Without it a single one
# is right in 11 % of the sentences, reversed in 28, with twice the state in 50 (8, 57 and 83, by the seed);
# of several one may be known, and the rest is chance, 8 %. "Very" it counts, in five of nine cases, and is
# wrong by even numbers, since it has seen odd ones alone; the other four do not stop saying it.
#
# exercises
# 1. Write "Ich glaube, dass" and "I believe that" for "Weil" and "Because" (and in what_is_right() 6 for
#    every 4, as the sentence begins with more words). What should happen, if it goes as it went for us, who
#    had changed cells and distances with it: without attention the subject is not learnt in as many steps,
#    not even at two words. We suspect that the longer sentences are learnt from the shortest.
# 2. Train on distances up to 20 and test up to 40. Which arm goes on beyond what it has seen?
# 3. Let the encoder read both ways (bidirectional=True). What is now far away for the model without
#    attention?
