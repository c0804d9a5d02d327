"""
Lesson 1. Why is a plain RNN not enough to translate?

A recurrent network reads a word and writes a word, step by step. So it can tag the words of a sentence. A
translation has another length, and German keeps its verb for the end: the network would have to write the
English verb before it has read the German one. An encoder-decoder (Sutskever et al. 2014; Cho et al. 2014)
reads the whole sentence first, and then writes.

What it has read must survive until the end of the sentence, and in the backward pass the gradient must
survive the same distance. In Elman's RNN (1990) it is multiplied by the same matrix at each step, and
shrinks or grows like a power (Bengio et al. 1994). LSTM and GRU add to their state instead of multiplying.

Before you run it, write down: how many BLEU does a network reach that writes one word for each word it
reads? How much smaller is the gradient of a word twenty steps back than that of the last word, in each cell,
before training and after?

    python lessons/01_rnn_to_seq2seq.py
"""
import course

import numpy as np
import torch
import torch.nn.functional as F

import plot
import train as training
from course import best_loss, spread, table, train
from model import Config, ScratchRNN, build
from sample import bleu, load, translate
from tokenizer import EOS, PAD, read_ids, read_lines, read_meta, read_vocabulary, split

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
out_dir = 'checkpoints/lesson1'
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500          # small, so that there are many updates: without attention it takes many
max_steps = 2000
learning_rate = 5e-3
seeds = 1                   # the page has three
smoke = False
# -----------------------------------------------------------------------------

class Tagger(torch.nn.Module):
    """One word for each word: it is chosen by what has been read so far."""

    def __init__(self, n_source, n_target):
        super().__init__()
        self.embedding = torch.nn.Embedding(n_source, n_embd, padding_idx=PAD)
        self.network = ScratchRNN('lstm', n_embd, n_hidden)
        self.output = torch.nn.Linear(n_hidden, n_target)

    def forward(self, source):
        h, _ = self.network(self.embedding(source))                                     # (B, S, H)
        return self.output(h)                                                           # (B, S, V)

def train_tagger(sets, vocabs, seed):
    """On the same data, for as many steps as the others; a target longer than its source is cut."""
    torch.manual_seed(seed)
    training.batch_tokens, training.seed = batch_tokens, seed
    tagger = Tagger(*map(len, vocabs))
    optimizer = torch.optim.AdamW(tagger.parameters(), learning_rate)
    batches = training.iterate_batches((0, 0, []), *(offsets for _, offsets in sets))
    for step in range(1, 3 if smoke else max_steps + 1):
        source, _, _, target, _ = training.to_batch(next(batches)[0], *sets, 'cpu')     # (B, S), (B, T)
        target = F.pad(target, (0, source.shape[1]))[:, :source.shape[1]]               # (B, S)
        target = target.masked_fill(source == PAD, PAD)
        loss = F.cross_entropy(tagger(source).transpose(1, 2), target, ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f'tagger, seed {seed}: step {step} | loss {loss:.4f}', flush=True)
    return tagger

@torch.inference_mode()
def tag(tagger, vocabs, texts):
    """The tagger's translation of each text: its words up to the first <eos>."""
    for text in texts:
        ids = tagger(torch.tensor([vocabs[0].encode(text) + [EOS]])).argmax(-1)[0].tolist()     # S
        yield vocabs[1].decode(ids[:ids.index(EOS)] if EOS in ids else ids)

def bleu_by_length(outputs, references, same_length):
    """BLEU of all pairs, of those with as many words on either side, and of the others."""
    same_length = np.array(same_length)
    for chosen in np.ones_like(same_length), same_length, ~same_length:
        yield bleu(*([text for text, keep in zip(texts, chosen) if keep] for texts in (outputs, references)))

def gradient_by_distance(model, length=61, n=100):
    """Norm of the gradient of the encoder's last state by each word back from the last, whose own is 1."""
    torch.manual_seed(0)
    embeddings = model.source_embedding.weight                                          # (V, E)
    x = torch.randn(n, length, embeddings.shape[1]) * embeddings.std().item()           # (n, S, E)
    x.requires_grad_()
    h, _ = model.encoder(x)                                                             # (n, S, H)
    (h[:, -1] * torch.randn(n, h.shape[-1])).sum().backward()       # in a random direction
    norm = x.grad.norm(dim=-1).mean(0).flip(0)                                          # (S,) last word first
    return (norm / norm[0]).tolist()

def main():
    meta = read_meta(data_dir)
    langs = meta['source_lang'], meta['target_lang']
    vocabs = [read_vocabulary(data_dir, lang) for lang in langs]
    sets = [read_ids(data_dir, 'train', lang, meta) for lang in langs]
    sources, references = (list(read_lines(f'{data_dir}/test.{lang}')) for lang in langs)
    same_length = [len(split(a)) == len(split(b)) for a, b in zip(sources, references)]
    print(f'\n{np.mean(same_length):.1%} of the test pairs have as many words on one side as on the other')

    # one word for each word
    scores = []
    for seed in range(1, seeds + 1):
        outputs = list(tag(train_tagger(sets, vocabs, seed), vocabs, sources))
        scores.append(list(bleu_by_length(outputs, references, same_length)))
    rows = [['one word for each word, lstm', '', *map(spread, zip(*scores))]]

    # encoder and decoder, with each cell
    curves, distances = [], []
    for cell in 'rnn', 'gru', 'lstm':
        logs, scores, norms = [], [], {'at the start': [], 'trained': []}
        for seed in range(1, seeds + 1):
            folder = f'{out_dir}/{cell}-{seed}'
            logs.append(train(folder, smoke, data_dir=data_dir, cell=cell, scratch=True, attention='none',
                              bidirectional=False, n_embd=n_embd, n_hidden=n_hidden, dropout=dropout,
                              batch_tokens=batch_tokens, max_steps=max_steps, eval_interval=max_steps // 4,
                              eval_sentences=100, learning_rate=learning_rate, seed=seed, dtype='float32'))
            trained, *_ = load(f'{folder}/best.pt')
            best = translate(sources, trained, *vocabs, max_length=1 if smoke else 0)
            scores.append(list(bleu_by_length([text for ((text, _),) in best], references, same_length)))
            torch.manual_seed(seed)
            norms['at the start'].append(gradient_by_distance(build(Config(**vars(trained.config)))))
            norms['trained'].append(gradient_by_distance(trained))
        rows.append([f'encoder-decoder, {cell}', spread([best_loss(log) for log in logs]),
                     *map(spread, zip(*scores))])
        for when, by_seed in norms.items():
            norm = np.mean(by_seed, axis=0)                                             # (S,)
            curves.append((f'{cell}, {when}', [(i, n) for i, n in enumerate(norm) if n > 1e-7]))
            distances.append([cell, when, *(f'{norm[distance]:.1e}' for distance in (5, 10, 20, 40, 60))])
    table(['model', 'validation loss', 'test BLEU', 'pairs of equal length', 'the others'], rows)
    table(['cell', '', *(f'{distance} words back' for distance in (5, 10, 20, 40)), 'the first word'],
          distances)
    course.save(f'{out_dir}/01_gradient.svg',
                plot.line_chart('How far the gradient reaches', 'words back', "the last word's is 1", curves))

if __name__ == '__main__':
    course.run_lesson(main, globals())
