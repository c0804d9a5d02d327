"""
Lesson 12. What can be done when there is little data?

Translations are rare, text in one language is not. Back-translation (Sennrich et al. 2016) trains a model in
the reverse direction, lets it translate text of the target language, and adds these pairs: the source is
synthetic, the target is real. Edunov et al. 2018 found that sampled sources teach more than the best ones, if
there are enough real pairs; Caswell et al. 2019 that a tag before the best ones does as well. Cheaper still:
leave out source words at random, or put others in their place (Iyyer et al. 2015, for classification; Wang et
al. 2018, on both sides; both anew at each step, here once).

Before you run it, write down: with 2,000 real pairs, how many BLEU does back-translation bring? More or less
than words left out? And with 10,000 pairs? Which synthetic sources look better, and which teach more?

    python lessons/12_data_augmentation.py
    python lessons/12_data_augmentation.py --data_dir=data/multi30k --sizes=2000,5000,10000 --max_steps=3000
"""
import course

import json, os, random, statistics

import plot
from course import evaluate, spread, table, train, write
from sample import bleu
from tokenizer import read_lines, read_meta

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson12'
n_embd = 256
n_hidden = 256
dropout = 0.3
batch_tokens = 500
max_steps = 550
learning_rate = 5e-3
sizes = '2000'              # real pairs, e.g. 2000,5000,10000
synthetic = 10000           # sentences of the other pairs' target side that are translated back
seeds = 1
smoke = False
# -----------------------------------------------------------------------------

def data_set(folder, pairs, langs, counts, min_count=1):
    """
    A data set of these pairs, with data_dir's validation and test set, which are never touched; meta.json
    says how many pairs are real. Every word counts, also if it occurs once: else the pairs that are added
    would decide how many words of the real ones are known.
    """
    files = {f'{split}_{side}': f'{data_dir}/{split}.{lang}' for split in ('valid', 'test')
             for side, lang in zip(('source', 'target'), langs)}
    course.make_data_of(pairs, folder, langs, smoke, vocabulary=dict(min_count=min_count),
                        drop_duplicates=False, **files)
    write(f'{folder}/meta.json', [json.dumps({**read_meta(folder), **counts}, indent=1)])
    return folder

def back_translate(real, monolingual, langs, prefix, flags):
    """Pairs with the monolingual sentences as target, their sources from a model that learns from `real`."""
    reverse = data_set(f'{prefix}-back', [(target, source) for source, target in real], langs[::-1],
                       dict(real=len(real)), min_count=2)       # with <unk>, so that it learns to copy
    train(f'{prefix}-back-model', smoke, data_dir=reverse, **flags)
    write(f'{prefix}-rest.{langs[1]}', monolingual)
    pairs = {}
    for name, search in {'greedy': dict(beam_size=1), 'beam': dict(beam_size=5),
                         'sampling': dict(temperature=1.0)}.items():
        output, model = f'{prefix}-made-{len(monolingual)}-{name}.txt', f'{prefix}-back-model/best.pt'
        if not os.path.exists(output) or os.path.getmtime(output) < os.path.getmtime(model):
            course.run('sample.py', smoke, checkpoint=model, output=output,
                       input=f'{prefix}-rest.{langs[1]}', max_length=5 if smoke else 0, **search)
        pairs[name] = list(zip(read_lines(output), monolingual))
    return pairs

def add_noise(pairs, fraction, words, rng):
    """The pairs with a fraction of the source words left out (words empty), or replaced from `words`."""
    def noise(text):
        kept = (word if rng.random() > fraction else rng.choice(words) if words else ''
                for word in text.split())
        return ' '.join(filter(None, kept)) or text
    return [(noise(source), target) for source, target in pairs]

def compare(size, all_pairs, langs):
    """What each kind of added pairs brings to `size` real ones."""
    rng, real, rest = random.Random(2), all_pairs[:size], all_pairs[size:size + (20 if smoke else synthetic)]
    prefix, words = f'{out_dir}/{size}', [word for source, _ in real for word in source.split()]
    flags = dict(n_embd=n_embd, n_hidden=n_hidden, dropout=dropout, batch_tokens=batch_tokens,
                 max_steps=max_steps, learning_rate=learning_rate, eval_interval=max_steps // 5,
                 eval_sentences=50)
    sources, targets = zip(*rest)
    back = back_translate(real, targets, langs, prefix, flags)
    table(['target, real', *(f'source, {name}' for name in back), 'source, real'],
          [[targets[i], *(pairs[i][0] for pairs in back.values()), sources[i]] for i in range(5)])
    table(['sources from', 'BLEU against the real ones'],
          [[name, bleu([source for source, _ in pairs], sources)] for name, pairs in back.items()])

    arms = {'nothing': [], 'words left out': add_noise(real, 0.1, [], rng),
            'words replaced': add_noise(real, 0.1, words, rng), **back,
            **{f'{name}, tagged': [(f'<made> {source}', target) for source, target in pairs]
               for name, pairs in back.items()},
            'beam and words left out': back['beam'] + add_noise(real + back['beam'], 0.1, [], rng),
            'as many real pairs': rest}
    rows, bars = [], []
    for name, added in arms.items():
        folder = data_set(f'{prefix}-{name.replace(",", "").replace(" ", "_")}', real + added, langs,
                          {'real': len(real), 'real, added' if added is rest else 'synthetic': len(added)})
        scores = []
        for seed in range(1, seeds + 1):
            train(f'{folder}-{seed}', smoke, data_dir=folder, seed=seed, **flags)
            scores.append(evaluate(f'{folder}-{seed}', folder, smoke)['BLEU'])
        kept = read_meta(folder)['files'][f'train.{langs[0]}']['sentences']
        rows.append([f'{size:,}', name, f'{kept:,}', spread(scores)])
        bars.append((name, statistics.mean(scores), statistics.stdev(scores) if seeds > 1 else 0))
    table(['real pairs', 'added', 'pairs in all', 'test BLEU'], rows)
    course.save(f'{prefix}.svg', plot.bar_chart(f'{size:,} pairs and what was added', 'BLEU', bars))

def main():
    meta = read_meta(data_dir)
    langs = meta['source_lang'], meta['target_lang']
    all_pairs = list(zip(*(read_lines(f'{data_dir}/train.{lang}') for lang in langs)))
    random.Random(1).shuffle(all_pairs)
    for size in [200] if smoke else map(int, sizes.split(',')):
        compare(size, all_pairs, langs)

if __name__ == '__main__':
    course.run_lesson(main, globals())
