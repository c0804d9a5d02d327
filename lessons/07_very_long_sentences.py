"""
Lesson 7. What happens to sentences longer than any in training?

A recurrent network runs for as many steps as one likes, so nothing stops us from translating 200 words with
a model that has never seen more than 25. Koehn and Knowles 2017 (section 3.4) found that quality falls off
for sentences longer than most: the output is too short. Attention has to know where it is, and it learnt that
on short sentences. Three remedies: cut the text at its marks and translate the parts; train on sentences
joined together; or let the beam search punish what was never looked at (coverage, Wu et al. 2016, eq. 14).

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
import plot
import prepare
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
SHORT = 25                  # words a side, at most, that the first model sees

def n_words(text):
    return len(split(text))

def sentences(seed):
    """Endless short pairs of the grammar."""
    rng = random.Random(seed)
    while True:
        tree = prepare.draw(rng)
        pair = [prepare.realise(tree, lang) for lang in ('de', 'en')]
        if max(map(n_words, pair)) <= SHORT:
            yield pair

def pairs_of(part, langs):
    return list(zip(*(read_lines(f'{data_dir}/{part}.{lang}') for lang in langs)))

def joined(pairs, words):
    """Sentences one after the other, as long as they have no more words than that."""
    texts = next(pairs)
    for pair in pairs:
        longer = [' '.join(both) for both in zip(texts, pair)]
        if n_words(longer[0]) > words:
            break
        texts = longer
    return texts

def parts(text):
    """A text cut into its sentences, and where these have more than SHORT words, at other marks too."""
    found = []
    for sentence in regex.split(r'(?<=[.?!])\s', text):
        found.append('')
        for piece in regex.split(r'(?<=[;:,])\s', sentence):
            longer = f'{found[-1]} {piece}'.strip()
            found[-1:] = [longer] if not found[-1] or n_words(longer) <= SHORT else [found[-1], piece]
    return found

def said_twice(texts):
    """The share of the 4-grams of words that stood in the same text before."""
    counts = [ngrams(text.split(), 4) for text in texts]
    return sum(sum(c.values()) - len(c) for c in counts) / max(1, sum(sum(c.values()) for c in counts))

def missing(texts, references):
    """The share of the reference's words that the translation lacks."""
    pairs = [[collections.Counter(text.split()) for text in pair] for pair in zip(texts, references)]
    return sum(sum((true - found).values()) for found, true in pairs) / sum(sum(t.values()) for _, t in pairs)

@torch.inference_mode()
def looked_at(model, vocabs, pair):
    """The source word that attention looks at most at each true target word, and the last one's number."""
    source, lengths = pad([vocabs[0].encode(pair[0]) + [EOS]])
    tokens, _ = pad([vocabs[1].encode(pair[1])])
    return attention_weights(model, source, lengths, tokens)[0].argmax(-1), source.shape[1] - 1     # (T,)

def off_course(places, last):
    """How far off the diagonal these are, as a share of the length."""
    return (places / last - torch.linspace(0, 1, len(places))).abs().mean().item()

def ways_to_translate(short, joined):
    """What is compared, {name: a function from texts to translations}."""
    def plainly(model, **how):
        return lambda texts: [found[0][0] for found in translate(
            texts, *model, max_length=1 if smoke else 0, batch_size=16, **how)]

    def in_parts(texts):
        found = iter(plainly(short)([part for text in texts for part in parts(text)]))
        return [' '.join(next(found) for _ in parts(text)) for text in texts]

    return {f'trained on {SHORT} words': plainly(short),
            'with coverage': plainly(short, coverage_penalty=0.2),
            'cut at marks': in_parts, 'trained on joined sentences': plainly(joined)}

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
            sources, references = zip(*texts)
            for way, translated in ways_to_translate(**models).items():
                outputs = translated(list(sources))
                ratio = sum(len(text.split()) for text in outputs) / sum(len(r.split()) for r in references)
                found[words, way].append([bleu(outputs, references), ratio, 100 * said_twice(outputs),
                                          100 * missing(outputs, references)])
            for name, (model, *vocabs) in models.items():
                off[words, name].append(100 * statistics.mean(off_course(*looked_at(model, vocabs, pair))
                                                              for pair in texts))

    table(['words', 'texts', 'way', 'BLEU', 'length ratio', '% said twice', '% of the reference missing'],
          [[words, len(tests[words]), way, *map(spread, zip(*values))]
           for (words, way), values in found.items()])
    print('\n% said twice in the references:', *(f'{100 * said_twice([pair[1] for pair in texts]):.2f}'
                                                for texts in tests.values()))
    table(['attention off the diagonal, % of the length', *tests],
          [[f'trained on {name}', *(spread(off[words, name]) for words in tests)] for name in folders])
    course.save(f'{out_dir}/07_long.svg', plot.line_chart(
        'Longer than in training', 'source words', 'BLEU',
        [(way, [(words, statistics.mean(v[0] for v in found[words, way])) for words in tests])
         for way in dict.fromkeys(way for _, way in found)], may_be_log=False))
    pair = list(tests.values())[:2][-1][0]
    course.save(f'{out_dir}/07_looked_at.svg', plot.line_chart(
        'Where attention looks', 'word of the translation', 'source word',
        [(f'trained on {name}', list(enumerate(looked_at(model, vocabs, pair)[0].tolist(), 1)))
         for name, (model, *vocabs) in models.items()], may_be_log=False))

if __name__ == '__main__':
    course.begin(globals())
    main()

# -----------------------------------------------------------------------------
# what we measured
# (--seeds=3, 23 November 2026; tables, figures, hardware: README.md)
# Trained on up to 25 words, BLEU is 99.9 at 25, 54.7 ± 3.3 at 50 and 0.1 at 200: sentences are left out. The
# coverage penalty brings eleven BLEU at 50 and nineteen at 100, and says much of it twice. Cut at the marks
# it is 98.0 to 99.7 at every length; trained on joined sentences of up to 120 words it is 97.5 at 100 and 84.4
# at 200. Attention looks for the right kind of word in the wrong sentence. Of newstest2018 (one seed)
# sentences of 46 to 70 words have 7.5 BLEU, cut at marks 12.6.
#
# exercises
# 1. Set SHORT to 50. What should happen: at 50 words the model now translates, as it has seen such texts, and
#    breaks beyond. It is the places beyond those of training that it cannot tell apart, not length as such.
# 2. Let parts() cut at full stops alone. At which length of newstest does that begin to hurt?
# 3. Is there a coverage penalty that brings more than 0.2 at 50 words, and says less twice?
