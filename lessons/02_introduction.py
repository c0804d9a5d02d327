"""
Lesson 2. Introduction: what is in one vector that stands for a sentence?

An encoder-decoder has two halves. The encoder turns a sentence of any length into one vector, its state after
the last word. The decoder turns this vector into another sentence. Sutskever et al. 2014 (figure 2) drew such
vectors in the plane, and found that they know who did what, and hardly depend on how it is put. A bag of
words would know neither.

Nothing in the model is about translation. From nothing but pairs, the same code learns to reverse a sentence,
or to shorten it to its main clause.

Before you run it, write down: which two are nearer to one another, "Gestern hat Paul Anna besucht" and
"Gestern hat Anna Paul besucht", or the first of them and "Paul hat Anna gestern besucht"? Which of the three
tasks, to translate, to reverse or to shorten, is the hardest?

    python lessons/02_introduction.py
"""
import course

import itertools, random

import torch

import grammar
import plot
from course import evaluate, spread, table, train
from sample import load, pad
from tokenizer import EOS, read_lines

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'       # of the toy corpus: its grammar makes the other sentences
out_dir = 'checkpoints/lesson2'
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500
max_steps = 3000
learning_rate = 5e-3
seeds = 1                   # the page has three
smoke = False
# -----------------------------------------------------------------------------

@torch.inference_mode()
def encode_sentences(model, vocab, texts):
    """The encoder's last state for each sentence, h and c side by side (n, 2H)."""
    source, lengths = pad([vocab.encode(text) + [EOS] for text in texts])               # (n, S), (n,)
    return model.encode(source, lengths).final_state.flatten(1)

def sample_event(rng):
    """One event in four versions (roles, whether the time is first, text): A does it to B, and B to A."""
    frames = grammar.FRAMES['human', 'transitive']
    verb = rng.choice([(objects, verb) for objects, verb in frames if 'human' in objects])[1]
    one, two = grammar.sample_person(rng), grammar.sample_person(rng)
    while two == one:
        two = grammar.sample_person(rng)
    time = grammar.sample_phrase(rng, 'past')
    roles = ('A and B', one, two), ('B and A', two, one)
    for (name, subject, other), time_first in itertools.product(roles, (False, True)):
        clause = dict(subject=subject, verb=verb, object=other, tense='past')
        clause['front' if time_first else 'time'] = time
        yield name, time_first, grammar.realise(dict(clauses=[clause]), 'de')

def main_clause(tree):
    """The first clause without those that depend on it: what remains of a long sentence."""
    def pruned(node):
        if isinstance(node, dict):
            return {key: pruned(value) for key, value in node.items()
                    if key not in ('relative_clause', 'complement', 'subordinate', 'conjunction',
                                   'subordinate_first', 'front')}
        return node
    return dict(clauses=[pruned(tree['clauses'][0])], question=tree.get('question'))

def make_task_data(task, n):
    """n pairs for a task, made by the grammar; returns their folder."""
    rng, pairs = random.Random(2), []
    while len(pairs) < n:
        tree = grammar.sample_tree(rng)
        text = grammar.realise(tree, 'de')
        if task == 'reverse':
            pairs.append((text, ' '.join(reversed(text.split()))))
        elif len(text) > len(short := grammar.realise(main_clause(tree), 'de')):
            pairs.append((text, short))
    return course.make_data_of(pairs, f'{out_dir}/{task}-data', ('long', 'short'), smoke, max_ratio=0)

def print_neighbours(model, vocab):
    texts = list(read_lines(f'{data_dir}/test.de'))[:20 if smoke else 1000]
    vectors = torch.nn.functional.normalize(encode_sentences(model, vocab, texts), dim=-1)      # (n, 2H)
    cosines = vectors @ vectors.t() - 2 * torch.eye(len(texts))     # (n, n) none is its own neighbour
    table(['sentence', f'the nearest of {len(texts) - 1} others', 'cosine'],
          [[texts[i], texts[cosines[i].argmax()], cosines[i].max().item()] for i in range(0, 18, 3)])

def compare_events(model, vocab, n=200):
    """How far apart the versions of an event are; the plane of their first two principal components."""
    rng = random.Random(1)
    events = [list(sample_event(rng)) for _ in range(n)]
    vectors = encode_sentences(model, vocab, [text for event in events for *_, text in event]).view(n, 4, -1)
    def distance(a, b):                                                                 # (n, 2H) each
        return (a - b).norm(dim=-1).mean().item()
    (text, time_first, exchanged, _), other = ([text for *_, text in event] for event in events[:2])
    first = vectors[:, 0]                                                               # (n, 2H)
    table(['two sentences', 'example', 'mean distance'],
          [['same roles, other word order', f'{text} / {time_first}', distance(first, vectors[:, 1])],
           ['other roles, same words', f'{text} / {exchanged}', distance(first, vectors[:, 2])],
           ['two events', f'{text} / {other[0]}', distance(first[:-1], first[1:])]])
    centred = (vectors - vectors.mean(1, keepdim=True)).flatten(0, 1)                   # (4n, 2H)
    plane = (centred @ torch.pca_lowrank(centred, 2, center=False)[2]).view(n, 4, 2).tolist()
    names = [f'{roles}, {"time" if time_first else "subject"} first' for roles, time_first, _ in events[0]]
    course.save(f'{out_dir}/02_sentences.svg', plot.line_chart(
        'Four ways to tell an event', 'first component', 'second component',
        [(name, [tuple(event[i]) for event in plane]) for i, name in enumerate(names)], dots=True))

def main():
    config = dict(attention='none', bidirectional=False, n_embd=n_embd, n_hidden=n_hidden, dropout=dropout,
                  batch_tokens=batch_tokens, max_steps=max_steps, eval_interval=max_steps // 3,
                  eval_sentences=100, learning_rate=learning_rate)
    train(f'{out_dir}/translate-1', smoke, data_dir=data_dir, seed=1, **config)
    model, vocab, _ = load(f'{out_dir}/translate-1/best.pt')
    print_neighbours(model, vocab)
    compare_events(model, vocab)

    # the same code on other tasks
    rows = []
    for task in 'translate', 'reverse', 'shorten':
        folder = data_dir if task == 'translate' else make_task_data(task, 600 if smoke else 30000)
        scores = []
        for seed in range(1, seeds + 1):
            train(f'{out_dir}/{task}-{seed}', smoke, data_dir=folder, seed=seed, **config)
            scores.append(evaluate(f'{out_dir}/{task}-{seed}', folder, smoke)['BLEU'])
        rows.append([task, spread(scores)])
    table(['task', 'test BLEU'], rows)

if __name__ == '__main__':
    course.run_lesson(main, globals())
