"""
Lesson 8. LSTM with attention or Transformer: which wins, and when?

The Transformer (Vaswani et al. 2017) has no state that goes from step to step: every word attends to every
other, and all steps of a training sentence are computed at once. On a GPU and on much data it has won. And on
little data, on a CPU, with as many parameters and as many minutes? Both are trained here on a part of the
text and on all of it. (The Transformer has this repository's settings, 2 layers and small batches; better
ones are known, see this lesson's page.)

Before you run it, write down: which is better on 5,000 pairs, which on all? Which sees more words a second in
training, and which translates faster, short sentences and long ones?

    python lessons/08_seq2seq_vs_transformer.py
    python lessons/08_seq2seq_vs_transformer.py --data_dir=data/multi30k --dropout=0.3 --max_minutes=8
    python lessons/08_seq2seq_vs_transformer.py --data_dir=data/mix --sizes= --max_minutes=20
"""
import course

import time

import plot
from course import best_loss, evaluate, spread, table, train, values
from model import choose_device, choose_dtype, keep_freed_memory
from sample import load, translate
from tokenizer import read_lines, read_meta

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson8'
sizes = '5000'              # training pairs of the subsets, e.g. 1000,5000; all pairs come last
max_minutes = 2.0           # of each training
dropout = 0.1               # of the LSTM
seeds = 1
smoke = False
# -----------------------------------------------------------------------------
MODELS = {'LSTM': dict(n_embd=256, n_hidden=512, learning_rate=5e-3),
          'Transformer': dict(arch='transformer', n_embd=256, n_layer=2, n_hidden=768, learning_rate=3e-3,
                              dropout=0.1)}

def make_subset(n):
    """The first n training pairs as a data set, with the same validation and test set; returns its folder."""
    meta, folder = read_meta(data_dir), f'{data_dir}-{n}'
    langs = meta['source_lang'], meta['target_lang']
    files = {f'{part}_{side}': f'{data_dir}/{part}.{lang}' for part in ('train', 'valid', 'test')
             for side, lang in zip(('source', 'target'), langs)}
    course.make_data(folder, smoke, dataset='files', max_pairs=n, source_lang=langs[0], target_lang=langs[1],
                     **files)
    return folder

def translation_speed(checkpoint, texts):
    """Sentences a second, greedily, on the CPU."""
    model, *vocabs = load(checkpoint)
    flags = dict(beam_size=1, dtype=choose_dtype('auto', 'cpu'), max_length=1 if smoke else 0)
    model.to(flags['dtype'])                        # as sample.py does
    translate(texts[:5], model, *vocabs, **flags)   # the first batches are slow
    began = time.perf_counter()
    translate(texts, model, *vocabs, **flags)
    return len(texts) / (time.perf_counter() - began)

def main():
    keep_freed_memory()                             # the process and the device as in sample.py
    choose_device('cpu')
    meta = read_meta(data_dir)
    n_all = meta['files'][f'train.{meta["source_lang"]}']['sentences']
    tests = sorted(read_lines(f'{data_dir}/test.{meta["source_lang"]}'), key=len)
    n_timed = 6 if smoke else 300
    rows, by_length, by_step, by_minute = [], [], [], []
    for n in [100, n_all] if smoke else [*map(int, filter(None, sizes.split(','))), n_all]:
        folder = data_dir if n == n_all else make_subset(n)
        for name, flags in MODELS.items():
            logs, scores = [], []
            for seed in range(1, seeds + 1):
                out = f'{out_dir}/{name}-{n}-{seed}'
                logs.append(train(out, smoke, data_dir=folder, max_minutes=max_minutes, seed=seed,
                                  eval_interval=200, eval_sentences=50, patience=0,
                                  **{'dropout': dropout, **flags}))
                scores.append(evaluate(out, folder, smoke))
            speeds = [translation_speed(f'{out}/best.pt', texts)
                      for texts in (tests[:n_timed], tests[-n_timed:])]
            cost = values(course.run('train.py', smoke, data_dir=folder, benchmark=2 if smoke else 20,
                                     **flags))
            rows.append([f'{n:,}', name, f'{logs[0][0]["parameters"]:,}',
                         spread([best_loss(log) for log in logs]), spread([s['BLEU'] for s in scores]),
                         f'{cost["target_tokens_per_second"]:,.0f}', f'{cost["peak_memory_mb"]:.0f}',
                         *(f'{speed:.0f}' for speed in speeds)])
            lengths = [key[10:] for key, count in scores[0].items()
                       if key.startswith('sentences_') and count >= 10]
            by_length.append([f'{n:,}', name, *(spread([s[f'BLEU_{length}'] for s in scores])
                                                for length in lengths)])
            for curves, key in (by_step, 'step'), (by_minute, 'minutes'):
                points = [(entry[key], entry['valid_loss']) for entry in logs[0] if 'valid_loss' in entry]
                curves.append((f'{name}, {n:,} pairs', points))
    table(['pairs', 'model', 'parameters', 'validation loss', 'test BLEU', 'words/s in training',
           'peak MB', 'sentences/s, the shortest', 'the longest'], rows)
    table(['pairs', 'BLEU by source words', *lengths], by_length)
    print('sentences:', *(f'{scores[0][f"sentences_{length}"]:.0f}' for length in lengths))
    for curves, key in (by_step, 'steps'), (by_minute, 'minutes'):
        course.save(f'{out_dir}/08_{key}.svg',
                    plot.line_chart('LSTM and Transformer', key, 'validation loss', curves))

if __name__ == '__main__':
    course.run_lesson(main, globals())
