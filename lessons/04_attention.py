"""
Lesson 4. What does attention buy, and does it matter how it is computed?

Without attention, all that the decoder knows of the source is the encoder's last state. Attention lets it
look back at every source word, again at each step. There are several ways to score how well a source word s
fits the decoder's state h: dot, h s, and general, h W s (both Luong et al. 2015, section 3.1), and additive,
v tanh(W h + U s) (Bahdanau et al. 2015, A.1.2). The models here have equally many parameters: those with
fewer matrices get a larger state.

Before you run it, write down: how much BLEU does attention bring? Which of the three scores is best, and by
how much? Which is slowest, and why? Of a hundred words, for how many does attention point at a wrong source
word, and could the translation be right all the same?

    python lessons/04_attention.py
    python lessons/04_attention.py --data_dir=data/multi30k --dropout=0.3 --max_steps=3000

What came out, exercises, laboratory notes: 04_attention.md
"""
import course

import random

import numpy as np
import torch

import grammar
import plot
from course import best_loss, evaluate, spread, table, train
from model import ATTENTIONS, Config, build
from sample import attention_weights, load, pad
from tokenizer import EOS, read_meta, read_vocabulary, split

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson4'
n_embd = 256
n_hidden = 256              # of the model with general attention; the others' are near
dropout = 0.1
batch_tokens = 500
max_steps = 1500
learning_rate = 5e-3
seeds = 1                   # the page's numbers are of three
smoke = False
# -----------------------------------------------------------------------------
TAGS = range(0x4e00, 0x9fff)                # Chinese characters, which no word of the grammar has

def count_parameters(attention, hidden):
    meta = read_meta(data_dir)
    sizes = [len(read_vocabulary(data_dir, meta[side])) for side in ('source_lang', 'target_lang')]
    with torch.device('meta'):
        model = build(Config(*sizes, attention=attention, n_embd=n_embd, n_hidden=hidden))
    return sum(p.numel() for p in model.parameters())

# -----------------------------------------------------------------------------
# gold alignment: a character behind each lexeme of the grammar's tree tells which words are translations

def tag_words(lexeme, tag):
    """A lexeme is words in lists and dicts, by language and form: the tag behind each."""
    if isinstance(lexeme, str):
        return lexeme + tag if lexeme else lexeme
    if isinstance(lexeme, dict):
        return {key: tag_words(value, tag) for key, value in lexeme.items()}
    if isinstance(lexeme, (list, tuple)):
        return type(lexeme)(tag_words(part, tag) for part in lexeme)
    return lexeme

def tag_lexemes(node, tags):
    """A sentence's tree in which each noun, pronoun, name, adjective and verb bears a tag of its own."""
    if isinstance(node, dict):
        return {key: tag_words(value, next(tags)) if key in ('noun', 'verb', 'adjective', 'text') else
                [tag_words(adjective, next(tags)) for adjective in value] if key == 'adjectives' else
                tag_lexemes(value, tags) for key, value in node.items()}
    return [tag_lexemes(part, tags) for part in node] if isinstance(node, (list, tuple)) else node

def gold_alignment(tree, langs):
    """The words of both sentences, and which share a lexeme: [(target position, {source positions})]."""
    tagged = [split(grammar.realise(tag_lexemes(tree, map(chr, TAGS)), lang)) for lang in langs]
    source_tags, target_tags = [[{c for c in word if ord(c) in TAGS} for word in side] for side in tagged]
    source, target = [[''.join(c for c in word if ord(c) not in TAGS) for word in side] for side in tagged]
    links = [(t, {s for s, theirs in enumerate(source_tags) if theirs & ours})
             for t, ours in enumerate(target_tags)]
    return source, target, [(t, positions) for t, positions in links if positions]

@torch.inference_mode()
def misaligned(checkpoint, langs, n):
    """
    Percent of the content words of n sentences, in the grammar's own translation, for which the greatest
    attention weight is on a source word of another lexeme.
    """
    model, source_vocab, target_vocab = load(checkpoint)
    rng, wrong, total = random.Random(0), 0, 0
    for _ in range(n):
        source, target, links = gold_alignment(grammar.sample_tree(rng), langs)
        ids, lengths = pad([source_vocab.look_up(source) + [EOS]])                      # (1, S), (1,)
        tokens, _ = pad([target_vocab.look_up(target)])                                 # (1, T)
        attended = attention_weights(model, ids, lengths, tokens)[0].argmax(-1).tolist()        # T positions
        wrong += sum(attended[t] not in positions for t, positions in links)
        total += len(links)
    return 100 * wrong / total

# -----------------------------------------------------------------------------

def main():
    meta = read_meta(data_dir)
    langs = meta['source_lang'], meta['target_lang']
    wanted, rows, curves = count_parameters('general', n_hidden), [], []
    for attention in ATTENTIONS:
        hidden = min(range(2, 2 * n_hidden, 2), key=lambda h: abs(count_parameters(attention, h) - wanted))
        logs, scores, wrong = [], [], []
        for seed in range(1, seeds + 1):
            folder = f'{out_dir}/{attention}-{seed}'
            logs.append(train(folder, smoke, data_dir=data_dir, attention=attention, n_embd=n_embd,
                              n_hidden=hidden, dropout=dropout, batch_tokens=batch_tokens,
                              max_steps=max_steps, eval_interval=max_steps // 10, eval_sentences=100,
                              learning_rate=learning_rate, seed=seed))
            scores.append(evaluate(folder, data_dir, smoke)['BLEU'])
            if attention != 'none' and meta['dataset'] == 'toy':
                wrong.append(misaligned(f'{folder}/best.pt', langs, 3 if smoke else 300))
        speeds = [entry['tokens_per_second'] for log in logs for entry in log if 'loss' in entry]
        rows.append([attention, hidden, f'{count_parameters(attention, hidden):,}',
                     spread([best_loss(log) for log in logs]), spread(scores),
                     spread(wrong) if wrong else '', f'{np.median(speeds):,.0f}'])
        curves.append((attention, [(e['step'], e['valid_loss']) for e in logs[0] if 'valid_loss' in e]))
    table(['attention', 'n_hidden', 'parameters', 'validation loss', 'test BLEU', '% misaligned', 'tokens/s'],
          rows)
    course.save(f'{out_dir}/04_attention.svg',
                plot.line_chart('Attention', 'step', 'validation loss', curves))
    if not smoke and meta['dataset'] == 'toy':
        rng = random.Random(4)
        for i in range(5):                          # look at these: where do the lines cross?
            text = grammar.realise(grammar.sample_tree(rng), langs[0])
            course.run('plot.py', smoke, attention=True, out_dir=f'{out_dir}/general-1', text=text,
                       plot_dir=f'{out_dir}/maps{i}')

if __name__ == '__main__':
    course.run_lesson(main, globals())
