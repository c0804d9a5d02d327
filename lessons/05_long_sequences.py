"""
Lesson 5. How much of a long sentence does the last state remember?

The encoder's last state has as many numbers for forty words as for four. Cho et al. 2014b saw BLEU fall with
the length of the sentence and blamed that; Bahdanau et al. 2015 (figure 2) made attention the remedy. Three
measurements: BLEU by length, with attention and without; the copy task, how many symbols of a random
sequence, which no grammar helps to guess, can be written out again from the last state alone, for states of
several sizes; and what length costs.

Before you run it, write down: from which length on does the model without attention fall behind? Does a
state of twice the size remember twice as many symbols? How do memory and time for each step grow with the
length, if each batch has equally many sentences?

    python lessons/05_long_sequences.py
    python lessons/05_long_sequences.py --data_dir=data/mix --n_hidden=512 --batch_tokens=1500 \
        --learning_rate=4e-3 --max_steps=3600

What came out, exercises, laboratory notes: 05_long_sequences.md
"""
import course

import collections, random, statistics

import plot
from course import best_loss, evaluate, spread, table, train
from sample import load, translate
from tokenizer import read_lines

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson5'
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500
max_steps = 3000
copy_steps = 3000           # of the copy task
learning_rate = 5e-3
seeds = 1                   # the page's numbers are of three
smoke = False
# -----------------------------------------------------------------------------

def training_flags():
    return dict(n_embd=n_embd, dropout=dropout, batch_tokens=batch_tokens, max_steps=max_steps,
                learning_rate=learning_rate, eval_sentences=100, eval_interval=max_steps // 4)

def bleu_by_length():
    """With attention and without: BLEU for the sentences of 1 to 10 source words, of 11 to 20, ..."""
    rows, curves = [], []
    for attention in 'general', 'none':
        logs, scores = [], []
        for seed in range(1, seeds + 1):
            folder = f'{out_dir}/{attention}-{seed}'
            logs.append(train(folder, smoke, data_dir=data_dir, attention=attention, n_hidden=n_hidden,
                              seed=seed, **training_flags()))
            scores.append(evaluate(folder, data_dir, smoke))
        by_length = [key.replace('sentences', 'BLEU') for key, n in scores[0].items()
                     if key.startswith('sentences_') and n >= 5]
        rows.append([attention, spread([best_loss(log) for log in logs]), spread([s['BLEU'] for s in scores]),
                     *(spread([s[key] for s in scores]) for key in by_length)])
        curves.append((attention, [(10 * i + 5, statistics.mean(s[key] for s in scores))
                                   for i, key in enumerate(by_length)]))
    table(['attention', 'validation loss', 'BLEU', *(key[5:].replace('_', ' ') for key in by_length)], rows)
    print('sentences:', *(f'{scores[0][key.replace("BLEU", "sentences")]:.0f}' for key in by_length))
    course.save(f'{out_dir}/05_bleu_by_length.svg',
                plot.line_chart('BLEU by length', 'source words', 'BLEU', curves, may_be_log=False))

def make_sequences(name, n, lengths, seed):
    """n random sequences of letters, each its own translation; returns their folder."""
    rng = random.Random(seed)
    lines = [' '.join(rng.choices('abcdefghijklmnop', k=rng.randint(*lengths))) for _ in range(n)]
    return course.make_data_of(zip(lines, lines), f'{out_dir}/{name}', ('in', 'out'), smoke,
                               drop_identical=False, max_len=0)

def copy_accuracy(checkpoint, folder):
    """For lengths 1-5, 6-10, ...: percent of the symbols that are written out again at their position."""
    model, *vocabs = load(checkpoint)
    lines, accuracies = list(read_lines(f'{folder}/test.in')), collections.defaultdict(list)
    copies = translate(lines, model, *vocabs, beam_size=1, max_length=2 if smoke else 0)
    for line, ((copy, _),) in zip(lines, copies):
        line, copy = line.split(), copy.split()
        right = sum(a == b for a, b in zip(line, copy))
        accuracies[-(-len(line) // 5) * 5].append(100 * right / len(line))
    return {length: statistics.mean(accuracies[length]) for length in sorted(accuracies)}

def copy_task():
    """What can be recovered from the last state, by its size and by the direction of reading."""
    folder, rows, curves = make_sequences('copy', 300 if smoke else 40000, (1, 40), 1), [], []
    for hidden, reverse in (32, True), (64, True), (128, True), (256, True), (256, False):
        name, found = f'{2 * hidden} numbers, read {"backwards" if reverse else "forwards"}', []
        for seed in range(1, seeds + 1):
            out = f'{out_dir}/copy-{hidden}{"" if reverse else "-forwards"}-{seed}'
            train(out, smoke, data_dir=folder, attention='none', bidirectional=False, seed=seed,
                  **{**training_flags(), 'max_steps': copy_steps, 'dropout': 0.0, 'label_smoothing': 0.0,
                     'n_hidden': hidden, 'reverse_source': reverse, 'learning_rate': 2e-3})
            found.append(copy_accuracy(f'{out}/best.pt', folder))
        by_length = {length: [accuracy[length] for accuracy in found] for length in found[0]}
        rows.append([name, *map(spread, by_length.values())])
        curves.append((name, [(length, statistics.mean(of)) for length, of in by_length.items()]))
    table(['the state, h and c', *(f'{length - 4}-{length} symbols' for length in by_length)], rows)
    course.save(f'{out_dir}/05_copying.svg', plot.line_chart(
        'Symbols recovered from the last state', 'symbols', '% at their place', curves, may_be_log=False))

def cost_of_length():
    """Time and memory of a step with 16 sentences of one length."""
    rows = []
    for length in (10, 20) if smoke else (10, 20, 40, 80, 160):
        folder, row = make_sequences(f'length-{length}', 300, (length, length), 2), [length]
        for attention in 'none', 'general':
            cost = course.values(course.run('train.py', smoke, data_dir=folder, benchmark=2 if smoke else 15,
                                            attention=attention, n_embd=n_embd, n_hidden=n_hidden, patience=0,
                                            batch_tokens=16 * (length + 1)))
            row += [f'{cost["step_ms_median"]:.0f}', f'{cost["peak_memory_mb"]:.0f}']
        rows.append(row)
    table(['words', 'ms a step', 'MB', 'with attention: ms a step', 'MB'], rows)

def main():
    bleu_by_length()
    copy_task()
    cost_of_length()

if __name__ == '__main__':
    course.run_lesson(main, globals())
