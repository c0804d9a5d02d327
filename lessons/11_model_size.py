"""
Lesson 11. What does a larger model cost, and what does it bring?

More layers and larger states: more parameters, more memory, more time a step. Kaplan et al. 2020 found that
on endless text the loss falls with every doubling. On little text and in limited time it need not: the
larger model makes fewer steps in the same minutes, and learns the training sentences by heart.

Memory can be told beforehand. Each parameter takes 16 bytes: itself, its gradient, and AdamW's two means, 4
each. And each word of a batch leaves behind what the way back needs: in a cell of H numbers the four gates,
c, tanh c, h and the input's part, 8 H in all, in bfloat16 2 bytes each, on either side, in every layer; the
logits are worked off in slices and count once.

Before you run it, write down: is the largest model the best at equal steps? At equal minutes? Which costs
more memory, a second layer or twice the state?

    python lessons/11_model_size.py
    python lessons/11_model_size.py --data_dir=data/multi30k --max_steps=2000
"""
import course
import plot
from course import best_loss, evaluate, table, train, values

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson11'
layers = '1,2,4'
hidden = '128,256,512'
max_steps = 500
batch_tokens = 1500
learning_rate = 5e-3
seeds = 1
smoke = False
# -----------------------------------------------------------------------------

def predicted_mb(parameters, n_layer, n_hidden):
    """Parameters, and what a batch leaves behind on its way forward."""
    words = 2 * batch_tokens                        # on both sides together
    return (16 * parameters + words * n_layer * 8 * n_hidden * 2) / 2 ** 20

def loss_after(log, minutes):
    """The validation loss of the last evaluation before so many minutes were over."""
    return min(entry['valid_loss'] for entry in log if 'valid_loss' in entry and entry['minutes'] <= minutes)

def main():
    runs, rows = {}, []
    sizes = [(n, h) for n in map(int, layers.split(',')) for h in map(int, hidden.split(','))]
    for n_layer, n_hidden in sizes[:2] if smoke else sizes:
        out = f'{out_dir}/{n_layer}x{n_hidden}'
        model = dict(data_dir=data_dir, n_layer=n_layer, n_embd=n_hidden // 2, n_hidden=n_hidden,
                     batch_tokens=batch_tokens)
        log = train(out, smoke, **model, max_steps=max_steps, learning_rate=learning_rate, patience=0,
                    eval_interval=max(1, max_steps // 10), eval_sentences=50, seed=seeds)
        cost = values(course.run('train.py', smoke, **model, benchmark=2 if smoke else 20))
        runs[f'{n_layer} x {n_hidden}'] = log, cost, evaluate(out, data_dir, smoke)['BLEU'], n_layer, n_hidden
    fastest = min(log[-1]['minutes'] for log, *_ in runs.values())
    others = 0
    for name, (log, cost, score, n_layer, n_hidden) in runs.items():
        parameters = log[0]['parameters']
        predicted = predicted_mb(parameters, n_layer, n_hidden)
        others = others or cost['peak_memory_mb'] - predicted       # torch itself, measured with the smallest
        rows.append([name, f'{parameters:,}', f'{cost["target_tokens_per_second"]:,.0f}',
                     f'{cost["step_ms_median"]:.0f}', f'{cost["peak_memory_mb"]:.0f}',
                     f'{others + predicted:.0f}', best_loss(log), score, loss_after(log, fastest)])
    table(['layers x state', 'parameters', 'words/s', 'ms a step', 'peak MB', 'predicted',
           'loss, equal steps', 'BLEU', f'loss after {fastest:.1f} minutes'], rows)
    for key in 'step', 'minutes':
        course.save(f'{out_dir}/11_{key}.svg', plot.line_chart(
            'Model size', key, 'validation loss',
            [(name, [(e[key], e['valid_loss']) for e in log if 'valid_loss' in e])
             for name, (log, *_) in runs.items()]))

if __name__ == '__main__':
    course.begin(globals())
    main()
