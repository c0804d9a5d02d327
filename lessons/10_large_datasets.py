"""
Lesson 10. How does one train on more text, and longer text, than fits?

Nothing here makes the model better; everything makes it possible. Sentences of similar length side by side,
so that little is padding. A fixed number of words in a batch, so that memory is known. Gradients of small
batches added up. Half the bits for each number. For long texts, a gradient that goes back K steps and no
further (truncated BPTT, Williams and Peng 1990); for large vocabularies, an output layer that looks at some
of the words only (Jean et al. 2015).

Before you run it, write down: how many percent of a plain batch are padding? Which row saves most memory,
which saves most time, and which of them cost loss?

    python lessons/10_large_datasets.py
    python lessons/10_large_datasets.py --max_steps=400 --learning_rate=5e-3
"""
import course

import itertools, random, statistics, time

import numpy as np
import torch
from torch.nn import functional as F

import plot
import train as training
from course import best_loss, spread, table, train, values
from model import autocast, build, choose_dtype, keep_freed_memory
from tokenizer import PAD, read_lines, read_meta

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson10'
n_embd = 256
n_hidden = 256
batch_tokens = 1000
max_steps = 270
learning_rate = 8e-3        # high, so that attention starts to align within these steps
seeds = 1
batching = ''               # train with one kind of batches alone, a key of BATCHING, ...
seed = 1                    # ... from this seed
smoke = False
# -----------------------------------------------------------------------------

BATCHING = {'all_logits': 'random, logits of padding too', 'random': 'random, logits of words only',
            'by_length': 'by length, equally many sentences', 'by_words': 'by length, equally many words'}

class AllLogitsLoss(training.LossModule):
    """The loss from all logits of a batch at once, those of padding included."""

    def forward(self, source, source_lengths, target_in, target_out):
        with autocast(self.device, self.dtype):
            logits = self.model(source, source_lengths, target_in)                      # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1), target_out.flatten(), ignore_index=PAD,
                                   label_smoothing=training.label_smoothing)
        return loss, loss.detach()

def make_batches(train_set):
    """The batches of one epoch; whatever their kind, they have equally many sentences on average."""
    rng, offsets = np.random.default_rng(0), [offsets for _, offsets in train_set]
    by_length = np.lexsort([np.diff(side) for side in offsets])
    by_words = training.make_batches(np.arange(len(by_length)), *offsets, batch_tokens, rng)
    if batching == 'by_words':
        return by_words
    order = by_length if batching == 'by_length' else rng.permutation(len(by_length))
    return np.array_split(order, len(by_words))

def train_alone():
    """Train with one kind of batches, and print what it costs and what it learns, one `key value` a line."""
    vars(training).update(data_dir=data_dir, n_embd=n_embd, n_hidden=n_hidden, learning_rate=learning_rate)
    keep_freed_memory()
    torch.manual_seed(seed)
    data, dtype = training.load_data(), choose_dtype('auto', 'cpu')
    model = build(training.model_config(data))
    optimizer, scaler = training.build_optimizer(model, 'cpu', dtype)
    loss_module = (AllLogitsLoss if batching == 'all_logits' else training.LossModule)(model, 'cpu', dtype)

    batches, lengths = make_batches(data.train), [np.diff(offsets) + 1 for _, offsets in data.train]
    sizes = np.array([[len(batch) * side[batch].max() for side in lengths] for batch in batches])
    sample = [batches[i] for i in np.random.default_rng(seed).permutation(len(batches))[:max_steps]]
    seconds, n_warmup, largest = [], len(sample) // 10, batches[sizes[:, 1].argmax()]
    for step, indices in enumerate([*sample, largest]):         # the largest, at a rate of 0, has the peak
        start, rate = time.perf_counter(), training.learning_rate_at(step, step / len(sample))
        micro_batches = training.micro_batches(indices, data.train, 'cpu', 0, 1)
        training.train_step(loss_module, micro_batches, rate, optimizer, scaler, 1)
        seconds.append(time.perf_counter() - start)
    n_words = sum(lengths[1][indices].sum() for indices in sample[n_warmup:])
    print('padding', 1 - sum(side.sum() for side in lengths) / sizes.sum())
    print('largest', sizes[:, 1].max())
    print('target_tokens_per_second', n_words / sum(seconds[n_warmup:-1]))
    print('valid_loss', training.evaluate(model, *data.valid, 'cpu', dtype))
    print('peak_memory_mb', training.peak_memory('cpu'))

def compare_batches(model):
    rows, bars = [], []
    for kind, name in BATCHING.items():
        steps = max(1, max_steps // 4) if kind == 'all_logits' else max_steps   # it learns what random does
        runs = [values(course.run('lessons/10_large_datasets.py', smoke, **model, batching=kind, seed=n,
                                  max_steps=steps, learning_rate=learning_rate)) for n in range(1, seeds + 1)]
        speed = statistics.median(run['target_tokens_per_second'] for run in runs)
        losses = spread([run['valid_loss'] for run in runs]) if kind != 'all_logits' else ''
        rows.append([name, f'{runs[0]["padding"]:.1%}', f'{runs[0]["largest"]:,.0f}', f'{speed:,.0f}',
                     f'{max(run["peak_memory_mb"] for run in runs):.0f}', losses])
        bars.append((name, speed, 0))
    table(['batches', 'padding', 'target words of the largest, with padding', 'target words/s', 'peak MB',
           f'validation loss after {max_steps} batches'], rows)
    course.save(f'{out_dir}/10_batches.svg', plot.bar_chart('Training speed', 'target words a second', bars))

def make_long_texts(max_words):
    """A data set of sentences joined to texts of 5 to about max_words words; short ones are learned first."""
    meta, rng, texts = read_meta(data_dir), random.Random(1), []
    langs = meta['source_lang'], meta['target_lang']
    pairs = itertools.cycle(zip(*(read_lines(f'{data_dir}/train.{lang}') for lang in langs)))
    for _ in range(20 if smoke else 5000):
        text, n_words = [], rng.randint(5, max_words)
        while sum(len(target.split()) for _, target in text) < n_words:
            text.append(next(pairs))
        texts.append([' '.join(side) for side in zip(*text)])
    return course.make_data_of(texts, f'{out_dir}/joined', langs, smoke, max_len=0)

def compare_flags(model):
    half, long, rows = dict(batch_tokens=batch_tokens // 2), dict(data_dir=make_long_texts(60)), []
    arms = {'no flag': {}, 'dtype=float32': dict(dtype='float32'),
            'half the batch': half, 'half the batch and grad_accum=2': {**half, 'grad_accum': 2},
            'sampled_words=200': dict(sampled_words=200), 'sampled_words=50': dict(sampled_words=50),
            **{f'long texts, tbptt={K}': {**half, **long, 'tbptt': K} for K in (10, 25, 50, 0)}}
    for name, flags in arms.items():
        flags, timed, steps = {**model, **flags}, dict(benchmark=20), max_steps
        if 'tbptt' in flags:        # timed in large batches, trained in small ones: attention aligns late
            timed, steps = dict(benchmark=5, batch_tokens=8 * batch_tokens), max_steps * 3 // 2
        cost = values(course.run('train.py', smoke, **{**flags, **(dict(benchmark=2) if smoke else timed)}))
        losses = [best_loss(train(f'{out_dir}/{name.replace(" ", "_")}-{n}', smoke, **flags, seed=n,
                                  max_steps=steps, eval_interval=steps, eval_sentences=5,
                                  learning_rate=learning_rate)) for n in range(1, seeds + 1)]
        rows.append([name, f'{cost["target_tokens_per_second"]:,.0f}', f'{cost["peak_memory_mb"]:.0f}',
                     spread(losses), steps])
    table(['flag', 'target words/s', 'peak MB', 'validation loss', 'after steps'], rows)

def main():
    if batching:
        return train_alone()
    model = dict(data_dir=data_dir, n_embd=n_embd, n_hidden=n_hidden, batch_tokens=batch_tokens)
    compare_batches(model)
    compare_flags(model)

if __name__ == '__main__':
    course.run_lesson(main, globals())
