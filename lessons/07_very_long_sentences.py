"""
Lesson 7. What happens to sentences longer than any in training?

A recurrent network runs for as many steps as one likes, so nothing stops us from translating 200 words with
a model that has never seen more than 25. Koehn and Knowles 2017 (section 3.5) found that quality falls off
there; the output is too short, or says a part twice. Attention has to know where it is, and it learnt that
on short sentences. Three remedies: cut the text at its full stops and translate the parts; train on
sentences joined together; or let the beam search punish what was never looked at (coverage, Wu et al. 2016,
eq. 14).

Before you run it, write down: at which length does BLEU break? Are the translations then too short or too
long? Which remedy helps most, and which costs nothing?

    python lessons/07_very_long_sentences.py
"""
import collections, random

import torch

import course
import plot
import prepare
from course import table, train
from sample import attention_weights, bleu, load, ngrams, pad, translate
from tokenizer import EOS, split

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # what it is trained on is made from the same grammar
out_dir = 'checkpoints/lesson7'
n_embd = 64
n_hidden = 256
max_steps = 2000
learning_rate = 5e-3
seeds = 1
smoke = False
# -----------------------------------------------------------------------------
LENGTHS = 25, 50, 75, 100, 150, 200         # source words of the test texts, at most

def sentences(seed):
    """Endless pairs of at most 25 words a side."""
    rng = random.Random(seed)
    while True:
        tree = prepare.draw(rng)
        pair = [prepare.realise(tree, lang) for lang in ('de', 'en')]
        if max(len(split(text)) for text in pair) <= 25:
            yield pair

def joined(pairs, words):
    """Sentences one after the other, as long as they have no more words than that."""
    texts = next(pairs)
    for pair in pairs:
        longer = [' '.join(both) for both in zip(texts, pair)]
        if len(split(longer[0])) > words:
            return texts
        texts = longer

def training_data(name, n, most):
    """n texts of up to a random number of words, at most `most`; returns their folder."""
    pairs, rng = sentences(1), random.Random(1)
    texts = [joined(pairs, rng.randint(25, most)) if most > 25 else next(pairs) for _ in range(n)]
    return course.make_data_of(texts, f'{out_dir}/{name}-data', ('de', 'en'), smoke, max_len=200)

def said_twice(texts):
    """The share of the 4-grams of words that stood in the same text before."""
    counts = [ngrams(text.split(), 4) for text in texts]
    return sum(sum(c.values()) - len(c) for c in counts) / max(1, sum(sum(c.values()) for c in counts))

def left_out(texts, references):
    """The share of the reference's words that the translation lacks."""
    pairs = [[collections.Counter(text.split()) for text in pair] for pair in zip(texts, references)]
    return sum(sum((true - found).values()) for found, true in pairs) / sum(sum(t.values()) for _, t in pairs)

@torch.inference_mode()
def lost(model, vocabs, pair):
    """How often attention, over the true translation, jumps by more than 15 words from word to word."""
    source, lengths = pad([vocabs[0].encode(pair[0]) + [EOS]])
    tokens, _ = pad([vocabs[1].encode(pair[1])])
    at = attention_weights(model, source, lengths, tokens)[0].argmax(-1)                # (T,)
    return (at.diff().abs() > 15).float().mean().item()

def main():
    n, models = 600 if smoke else 40000, {}
    for name, n_texts, most in ('short', n, 25), ('joined', n // 4, 120):
        train(f'{out_dir}/{name}', smoke, data_dir=training_data(name, n_texts, most), n_embd=n_embd,
              n_hidden=n_hidden, max_steps=max_steps, learning_rate=learning_rate, eval_sentences=50,
              eval_interval=max_steps // 4)
        models[name] = load(f'{out_dir}/{name}/best.pt')

    def plainly(name, **how):
        return lambda texts: [found[0][0] for found in translate(
            texts, *models[name], max_length=1 if smoke else 0, batch_size=16, **how)]

    def in_parts(texts):                            # each sentence on its own
        parts = [text.replace('. ', '.\n').replace('? ', '?\n').split('\n') for text in texts]
        found = iter(plainly('short')([part for text in parts for part in text]))
        return [' '.join(next(found) for _ in text) for text in parts]

    ways = {'trained on 25 words': plainly('short'), 'with coverage': plainly('short', coverage_penalty=0.2),
            'cut at full stops': in_parts, 'trained on joined sentences': plainly('joined')}
    rows, curves = [], {way: [] for way in ways}
    for words in LENGTHS[:2] if smoke else LENGTHS:
        pairs = sentences(2)
        texts = [joined(pairs, words) for _ in range(4 if smoke else 60)]
        sources, references = zip(*texts)
        for way, translated in ways.items():
            found = translated(list(sources))
            curves[way].append((words, bleu(found, references)))
            ratio = sum(len(text.split()) for text in found) / sum(len(text.split()) for text in references)
            rows.append([words, way, curves[way][-1][1], f'{ratio:.2f}', f'{said_twice(found):.1%}',
                         f'{left_out(found, references):.1%}'])
        for name, (model, *vocabs) in models.items():
            jumps = sum(lost(model, vocabs, pair) for pair in texts) / len(texts)
            print(f'up to {words} words, {name}: attention jumps at {jumps:.1%} of the words')
    table(['words', 'way', 'BLEU', 'length ratio', 'said twice', 'left out'], rows)
    course.save(f'{out_dir}/07_long.svg', plot.line_chart(
        'Longer than in training', 'source words', 'BLEU', list(curves.items()), may_be_log=False))

if __name__ == '__main__':
    course.begin(globals())
    main()
