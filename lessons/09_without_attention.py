"""
Lesson 9. How far can a verb be from its subject?

In a German clause with "weil" the verb comes last, and in English right after its subject: "Weil der Koch
sehr sehr laut singt", "Because the chef sings very very loudly". To say "the chef" the decoder must know
what the encoder read at the beginning, and to say "sings" what it read at the very end. We put 2 to 40 words
between the two, of two kinds: "very" over and over, where little else has to be remembered, and "in Oslo in
Riga ...", one of twelve cities after the other, each of which has to be said too.

Before you run it, write down: which is lost first without attention, the subject, the verb, or the words
between? From which distance on, with either kind of words between? Does it help to read the source backwards
(Sutskever et al. 2014), and which of the three? To double the state?

    python lessons/09_without_attention.py
    python lessons/09_without_attention.py --max_steps=2000
"""
import course

import itertools, random

import grammar
import plot
from course import spread, table, train
from sample import load, translate

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # the clauses are generated with the words of the same grammar
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
CONJUNCTION = 'Weil', 'Because'
DISTANCES = 2, 6, 10, 16, 20, 30, 40        # German words between subject and verb
SUBJECTS = list(itertools.product(grammar.NOUNS['human'], (False, True)))       # a noun, and whether plural
VERBS = [verb for _, verb in grammar.FRAMES['human', 'intransitive']]
CITIES = 'Basel Berlin Bremen Kassel London Madrid Oslo Paris Potsdam Riga Stuttgart Zagreb'.split()
MEASURES = ('subject', 'verb', 'verb with the wrong ending', 'words between, each at its place',
            'all words between')
# pairs of subject and verb are split into five folds: those of validation and test are not in training
TEST, VALID, TRAIN = [0], [1], [2, 3, 4]

def sample_clause(rng, distance, between, folds):
    """
    A clause with `distance` words, an even number, between subject and verb: German, English, and three
    English words to look for, the subject, and the verb with the right ending and with the wrong one.
    """
    s, v = rng.choice([(s, v) for s in range(len(SUBJECTS)) for v in range(len(VERBS))
                       if (s // 2 + v) % 5 in folds])
    (noun, plural), verb = SUBJECTS[s], VERBS[v]
    subject = grammar.noun_phrase(noun, 'human', grammar.DETERMINERS['plural' if plural else 'singular'][0],
                                  plural)
    if between == 'very':
        german, english = 'sehr ' * (distance - 1) + 'laut', 'very ' * (distance - 1) + 'loudly'
    else:
        german = english = ' '.join(f'in {rng.choice(CITIES)}' for _ in range(distance // 2))
    german_subject, english_subject = (grammar.realise_noun_phrase(subject, lang) for lang in ('de', 'en'))
    german_verb = verb['de']['prefix'] + verb['de']['present'][plural]
    right, wrong = verb['en']['present'][plural], verb['en']['present'][1 - plural]
    return (f'{CONJUNCTION[0]} {german_subject} {german} {german_verb}.',
            f'{CONJUNCTION[1]} {english_subject} {right} {english}.',
            (english_subject.split()[-1], right, wrong))

def make_data(rng, between):
    """Training text in which most distances are short; returns its folder."""
    def pairs(n, folds):
        distances = (2 * int(1 + 20 * rng.random() ** 2) for _ in range(n))
        return [sample_clause(rng, distance, between, folds)[:2] for distance in distances]
    held_out = {}
    for side, lines in zip(('source', 'target'), zip(*pairs(200, VALID))):
        held_out[f'valid_{side}'] = held_out[f'test_{side}'] = f'{out_dir}/{between}-valid.{side}'
        course.write(f'{out_dir}/{between}-valid.{side}', lines)
    return course.make_data_of(pairs(600 if smoke else 40000, TRAIN), f'{out_dir}/{between}', ('de', 'en'),
                               smoke, **held_out, drop_duplicates=False)    # else few short ones remain

def measure(translations, clauses):
    """The MEASURES, in percent of the clauses, the fourth in percent of the words between."""
    n_found, n_right, n_between, n_all_right = [0, 0, 0], 0, 0, 0
    begin = len(CONJUNCTION[1].split()) + 3         # the word after "Because the chef sings"
    for text, (_, english, wanted) in zip(translations, clauses):
        text, english = text.rstrip('.').split(), english.rstrip('.').split()
        n_found = [n + (word in text) for n, word in zip(n_found, wanted)]
        positions = [i for i in range(begin, len(english)) if english[i] != 'in']
        n_right += sum(text[i:i + 1] == english[i:i + 1] for i in positions)
        n_between += len(positions)
        n_all_right += text[begin:] == english[begin:]
    return (*(100 * n / len(clauses) for n in n_found), 100 * n_right / n_between,
            100 * n_all_right / len(clauses))

def main():
    rows, curves = [], []
    models = {'attention': {}, 'none': dict(attention='none'),
              'none, source reversed': dict(attention='none', reverse_source=True),
              'none, twice the state': dict(attention='none', n_hidden=2 * n_hidden)}
    for between in 'very', 'cities':
        rng = random.Random(1)
        folder = make_data(rng, between)
        tests = {distance: [sample_clause(rng, distance, between, TEST) for _ in range(5 if smoke else 200)]
                 for distance in DISTANCES}
        for name, flags in models.items():
            percentages = {measured: {distance: [] for distance in DISTANCES} for measured in MEASURES}
            for seed in range(1, seeds + 1):
                out = f'{out_dir}/{between}_{name.replace(",", "").replace(" ", "_")}-{seed}'
                train(out, smoke, data_dir=folder, seed=seed, eval_sentences=50, eval_interval=max_steps // 4,
                      **{**dict(cell=cell, n_embd=n_embd, n_hidden=n_hidden, bidirectional=False,
                                dropout=dropout, batch_tokens=batch_tokens, max_steps=max_steps,
                                learning_rate=learning_rate), **flags})
                model, *vocabs = load(f'{out}/best.pt')
                for distance, clauses in tests.items():
                    results = translate([german for german, _, _ in clauses], model, *vocabs, beam_size=1,
                                        max_length=1 if smoke else 0)
                    translations = [text for ((text, _),) in results]
                    for measured, percentage in zip(MEASURES, measure(translations, clauses)):
                        percentages[measured][distance].append(percentage)
            for measured, by_distance in percentages.items():
                rows.append([between, name, measured, *map(spread, by_distance.values())])
            curves.append((f'{between}: {name}', [(distance, sum(of_seeds) / seeds) for distance, of_seeds
                                                  in percentages['all words between'].items()]))
    table(['between', 'model', '% right', *DISTANCES], rows)
    course.save(f'{out_dir}/09_distance.svg', plot.line_chart(
        'All words between are right', 'words between subject and verb', '% of the sentences', curves,
        may_be_log=False))

if __name__ == '__main__':
    course.run_lesson(main, globals())
