"""
Lesson 10. How does one train on more text, and longer text, than fits?

Nothing here makes the model better; everything makes it possible. Sentences of like length side by side, so
that little is padding. A budget of words a batch instead of a number of sentences, so that memory is known.
Gradients of small batches added up. Half the bits a number. Text that stays on the disk. For long texts, a
gradient that goes back K steps and no further (truncated BPTT, Williams and Peng 1990), and for large
vocabularies an output layer that looks at some of the words only (Jean et al. 2015).

Before you run it, write down: what share of plain batches is padding? Which row saves most memory, which most
time, and which of them costs anything in loss?

    python lessons/10_large_datasets.py
    python lessons/10_large_datasets.py --max_steps=400 --learning_rate=5e-3
    python lessons/10_large_datasets.py --data_dir=data/mix --n_embd=512 --n_hidden=512
"""
import concurrent.futures, itertools, multiprocessing, random, statistics, time, tracemalloc

import numpy as np
import torch
from torch.nn import functional as F

import course
import plot
import train as training
from course import best_loss, spread, table, train, values
from model import Config, autocast, build, choose_dtype, keep_freed_memory
from tokenizer import PAD, read_ids, read_lines, read_meta, read_vocabulary

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson10'
n_embd = 256
n_hidden = 256
batch_tokens = 1000
max_steps = 270
learning_rate = 8e-3       # high, that attention begins within them
seeds = 1
smoke = False
# -----------------------------------------------------------------------------

def read(data_dir, part):
    """Both sides of a part of the data, each (ids, offsets), memory-mapped."""
    meta = read_meta(data_dir)
    return [read_ids(data_dir, part, meta[side], meta) for side in ('source_lang', 'target_lang')]

class Everywhere(training.LossModule):
    """The loss by way of all logits at once, those of padding too."""

    def forward(self, source, lengths, target_in, target_out):
        with autocast(self.device, self.dtype):
            logits = self.model(source, lengths, target_in)                     # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1), target_out.flatten(), ignore_index=PAD,
                                   label_smoothing=training.label_smoothing)
        return loss, loss.detach()

def ways_to_batch(sets):
    """What is compared: its name, all batches, and who works out the loss."""
    rng, sides = np.random.default_rng(0), [offsets for _, offsets in sets]
    n = len(sides[0]) - 1
    budget = training.make_batches(np.arange(n), *sides, batch_tokens, rng)
    by_length = np.lexsort([np.diff(offsets) for offsets in sides])
    as_many = [np.array_split(order, len(budget)) for order in (rng.permutation(n), by_length)]
    return [('as many sentences each, at random; logits everywhere', as_many[0], Everywhere),
            ('the same, logits of words alone', as_many[0], training.LossModule),
            ('as many sentences each, by length', as_many[1], training.LossModule),
            (f'at most {batch_tokens} words, by length', budget, training.LossModule)]

def padding(batches, sets):
    """The share of padding in these batches, both sides together."""
    lengths = [np.diff(offsets) + 1 for _, offsets in sets]
    cells = sum(len(batch) * side[batch].max() for batch in batches for side in lengths)
    return 1 - sum(side[batch].sum() for batch in batches for side in lengths) / cells

def train_on(data_dir, batches, widest, flags, loss_module, seed, learning_rate):
    """
    Train on these batches in turn: target words a second, the peak in MB, the validation loss. For a process
    of its own, since a peak never goes down again.
    """
    training.learning_rate = learning_rate
    keep_freed_memory()
    torch.manual_seed(seed)
    sets, meta = read(data_dir, 'train'), read_meta(data_dir)
    vocabs = (len(read_vocabulary(data_dir, meta[side])) for side in ('source_lang', 'target_lang'))
    model, dtype = build(Config(*vocabs, **flags)), choose_dtype('auto', 'cpu')
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    scaler = torch.amp.GradScaler('cpu', enabled=False)
    loss_module = loss_module(model, 'cpu', dtype)
    def step(numbers, rate):
        parts = list(training.micro_batches(numbers, sets, 'cpu', 0, 1))
        training.train_step(loss_module, parts, rate, optimizer, scaler, 1)
    n_cold, began = len(batches) // 10, time.perf_counter()
    for i, numbers in enumerate(batches):
        if i == n_cold:                                                         # what came before was slower
            began = time.perf_counter()
        step(numbers, training.learning_rate_at(i, i / len(batches)))
    n_words = sum(training.count_words(n, sets[1][1]) for n in batches[n_cold:])
    speed = n_words / (time.perf_counter() - began)
    loss = training.evaluate(model, *read(data_dir, 'valid'), 'cpu', dtype)
    step(widest, 0.0)                                                           # has the peak
    return speed, training.peak_memory('cpu'), loss

def joined_data(n, most):
    """Sentences strung together to n texts of 5 to about so many target words; the short ones teach first."""
    meta, rng = read_meta(data_dir), random.Random(1)
    langs = meta['source_lang'], meta['target_lang']
    pairs = itertools.cycle(zip(*(read_lines(f'{data_dir}/train.{lang}') for lang in langs)))
    texts = []
    for _ in range(n):
        text, words = [], rng.randint(5, most)
        while sum(len(target.split()) for _, target in text) < words:
            text.append(next(pairs))
        texts.append([' '.join(side) for side in zip(*text)])
    return course.make_data_of(texts, f'{out_dir}/joined', langs, smoke, max_len=0)

def main():
    # what is padding, and what it costs
    sets, model, rows = read(data_dir, 'train'), dict(n_embd=n_embd, n_hidden=n_hidden), []
    for name, batches, loss_module in ways_to_batch(sets):
        found, widths = [], [len(batch) * (np.diff(sets[1][1])[batch].max() + 1) for batch in batches]
        steps = max_steps // 4 if loss_module is Everywhere else max_steps      # it learns what the next one does
        for seed in range(1, seeds + 1):
            order = np.random.default_rng(seed).permutation(len(batches))[:steps]
            some, widest = [batches[i] for i in order], batches[np.argmax(widths)]
            job = train_on, data_dir, some, widest, model, loss_module, seed, learning_rate
            if smoke:                               # a new process would load torch first, for seconds
                found.append(job[0](*job[1:]))
            else:
                with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as own:
                    found.append(own.submit(*job).result())
        speeds, peaks, losses = zip(*found)
        rows.append([name, f'{padding(batches, sets):.1%}', f'{max(widths):,}',
                     f'{statistics.median(speeds):,.0f}', f'{max(peaks):.0f}',
                     spread(losses) if steps == max_steps else ''])
    table(['batches', 'padding', 'most target words, padding counted, in one', 'target words/s', 'peak MB',
           f'validation loss after {max_steps} batches'], rows)

    # what stays in memory
    tracemalloc.start()
    mapped = read(data_dir, 'train')
    on_disk = tracemalloc.get_traced_memory()[0]
    lists = [[ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])] for ids, offsets in mapped]
    in_memory = tracemalloc.get_traced_memory()[0] - on_disk
    tracemalloc.stop()
    table(['the training ids', 'MB of its own'],
          [['memory-mapped', on_disk / 2 ** 20],
           [f'lists of lists, {len(lists[0]):,} pairs', in_memory / 2 ** 20]])
    del lists

    # a flag each; the last four, how far the gradient goes back, on long texts, measured in large batches,
    # learnt from in small ones, since it takes many steps until attention begins
    half, long = dict(batch_tokens=batch_tokens // 2), joined_data(20 if smoke else 5000, 60)
    arms = {'no flag': {}, 'dtype=float32': dict(dtype='float32'),
            'half the batch': half, 'half the batch and grad_accum=2': {**half, 'grad_accum': 2},
            'sampled_words=200': dict(sampled_words=200), 'sampled_words=50': dict(sampled_words=50),
            **{f'long texts, tbptt={K}': {**half, 'data_dir': long, 'tbptt': K} for K in (10, 25, 50, 0)}}
    if choose_dtype('auto', 'cpu') == torch.float32:                     # that row is no flag's
        del arms['dtype=float32']
    rows, bars = [], []
    for name, flags in arms.items():
        how = {**model, 'data_dir': data_dir, 'batch_tokens': batch_tokens, **flags}
        large = dict(batch_tokens=8 * batch_tokens) if 'tbptt' in flags and not smoke else {}
        steps = max_steps * 3 // 2 if 'tbptt' in flags else max_steps
        n_timed = 2 if smoke else 5 if large else 20
        cost = values(course.run('train.py', smoke, **{**how, **large}, benchmark=n_timed))
        losses = [best_loss(train(f'{out_dir}/{name.replace(" ", "_")}-{seed}', smoke, **how, seed=seed,
                                  max_steps=steps, eval_interval=steps, eval_sentences=5,
                                  learning_rate=learning_rate)) for seed in range(1, seeds + 1)]
        rows.append([name, f'{cost["target_tokens_per_second"]:,.0f}', f'{cost["peak_memory_mb"]:.0f}',
                     spread(losses), steps])
        bars.append((name, cost['target_tokens_per_second'], 0))
    table(['flag', 'target words/s', 'peak MB', 'validation loss', 'after steps'], rows)
    course.save(f'{out_dir}/10_speed.svg', plot.bar_chart('What a flag does', 'target words a second', bars))

if __name__ == '__main__':
    course.run_lesson(main, globals())

# -----------------------------------------------------------------------------
# what we measured
# (--max_steps=400 --learning_rate=5e-3, one seed, 26 November 2026; tables, figures, hardware: README.md)
# Plain batches are 74 % padding, batches by length 2 %, at two to three times the speed; they need about
# the same memory every time, plain ones up to twice as much. But after 400 batches the plain ones are at a
# loss of 0.56, those by length at 0.94 and 0.83: they win by their speed alone. Half the batch twice
# (grad_accum=2) learns what the whole does (0.81 and 0.80), half the batch less (1.66). Sampled words cost
# loss (0.95 with 200, 1.23 with 50) and save no memory where the vocabulary is small. Truncated BPTT saves
# 4 to 27 % of the memory on texts of 60 words with 10 steps, with 25 and 50 by the run, since encoder and
# attention stay whole; it costs no loss: 0.94, 0.91 and 0.95 with 10, 25 and 50 steps, 0.99 with all.
#
# exercises
# 1. Add K = 1000, more than the texts are long, to the last rows. What should happen: the loss of tbptt=0, to
#    the last digit or nearly, since there is only one segment. Does it take less memory?
# 2. Let make_batches() sort by source length first, and count a batch by its greatest width so far
#    (np.maximum.accumulate(tokens) before tokens are multiplied), as widths no longer grow. What becomes of
#    padding, and of the peak?
# 3. Draw the rivals of sampled_words by their frequency instead of evenly, with the log of how often each is
#    expected taken off its score. Is 50 enough now?
