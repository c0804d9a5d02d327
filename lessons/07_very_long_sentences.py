"""
Lesson 7. What happens to sentences longer than any in training?

A recurrent network runs for as many steps as one likes, so nothing stops us from translating 200 words with
a model that has never seen more than 25. Koehn and Knowles 2017 (section 3.4) found that quality falls off
for sentences longer than most: the output is too short. Attention has to know where it is, and it learnt that
on short sentences. Three remedies: cut the text at its marks and translate the parts (Pouget-Abadie et al.
2014 cut where their model was surest); train on sentences joined together; or let the beam search punish what
was never looked at (coverage, Wu et al. 2016, eq. 14).

Before you run it, write down: at which length does BLEU break? Are the translations then too short or too
long? Which remedy helps most, and which costs nothing?

    python lessons/07_very_long_sentences.py
    python lessons/07_very_long_sentences.py --data_dir=data/mix --lengths=15,25,35,45,70 --n_hidden=384 \
        --batch_tokens=1500 --learning_rate=4e-3 --max_steps=3000
"""
import collections, itertools, random, statistics

import regex
import torch

import course
import grammar
import plot
from course import spread, table, train
from sample import attention_weights, bleu, load, ngrams, pad, translate
from tokenizer import EOS, read_lines, read_meta, split

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # of the toy corpus the texts are drawn anew, others are sorted out by length
out_dir = 'checkpoints/lesson7'
lengths = '25,50,75,100,150,200'    # source words of the test texts, at most
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500
max_steps = 3000
learning_rate = 5e-3
seeds = 1                   # README.md's numbers are of three
smoke = False
# -----------------------------------------------------------------------------
SHORT = 25                  # source words, at most, of the texts that the first model sees

def n_words(text):
    return len(split(text))

def sentences(seed):
    """Endless short pairs of the grammar."""
    rng = random.Random(seed)
    while True:
        tree = grammar.sample_tree(rng)
        pair = [grammar.realise(tree, lang) for lang in ('de', 'en')]
        if max(map(n_words, pair)) <= SHORT:
            yield pair

def pairs_of(part, langs):
    return list(zip(*(read_lines(f'{data_dir}/{part}.{lang}') for lang in langs)))

def joined(pairs, words):
    """Sentences one after the other, as long as they have no more source words than that; one at least."""
    texts = next(pairs)
    for pair in pairs:
        longer = [' '.join(both) for both in zip(texts, pair)]
        if n_words(longer[0]) > words:
            break
        texts = longer
    return texts

def parts(text):
    """A text cut after . ? and ! (a date's too), and what still has more than SHORT words after ; : and ,"""
    found = []
    for piece in regex.split(r'(?<=[.?!;:,])\s', text):
        if found and found[-1][-1:] not in '.?!' and n_words(f'{found[-1]} {piece}') <= SHORT:
            found[-1] += f' {piece}'
        else:
            found.append(piece)
    return found

def said_twice(texts):
    """Of all 4-grams of words, how many percent stood in the same text before."""
    counts = [ngrams(text.split(), 4) for text in texts]
    total = sum(sum(count.values()) for count in counts)
    return 100 * (total - sum(map(len, counts))) / max(1, total)

def scores(texts, references):
    """BLEU, the length over the references', % said twice, % of the references' words that are missing."""
    said, wanted = ([collections.Counter(text.split()) for text in side] for side in (texts, references))
    n_said, n_wanted = (sum(sum(words.values()) for words in side) for side in (said, wanted))
    n_missing = sum(sum((true - found).values()) for found, true in zip(said, wanted))
    return bleu(texts, references), n_said / n_wanted, said_twice(texts), 100 * n_missing / n_wanted

@torch.inference_mode()
def looked_at(model, vocabs, pair):
    """The source word looked at most for each true target word, from 1; how far off the diagonal, in %."""
    source, lengths = pad([vocabs[0].encode(pair[0]) + [EOS]])
    tokens, _ = pad([vocabs[1].encode(pair[1])])
    places = attention_weights(model, source, lengths, tokens)[0].argmax(-1)                    # (T,)
    n = source.shape[1] - 1                                                                 # without <eos>
    off = (places - torch.linspace(0, n - 1, len(places))).abs().mean() / n
    return (places + 1).tolist(), 100 * off.item()

def best(texts, model, **how):
    """The best translation of each text."""
    found = translate(texts, *model, max_length=1 if smoke else 0, batch_size=16, **how)
    return [text for ((text, _),) in found]

def ways_to_translate(texts, short, long):
    """What is compared: each way's name and its translations."""
    yield f'trained on up to {SHORT} words', best(texts, short)
    yield 'with coverage', best(texts, short, coverage_penalty=0.2)
    cut = [parts(text) for text in texts]
    found = iter(best(sum(cut, []), short))
    yield 'cut at punctuation', [' '.join(itertools.islice(found, len(pieces))) for pieces in cut]
    yield 'trained on joined sentences', best(texts, long)

def main():
    meta = read_meta(data_dir)
    langs, toy = (meta['source_lang'], meta['target_lang']), meta['dataset'] == 'toy'
    short = [] if toy else [p for p in pairs_of('train', langs) if max(map(n_words, p)) <= SHORT]
    n = 600 if smoke else 20000 if toy else len(short)
    folders = {}
    for name, n_texts, most in ('short', n, SHORT), ('joined', n // 4, 120):         # about as many words
        pairs, rng = sentences(1) if toy else itertools.cycle(short), random.Random(1)
        texts = [joined(pairs, rng.randint(5, most)) for _ in range(n_texts)]
        folders[name] = course.make_data_of(texts, f'{out_dir}/{name}-data', langs, smoke, max_len=200)
    bounds, tests = [0, *map(int, lengths.split(','))][:3 if smoke else None], {}
    for shorter, words in zip(bounds, bounds[1:]):
        pairs = sentences(2)
        if texts := ([joined(pairs, words) for _ in range(4 if smoke else 60)] if toy else
                     [pair for pair in pairs_of('test', langs) if shorter < n_words(pair[0]) <= words]):
            tests[words] = texts

    found, off = collections.defaultdict(list), collections.defaultdict(list)       # for each seed
    for seed in range(1, seeds + 1):
        models = {}
        for name, folder in folders.items():
            out = f'{out_dir}/{name}-{seed}'
            train(out, smoke, data_dir=folder, n_embd=n_embd, n_hidden=n_hidden,
                  dropout=dropout, batch_tokens=batch_tokens, max_steps=max_steps, seed=seed,
                  learning_rate=learning_rate, eval_sentences=50, eval_interval=max_steps // 4)
            models[name] = load(f'{out}/best.pt')
        for words, texts in tests.items():
            sources, references = map(list, zip(*texts))
            for way, outputs in ways_to_translate(sources, *models.values()):
                found[way, words].append(scores(outputs, references))
            for name, (model, *vocabs) in models.items():
                off[name, words].append(statistics.mean(looked_at(model, vocabs, pair)[1] for pair in texts))

    ways = list(dict.fromkeys(way for way, _ in found))
    table(['words', 'texts', 'way', 'BLEU', 'length ratio', '% said twice', '% of the reference missing'],
          [[words, len(texts), way, *map(spread, zip(*found[way, words]))]
           for words, texts in tests.items() for way in ways])
    print('\n% said twice in the references:',
          *(f'{said_twice([target for _, target in texts]):.2f}' for texts in tests.values()))
    table(['attention off the diagonal, % of the length', *tests],
          [[f'trained on {name}', *(spread(off[name, words]) for words in tests)] for name in folders])
    course.save(f'{out_dir}/07_long.svg', plot.line_chart(
        'Longer than in training', 'source words', 'BLEU',
        [(way, [(words, statistics.mean(score[0] for score in found[way, words])) for words in tests])
         for way in ways], may_be_log=False))
    pair = list(tests.values())[:2][-1][0]
    course.save(f'{out_dir}/07_looked_at.svg', plot.line_chart(
        'Where attention looks', 'word of the translation', 'source word',
        [(f'trained on {name}', list(enumerate(looked_at(model, vocabs, pair)[0], 1)))
         for name, (model, *vocabs) in models.items()], may_be_log=False))

if __name__ == '__main__':
    course.run_lesson(main, globals())

# -----------------------------------------------------------------------------
# what we measured
# (--seeds=3, 23 November 2026; newstest2018 one seed, the 26th; tables, figures, hardware: README.md)
# Trained on up to 25 words, BLEU is 99.9 at 25, 54.7 ± 3.3 at 50 and 0.1 at 200: sentences are left out.
# The coverage penalty brings eleven BLEU at 50 and nineteen at 100, and says much of it twice. Cut at the
# marks it is 98.0 to 99.7 at every length; trained on joined sentences of up to 120 words it is 97.5 at 100
# and 84.4 at 200. Attention looks for the right kind of word in the wrong sentence. Newstest2018's
# sentences of 46 to 70 words have 7.6 BLEU, cut at marks 12.7; what joined sentences teach hangs on the run.
#
# exercises
# 1. Set SHORT to 50, but let sentences() keep its 25. What should happen: at 50 words the model now
#    translates, as it has seen such texts, and breaks beyond. It is the places beyond those of training that
#    it cannot tell apart, not length as such.
# 2. Let parts() cut at full stops alone. At which length of newstest does that begin to hurt?
# 3. Is there a coverage penalty better than 0.2 at 50 words, one that says less twice?
