"""
Lesson 3. How is an encoder-decoder built? English to French, from the words to the loss.

The encoder reads the source and keeps one state for each word. The decoder begins with the encoder's last
state and writes the target, one word after the other. The lesson follows one batch through both and prints
each shape, once with torch's LSTM and once with the one written by hand in model.py.

Then two things that the shapes do not show. In training the decoder is given the true previous word (teacher
forcing). When it translates, it is given its own, right or wrong, which it has never met in training:
exposure bias (Ranzato et al. 2016). And without attention, many steps lie between a source word and its
translation, so Sutskever et al. 2014 (section 3.3) read the source in reverse, and gained.

Before you run it, write down: at the tenth word, how much higher is the loss after the model's own nine words
than after the true ones? What does it bring to read the source in reverse?

    python lessons/03_encoder_decoder.py
    python prepare.py --dataset=multi30k --source_lang=en --target_lang=fr --data_dir=data/multi30k.fr
    python tokenizer.py --data_dir=data/multi30k.fr
    python lessons/03_encoder_decoder.py --data_dir=data/multi30k.fr --dropout=0.3 --max_steps=2000
"""
import course

import math

import numpy as np
import torch
import torch.nn.functional as F

import plot
import train as training
from course import best_loss, evaluate, spread, table, train
from model import Config, build
from sample import beam_search, load
from tokenizer import BOS, EOS, PAD, read_ids, read_meta, read_vocabulary

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy.fr'
out_dir = 'checkpoints/lesson3'
n_embd = 256
n_hidden = 256
dropout = 0.1
batch_tokens = 500
max_steps = 2000
learning_rate = 5e-3
seeds = 1                   # the page has three
smoke = False
# -----------------------------------------------------------------------------
POSITIONS = 1, 2, 3, 5, 10, 15, 20          # in the translation: of the losses in the table

def print_shapes(model, batch):
    """One batch through the model, step by step; returns its logits (B, T, V)."""
    source, lengths, target_in, target_out, _ = batch
    def show(what, shape, tensor):
        print(f'  {what:<58} {shape:<13} {tuple(tensor.shape)}')
    print('encoder')
    show('the source: word ids, then <eos>, then padding', 'B, S', source)
    show('embedding: one vector for each word', 'B, S, E', model.source_embedding(source))
    encoded = model.encode(source, lengths)
    show('LSTM, both directions: one state for each word', 'B, S, H', encoded.outputs)
    show('its last state, h and c, of each layer', 'B, N, L, H', encoded.final_state)
    print('decoder')
    show('teacher forcing: <bos>, then the true words', 'B, T', target_in)
    x = model.target_embedding(target_in)
    show('embedding: one vector for each word', 'B, T, E', x)
    state = tuple(encoded.final_state.permute(1, 2, 0, 3).contiguous())         # h and c, (L, B, H) each
    h, _ = model.run_rnn(model.decoder, x, state)
    show("LSTM, from the encoder's last state on: one state each", 'B, T, H', h)
    context, weights = model.attend(h, encoded)
    show('attention: how much of each source word', 'B, T, S', weights)
    show("context: the mean of the source words' states by weight", 'B, T, H', context)
    vectors = model.attentional_hidden_state(h, context)
    show('context and state combined', 'B, T, E', vectors)
    logits = model.output(vectors)
    show('output: one logit for each word of the vocabulary', 'B, T, V', logits)
    loss, _ = model.loss(source, lengths, target_in, target_out)
    print(f'loss {loss:.4f} nats a word; ln V is {math.log(logits.shape[-1]):.4f}')
    return logits

@torch.inference_mode()
def loss_by_position(model, sets, n):
    """
    Mean loss in nats of the reference's word at each position of n sentences: after the reference's words
    (teacher forcing), and after as many of the model's own, decoded greedily (free running). Counted where
    both sentences still go on. Returns [(teacher forcing, free running), ...].
    """
    source, lengths, target_in, target_out, _ = training.to_batch(np.arange(n), *sets, 'cpu')
    T = target_out.shape[1]
    own, _ = beam_search(model, source, lengths, torch.full((n,), T), beam_size=1)      # (B, 1, T)
    own = torch.cat([torch.full((n, 1), BOS), own[:, 0, :-1]], dim=1)                   # (B, T)
    losses = [F.cross_entropy(model(source, lengths, words).transpose(1, 2), target_out,
                              ignore_index=PAD, reduction='none') for words in (target_in, own)]    # (B, T)
    both_go_on = (target_out != PAD) & (own != PAD) & (own != EOS)                      # (B, T)
    return [tuple(loss[:, t][both_go_on[:, t]].mean().item() for loss in losses)
            for t in range(min(T, max(POSITIONS)))]

def compare_implementations(sizes, batch):
    """The same weights in torch's LSTM and in the one by hand: the same logits."""
    torch.manual_seed(1)
    torchs, by_hand = (build(Config(*sizes, n_embd=n_embd, n_hidden=n_hidden, scratch=scratch, dropout=0.0))
                       for scratch in (False, True))
    by_hand.load_state_dict(torchs.state_dict())        # the same names, the same shapes
    print("\nwith torch's LSTM")
    logits = print_shapes(torchs, batch)
    print('\nwith the LSTM by hand')
    print(f'greatest difference of the logits {(print_shapes(by_hand, batch) - logits).abs().max():.1e}')

def main():
    meta = read_meta(data_dir)
    langs = meta['source_lang'], meta['target_lang']
    sizes = [len(read_vocabulary(data_dir, lang)) for lang in langs]
    train_set, test_set = ([read_ids(data_dir, split, lang, meta) for lang in langs]
                           for split in ('train', 'test'))
    compare_implementations(sizes, training.to_batch(np.arange(4), *train_set, 'cpu'))

    # teacher forcing and free running; the source as it is, and reversed
    arms = {'attention': dict(attention='general'),
            'no attention': dict(attention='none', bidirectional=False),
            'no attention, source reversed': dict(attention='none', bidirectional=False, reverse_source=True)}
    rows, curves = [], []
    for name, flags in arms.items():
        logs, scores, path = [], [], f'{out_dir}/{name.replace(",", "").replace(" ", "_")}'
        for seed in range(1, seeds + 1):
            logs.append(train(f'{path}-{seed}', smoke, data_dir=data_dir, n_embd=n_embd, n_hidden=n_hidden,
                              **flags, dropout=dropout, batch_tokens=batch_tokens, max_steps=max_steps,
                              eval_interval=max_steps // 4, eval_sentences=100, learning_rate=learning_rate,
                              seed=seed))
            scores.append(evaluate(f'{path}-{seed}', data_dir, smoke)['BLEU'])
        rows.append([name, spread([best_loss(log) for log in logs]), spread(scores)])
        if 'reversed' not in name:
            losses = loss_by_position(load(f'{path}-1/best.pt')[0], test_set, 10 if smoke else 500)
            curves += [(f'{name}, {way}', list(enumerate(by_position, 1)))
                       for way, by_position in zip(('true words', 'its own'), zip(*losses))]
    table(['model', 'validation loss', 'test BLEU'], rows)
    table(['loss at word', *POSITIONS],
          [[name, *(curve[t - 1][1] for t in POSITIONS if t <= len(curve))] for name, curve in curves])
    course.save(f'{out_dir}/03_exposure_bias.svg', plot.line_chart(
        'After the true words, and after its own', 'position of the word', 'loss', curves, may_be_log=False))

if __name__ == '__main__':
    course.run_lesson(main, globals(), source_lang='en', target_lang='fr')
