"""
Lesson 11. What does a larger model cost, and what does it bring?

More layers and larger states: more parameters, more memory, more time a step. Kaplan et al. 2020 found that
on endless text the loss falls with every doubling. On little text and in limited time it need not: the
larger model makes fewer steps in the same minutes, and learns the training sentences by heart.

Memory can be told beforehand. Each parameter takes 16 bytes: itself, its gradient, and AdamW's two means, 4
each. And each word of a batch, on either side, leaves behind what the way back needs: in every layer some ten
numbers for each of the H of the state (the four gates, c, tanh c, h, what came in and what went out), 4 bytes
each, and half as many again as one layer's for attention. The logits are worked off in slices.

Before you run it, write down: is the largest model the best at equal steps? At equal minutes? Which costs
more memory, a second layer or twice the state?

    python lessons/11_model_size.py
    python lessons/11_model_size.py --data_dir=data/multi30k --dropout=0.3 --hidden=128,256,512,1024
"""
import course
import plot
from course import best_loss, evaluate, spread, table, train, values

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson11'
layers = '1,2,4'
hidden = '128,256,512'
n_embd = 256
dropout = 0.1
batch_tokens = 500
measured_tokens = 4000      # target words a batch where speed and memory are measured
max_steps = 1000
learning_rate = 5e-3
seeds = 1
smoke = False
# -----------------------------------------------------------------------------

def predicted_mb(parameters, n_layer, n_hidden):
    """Parameters, and what a batch leaves behind on its way forward."""
    words = 2 * measured_tokens                     # on both sides together
    return (16 * parameters + words * (n_layer + 0.5) * 10 * n_hidden * 4) / 2 ** 20

def loss_after(log, minutes):
    """The best validation loss before so many minutes were over, with the learning rate on its way down."""
    return min(entry['valid_loss'] for entry in log if 'valid_loss' in entry and entry['minutes'] <= minutes)

def main():
    runs, rows = {}, []
    sizes = [(n, h) for n in map(int, layers.split(',')) for h in map(int, hidden.split(','))]
    for n_layer, n_hidden in sizes[:2] if smoke else sizes:
        model = dict(data_dir=data_dir, n_layer=n_layer, n_embd=n_embd, n_hidden=n_hidden,
                     batch_tokens=batch_tokens)
        outs = [f'{out_dir}/{n_layer}x{n_hidden}-{seed}' for seed in range(1, seeds + 1)]
        logs = [train(out, smoke, **model, dropout=dropout, max_steps=max_steps, learning_rate=learning_rate,
                      patience=0, eval_interval=max(1, max_steps // 10), eval_sentences=50, seed=seed)
                for seed, out in enumerate(outs, 1)]
        cost = values(course.run('train.py', smoke, **{**model, 'batch_tokens': measured_tokens},
                                 benchmark=2 if smoke else 10))
        scores = [evaluate(out, data_dir, smoke)['BLEU'] for out in outs]
        runs[f'{n_layer} x {n_hidden}'] = logs, cost, scores, n_layer, n_hidden
    fastest = min(max(log[-1]['minutes'] for log in logs) for logs, *_ in runs.values())
    others = 0
    for name, (logs, cost, scores, n_layer, n_hidden) in runs.items():
        parameters = logs[0][0]['parameters']
        predicted = predicted_mb(parameters, n_layer, n_hidden)
        others = others or cost['peak_memory_mb'] - predicted       # torch itself, by the first row
        rows.append([name, f'{parameters:,}', f'{cost["target_tokens_per_second"]:,.0f}',
                     f'{cost["step_ms_median"]:.0f}', f'{cost["peak_memory_mb"]:.0f}',
                     f'{others + predicted:.0f}', spread([best_loss(log) for log in logs]), spread(scores),
                     spread([loss_after(log, fastest) for log in logs])])
    table(['layers x state', 'parameters', 'words/s', 'ms a step', 'peak MB', 'predicted',
           'loss, equal steps', 'BLEU', f'loss after {fastest:.1f} minutes, schedule unfinished'], rows)
    for key in 'step', 'minutes':
        course.save(f'{out_dir}/11_{key}.svg', plot.line_chart(
            'Model size', key, 'validation loss',
            [(name, [(e[key], e['valid_loss']) for e in logs[0] if 'valid_loss' in e])
             for name, (logs, *_) in runs.items()]))

if __name__ == '__main__':
    course.begin(globals())
    main()
