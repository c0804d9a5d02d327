"""
Lesson 7. What happens to sentences longer than any in training?

A recurrent network can run for any number of steps, so a model that has never seen more than 25 words can be
asked to translate 200. Three remedies: a coverage penalty in the search (Wu et al. 2016, eq. 14), the text
cut at its punctuation, and training on sentences joined to long texts.

Before you run it, write down: at which length does BLEU break? Are the translations then too short or too
long? Which remedy helps most, and which costs nothing?

    python lessons/07_very_long_sentences.py
    python lessons/07_very_long_sentences.py --data_dir=data/mix --lengths=15,25,35,45,70 --n_hidden=384 \
        --batch_tokens=1500 --learning_rate=4e-3 --max_steps=3000
"""
import course
import collections, itertools, random, re, statistics

import torch
import grammar, plot
from sample import attention_weights, bleu, load, ngrams, pad, translate
from tokenizer import EOS, read_lines, read_meta, split

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # of the toy grammar the texts are generated, of other data selected by length
out_dir = 'checkpoints/lesson7'
lengths = '25,50,75,100,150,200'    # source words of the test texts, at most
n_hidden = 256
batch_tokens = 500
max_steps = 3000
learning_rate = 5e-3
seeds = 1
smoke = False
# -----------------------------------------------------------------------------
MAX_WORDS, MAX_JOINED = 25, 120     # source words, at most, of the texts that the two models are trained on

def is_short(pair):
    return max(len(split(text)) for text in pair) <= MAX_WORDS

def pairs_of(part, langs, toy):
    """The pairs of `train` or `test`; of the toy grammar endless new ones, all short."""
    if not toy:
        return zip(*(read_lines(f'{data_dir}/{part}.{lang}') for lang in langs))
    rng = random.Random(1 if part == 'train' else 2)
    trees = (grammar.sample_tree(rng) for _ in itertools.count())
    return filter(is_short, ([grammar.realise(tree, lang) for lang in langs] for tree in trees))

def join_sentences(pairs, max_words):
    """Join the next pairs as long as they have at most that many source words; one pair at least."""
    texts = next(pairs)
    for pair in pairs:
        longer = [' '.join(both) for both in zip(texts, pair)]
        if len(split(longer[0])) > max_words:
            return texts
        texts = longer

def split_at_punctuation(text):
    """Cut after . ? and ! (a date's full stop too), and after ; : and , where a part is still too long."""
    parts = []
    for piece in re.split(r'(?<=[.?!;:,])\s', text):
        if parts and parts[-1][-1:] not in '.?!' and len(split(f'{parts[-1]} {piece}')) <= MAX_WORDS:
            parts[-1] += f' {piece}'
        else:
            parts.append(piece)
    return parts

def repetition(texts):
    """The percentage of 4-grams of words that occur earlier in the same text."""
    counts = [ngrams(text.split(), 4) for text in texts]
    total = sum(sum(count.values()) for count in counts)
    return 100 * (total - sum(map(len, counts))) / max(1, total)

def score(texts, references):
    """BLEU, length ratio, % of repeated 4-grams, % of the references' words that are missing."""
    found, true = ([collections.Counter(text.split()) for text in side] for side in (texts, references))
    n_found, n_true = (sum(sum(words.values()) for words in side) for side in (found, true))
    n_missing = sum(sum((t - f).values()) for f, t in zip(found, true))
    return bleu(texts, references), n_found / n_true, repetition(texts), 100 * n_missing / n_true

@torch.inference_mode()
def alignment(model, source_vocab, target_vocab, pair):
    """[(true target word, source word with most attention), ...], both from 1; mean % off the diagonal."""
    source, lengths = pad([source_vocab.encode(pair[0]) + [EOS]])                               # (1, S)
    target, _ = pad([target_vocab.encode(pair[1])])                                             # (1, T)
    positions = attention_weights(model, source, lengths, target)[0].argmax(-1)                 # (T,)
    n = source.shape[1] - 1                                                             # without <eos>
    off = (positions - torch.linspace(0, n - 1, len(positions))).abs().mean() / n
    return list(enumerate((positions + 1).tolist(), 1)), 100 * off.item()

def translate_each_way(texts, short, joined):
    """{way to translate: its translations}"""
    def best(texts, model, **how):
        results = translate(texts, *model, max_length=1 if smoke else 0, batch_size=16, **how)
        return [text for ((text, _),) in results]
    parts = [split_at_punctuation(text) for text in texts]
    translations = iter(best(sum(parts, []), short))
    return {f'trained on up to {MAX_WORDS} words': best(texts, short),
            'with coverage penalty': best(texts, short, coverage_penalty=0.2),
            'cut at punctuation': [' '.join(itertools.islice(translations, len(part))) for part in parts],
            'trained on joined sentences': best(texts, joined)}

def main():
    meta = read_meta(data_dir)
    langs, toy = (meta['source_lang'], meta['target_lang']), meta['dataset'] == 'toy'
    n_short = 600 if smoke else 20000 if toy else sum(map(is_short, pairs_of('train', langs, toy)))
    folders, models, tests = {}, {}, {}
    for name, n, longest in ('short', n_short, MAX_WORDS), ('joined', n_short // 4, MAX_JOINED):
        pairs, rng = itertools.cycle(filter(is_short, pairs_of('train', langs, toy))), random.Random(1)
        texts = [join_sentences(pairs, rng.randint(5, longest)) for _ in range(n)]
        folders[name] = course.make_data_of(texts, f'{out_dir}/{name}-data', langs, smoke, max_len=200)
    bounds = [0, *map(int, lengths.split(','))][:3 if smoke else None]
    for shorter, longest in zip(bounds, bounds[1:]):
        pairs = pairs_of('test', langs, toy)
        if toy:
            tests[longest] = [join_sentences(pairs, longest) for _ in range(4 if smoke else 60)]
        elif texts := [pair for pair in pairs if shorter < len(split(pair[0])) <= longest]:
            tests[longest] = texts

    scores, off = (collections.defaultdict(lambda: collections.defaultdict(list)) for _ in range(2))
    for seed in range(1, seeds + 1):
        for name, folder in folders.items():
            course.train(f'{out_dir}/{name}-{seed}', smoke, data_dir=folder, n_embd=256, n_hidden=n_hidden,
                         dropout=0.1, batch_tokens=batch_tokens, max_steps=max_steps, seed=seed,
                         learning_rate=learning_rate, eval_sentences=50, eval_interval=max_steps // 4)
            models[name] = load(f'{out_dir}/{name}-{seed}/best.pt')
        for longest, texts in tests.items():
            sources, references = map(list, zip(*texts))
            for way, translations in translate_each_way(sources, *models.values()).items():
                scores[way][longest].append(score(translations, references))
            for name, model in models.items():
                off[name][longest].append(statistics.mean(alignment(*model, pair)[1] for pair in texts))

    course.table(['words', 'texts', 'way', 'BLEU', 'length ratio', '% repeated 4-grams', '% missing words'],
                 [[longest, len(texts), way, *map(course.spread, zip(*scores[way][longest]))]
                  for longest, texts in tests.items() for way in scores])
    print('\n% repeated 4-grams in the references:',
          *(f'{repetition([target for _, target in texts]):.2f}' for texts in tests.values()))
    course.table(['attention off the diagonal, % of the length', *tests],
                 [[f'trained on {name}', *map(course.spread, off[name].values())] for name in off])
    curves = [(way, [(n, statistics.mean(bleu for bleu, *_ in each)) for n, each in by_length.items()])
              for way, by_length in scores.items()]
    course.save(f'{out_dir}/07_long.svg', plot.line_chart(
        'Longer than in training', 'source words', 'BLEU', curves, may_be_log=False))
    pair = list(tests.values())[:2][-1][0]
    course.save(f'{out_dir}/07_looked_at.svg', plot.line_chart(
        'Where attention looks', 'word of the translation', 'source word',
        [(f'trained on {name}', alignment(*model, pair)[0]) for name, model in models.items()]))

if __name__ == '__main__':
    course.run_lesson(main, globals())
