"""
Lesson 11. What does a larger model cost, and what does it bring?

More layers and larger states: more parameters, more memory, more time for each step. Kaplan et al. 2020 found
that on endless text every doubling lowers the loss. On little text and in limited time it need not: the
larger model makes fewer steps in the same minutes, and learns the training sentences by heart.

Memory can be predicted. Each parameter takes 16 bytes: itself, its gradient, and AdamW's two means, 4 each.
Each word of a batch, on either side, keeps activations for the backward pass: in every layer about ten
numbers for each of the H of the state (the four gates, c, tanh c, h, the input and the output), 4 bytes each,
and half as many as in one layer again for attention. The logits are computed in slices. train.py keeps the
memory it has freed for the next step, which is faster. But batches differ in shape, so the true peak is
higher.

Before you run it, write down: is the largest model the best after equally many steps? After equally many
minutes? What costs more memory, a second layer or twice the state?

    python lessons/11_model_size.py
    python lessons/11_model_size.py --sizes=1x128,1x256,1x512,1x1024,2x256,3x256,4x256
    python lessons/11_model_size.py --data_dir=data/multi30k-5000 --dropout=0.3 --max_steps=1500 \
        --max_minutes=2
"""
import course

import plot
from course import best_loss, evaluate, spread, table, train, values
from tokenizer import read_ids, read_meta

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson11'
sizes = '1x128,1x256,1x512,2x256'       # layers x state
n_embd = 256
dropout = 0.1
batch_tokens = 500
measured_tokens = 4000      # target words in a batch where speed and memory are measured
max_steps = 800
max_minutes = 1.0
learning_rate = 5e-3
seeds = 1
smoke = False
# -----------------------------------------------------------------------------

def predicted_mb(n_parameters, n_layer, n_hidden):
    """Parameters, and the activations of a batch that are kept for the backward pass."""
    n_words = 2 * measured_tokens                   # source and target
    return (16 * n_parameters + n_words * (n_layer + 0.5) * 10 * n_hidden * 4) / 2 ** 20

def main():
    rows, curves, baseline, meta = [], [], 0, read_meta(data_dir)
    ids, offsets = read_ids(data_dir, 'train', meta['target_lang'], meta)
    n_words = len(ids) + len(offsets) - 1           # of an epoch, with <eos>
    names = sizes.split(',')
    for name in names[:2] if smoke else names:
        n_layer, n_hidden = map(int, name.split('x'))
        model = dict(data_dir=data_dir, n_layer=n_layer, n_embd=n_embd, n_hidden=n_hidden)
        cost = values(course.run('train.py', smoke, **model, batch_tokens=measured_tokens,
                                 benchmark=2 if smoke else 10))
        flags = dict(**model, batch_tokens=batch_tokens, dropout=dropout, learning_rate=learning_rate,
                     patience=0, eval_interval=max(1, max_steps // 10), eval_sentences=50)
        results = []
        for suffix, limit in ('', dict(max_steps=max_steps)), ('-minutes', dict(max_minutes=max_minutes)):
            logs, scores = [], []
            for seed in range(1, seeds + 1):
                run_dir = f'{out_dir}/{name}-{seed}{suffix}'
                logs.append(train(run_dir, smoke, **flags, seed=seed, **limit))
                scores.append(evaluate(run_dir, data_dir, smoke)['BLEU'])
            results += [spread(list(map(best_loss, logs))), spread(scores)]
            if not suffix:
                curves.append((name, [(e['step'], e['valid_loss']) for e in logs[0] if 'valid_loss' in e]))
        n_parameters, peak = logs[0][0]['parameters'], cost['peak_memory_mb']
        predicted = predicted_mb(n_parameters, n_layer, n_hidden)
        baseline = baseline or peak - predicted     # torch itself, from the first row
        rows.append([name, f'{n_parameters:,}', f'{n_words / cost["target_tokens_per_second"]:.0f}',
                     f'{peak:.0f}', f'{baseline + predicted:.0f}', *results])
    table(['layers x state', 'parameters', 'seconds an epoch', 'peak MB', 'predicted',
           f'loss after {max_steps} steps', 'test BLEU', f'loss after {max_minutes:g} minutes', 'test BLEU'],
          rows)
    course.save(f'{out_dir}/11_model_size.svg',
                plot.line_chart('Model size', 'steps', 'validation loss', curves))

if __name__ == '__main__':
    course.run_lesson(main, globals())
