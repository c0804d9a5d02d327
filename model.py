"""
The model: an encoder reads the source sentence, a decoder writes the target sentence a word at a time, and
attention lets it look back at every source word while it writes (Sutskever et al. 2014; Bahdanau et al. 2015;
Luong et al. 2015).

Nothing to launch: train.py makes the model, sample.py decodes with it. In every shape comment:

    B  sentences in the batch      S  source length       E  embedding size     V  target vocabulary
    K  beams of a sentence         T  target length       H  hidden size        L  layers of the LSTM
"""
import contextlib
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tokenizer import PAD, fail

@dataclass
class Config:
    source_vocab: int
    target_vocab: int
    attention: str = 'general'      # none | general
    bidirectional: bool = True      # the encoder reads both ways, with half of n_hidden each
    scratch: bool = False           # the LSTM written out below instead of torch's
    n_layer: int = 1
    n_embd: int = 256
    n_hidden: int = 512
    dropout: float = 0.3

    def __post_init__(self):
        if self.attention not in ('none', 'general'):
            fail(f'--attention takes none or general, not {self.attention!r}')
        if min(self.n_layer, self.n_embd, self.n_hidden) < 1 or not 0 <= self.dropout < 1:
            fail('--n_layer, --n_embd and --n_hidden are at least 1, --dropout is from 0 to less than 1')
        if self.bidirectional and self.n_hidden % 2:
            fail(f'--n_hidden={self.n_hidden} cannot be halved for the two directions: take an even one')

# -----------------------------------------------------------------------------
# the LSTM, written out

class LSTM(nn.Module):
    """
    Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000), by hand.
    Its parameters have nn.LSTM's names and shapes, so that a checkpoint of either loads into the other.
    """

    def __init__(self, n_input, n_hidden, n_layer=1, dropout=0.0, bidirectional=False):
        super().__init__()
        self.n_hidden, self.n_layer, self.dropout = n_hidden, n_layer, dropout
        self.directions = ['', '_reverse'] if bidirectional else ['']
        for layer in range(n_layer):
            n_in = n_input if layer == 0 else n_hidden * len(self.directions)
            for direction in self.directions:
                G = 4 * n_hidden                                # four gates, one below the other
                for name, shape in {'weight_ih': (G, n_in), 'weight_hh': (G, n_hidden),
                                    'bias_ih': (G,), 'bias_hh': (G,)}.items():
                    weight = nn.Parameter(torch.empty(shape).uniform_(-n_hidden ** -0.5, n_hidden ** -0.5))
                    self.register_parameter(f'{name}_l{layer}{direction}', weight)

    def forward(self, x, state=None, lengths=None):
        """
        x (B, S, I); state (h, c), each (L * D, B, H), None for zeros; lengths (B,), None where nothing is
        padding. Returns the last layer's h at every step (B, S, D * H), zero on padding, and the state after
        the last step of each sentence.
        """
        B, S, _ = x.shape
        live = None
        if lengths is not None:
            steps = torch.arange(S, device=x.device)
            live = steps[:, None, None] < lengths.to(x.device)[:, None]                 # (S, B, 1)
        last_h, last_c = [], []
        for layer in range(self.n_layer):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in self.directions:
                n = len(last_h)
                h, c = (s[n] for s in state) if state else x.new_zeros(2, B, self.n_hidden)     # (B, H) each
                h, c, every_h = self.run(x, h, c, live, f'_l{layer}{direction}')
                last_h.append(h), last_c.append(c), outputs.append(every_h)
            x = torch.cat(outputs, dim=-1)                                              # (B, S, D * H)
        return x, (torch.stack(last_h), torch.stack(last_c))                            # (L * D, B, H) each

    def run(self, x, h, c, live, end):
        """One layer in one direction: the equations of a step, and around them the loop over time."""
        W_ih, W_hh = getattr(self, 'weight_ih' + end), getattr(self, 'weight_hh' + end)
        bias = getattr(self, 'bias_ih' + end) + getattr(self, 'bias_hh' + end)
        inputs = F.linear(x, W_ih, bias).unbind(1)      # x's part of the gates, all steps: S times (B, 4H)
        every_h, steps = [None] * len(inputs), range(len(inputs))
        for t in reversed(steps) if end.endswith('_reverse') else steps:
            i, f, g, o = (inputs[t] + F.linear(h, W_hh)).chunk(4, dim=-1)               # (B, H) each
            new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()    # forget some of the old, add some of the new
            new_h = o.sigmoid() * new_c.tanh()                  # and show some of it
            if live is None:
                h, c, every_h[t] = new_h, new_c, new_h
            else:                                       # on padding the state stays, and the output is zero
                h, c = torch.where(live[t], new_h, h), torch.where(live[t], new_c, c)
                every_h[t] = new_h * live[t]
        return h, c, torch.stack(every_h, dim=1)                                        # (B, S, H)

# -----------------------------------------------------------------------------
# the output layer and its loss

class OutputLoss(torch.autograd.Function):
    """
    Linear layer, softmax and cross entropy in one, a slice of the words at a time: the logits of a whole
    batch, by far the largest tensor of all, never stand in memory. The gradient is wanted whenever the loss
    is, so it is worked out on the way forward, while a slice is still in the cache.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, targets, smoothing):
        """x (N, E), weight (V, E), bias (V,), targets (N,) -> the mean smoothed loss, the mean plain loss."""
        N, V, dtype = len(x), len(weight), x.dtype      # under autocast x has the lower precision already
        size = 256 if x.device.type == 'cpu' else 4096
        low_weight, low_bias = weight.to(dtype), bias.to(dtype)
        dx, dweight, dbias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(bias)
        plain = uniform = 0.0
        for rows in (slice(i, i + size) for i in range(0, N, size)):
            logits = F.linear(x[rows], low_weight, low_bias)                        # (n, V)
            logits = logits.to(torch.promote_types(dtype, torch.float32))
            log_z = logits.logsumexp(dim=1, keepdim=True)                           # (n, 1)
            target = targets[rows, None]                                            # (n, 1)
            plain += (log_z - logits.gather(1, target)).sum()                       # - log p of the target
            uniform += (log_z - logits.mean(dim=1, keepdim=True)).sum()             # its mean over all words
            # N d loss / d logits is what was predicted less what was wanted: p - (1 - s) onehot - s / V
            dlogits = logits.sub_(log_z).exp_().sub_(smoothing / V)                 # (n, V)
            dlogits.scatter_add_(1, target, torch.full_like(log_z, smoothing - 1))
            dlogits = dlogits.to(dtype)
            dx[rows] = dlogits @ low_weight                                         # (n, E)
            dweight += dlogits.T @ x[rows]                                          # (V, E)
            dbias += dlogits.sum(dim=0)                                             # (V,)
        ctx.N = N
        ctx.save_for_backward(dx, dweight, dbias)
        plain, uniform = plain / N, uniform / N
        ctx.mark_non_differentiable(plain)
        return (1 - smoothing) * plain + smoothing * uniform, plain

    @staticmethod
    def backward(ctx, d_loss, _):
        return *(gradient * (d_loss / ctx.N) for gradient in ctx.saved_tensors), None, None

# -----------------------------------------------------------------------------
# the translator

class Memory(NamedTuple):
    """What the encoder hands over; every tensor has the sentence as its first dimension."""
    values: torch.Tensor        # (B, S, H) the encoder's output at each source word
    keys: torch.Tensor          # (B, S, H) the same, projected once for all the questions of attention
    mask: torch.Tensor          # (B, S)    true where there is a word, false on padding
    h: torch.Tensor             # (B, L, H) the final state, with which the decoder begins
    c: torch.Tensor             # (B, L, H)

class WordDropout(nn.Dropout):
    """Dropout with one mask a sentence, the same at each of its words (Gal & Ghahramani 2016)."""

    def forward(self, x):
        return x * super().forward(torch.ones_like(x[:, :1]))                   # (B, T, E) * (B, 1, E)

class Seq2Seq(nn.Module):

    def __init__(self, config):
        super().__init__()
        self.config = config
        E, H, L = config.n_embd, config.n_hidden, config.n_layer
        between_layers = config.dropout if L > 1 else 0.0
        lstm = LSTM if config.scratch else lambda *sizes, **how: nn.LSTM(*sizes, batch_first=True, **how)
        self.source_embedding = nn.Embedding(config.source_vocab, E, padding_idx=PAD)
        self.target_embedding = nn.Embedding(config.target_vocab, E, padding_idx=PAD)
        # two directions of half the size: side by side they are as large as the decoder's state and become it
        self.encoder = lstm(E, H // 2 if config.bidirectional else H, L, dropout=between_layers,
                            bidirectional=config.bidirectional)
        self.decoder = lstm(E, H, L, dropout=between_layers)
        if config.attention != 'none':
            self.key = nn.Linear(H, H, bias=False)                                      # W_a
        self.combine = nn.Linear(H if config.attention == 'none' else 2 * H, E, bias=False)     # W_c
        self.output = nn.Linear(E, config.target_vocab)
        self.output.weight = self.target_embedding.weight       # tied (Press & Wolf 2017): one vector a word
        self.dropout = WordDropout(config.dropout)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)              # Luong et al. 2015, section 4.1

    def encode(self, source, source_lengths):
        """source (B, S) padded, source_lengths (B,) on the CPU -> Memory."""
        S = source.shape[1]
        x = self.dropout(self.source_embedding(source))                                 # (B, S, E)
        if self.config.scratch:
            values, state = self.encoder(x, lengths=source_lengths)                     # (B, S, H)
        else:
            packed = pack_padded_sequence(x, source_lengths, batch_first=True, enforce_sorted=False)
            packed, state = self.encoder(packed)
            values, _ = pad_packed_sequence(packed, batch_first=True, total_length=S)   # (B, S, H)
        # (L * D, B, H / D) -> (L, D, B, H / D) -> (B, L, D, H / D) -> (B, L, H)
        h, c = (s.unflatten(0, (self.config.n_layer, -1)).permute(2, 0, 1, 3).flatten(2) for s in state)
        keys = values if self.config.attention == 'none' else self.key(values)          # (B, S, H)
        mask = torch.arange(S, device=source.device) < source_lengths.to(source.device)[:, None]    # (B, S)
        return Memory(values, keys, mask, h, c)

    def attend(self, h, memory):
        """
        Luong et al. 2015: score(h, s) = h W_a s (eq. 8, general), softmax over the source (eq. 7), and the
        attentional vector tanh(W_c [context; h]) (eq. 5). h (B, Q, H): Q are the steps of the target in
        training, the beams in decoding. Returns vectors (B, Q, E) and weights (B, Q, S), zero on padding.
        """
        if self.config.attention == 'none':
            return torch.tanh(self.combine(h)), h.new_zeros(*h.shape[:2], memory.mask.shape[1])
        scores = h @ memory.keys.transpose(1, 2)                                        # (B, Q, S)
        weights = scores.masked_fill(~memory.mask[:, None], float('-inf')).softmax(dim=-1)      # (B, Q, S)
        context = weights.to(memory.values.dtype) @ memory.values                       # (B, Q, H)
        return torch.tanh(self.combine(torch.cat([context, h], dim=-1))), weights       # (B, Q, E)

    def teach(self, source, source_lengths, target_in):
        """
        Teacher forcing: at each step the decoder is shown the true word before, so all steps run at once.
        Returns the attentional vectors (B, T, E) and the weights (B, T, S).
        """
        memory = self.encode(source, source_lengths)
        x = self.dropout(self.target_embedding(target_in))                              # (B, T, E)
        state = tuple(s.transpose(0, 1).contiguous() for s in (memory.h, memory.c))     # (L, B, H) each
        h, _ = self.decoder(x, state)                                                   # (B, T, H)
        vectors, weights = self.attend(self.dropout(h), memory)
        return self.dropout(vectors), weights

    def forward(self, source, source_lengths, target_in):
        """Logits of every next word (B, T, V); target_in (B, T) begins with <bos>."""
        return self.output(self.teach(source, source_lengths, target_in)[0])

    def loss(self, source, source_lengths, target_in, target_out, label_smoothing=0.0):
        """
        Cross entropy in nats, the mean over the target words, twice: with label smoothing to learn by,
        without it to look at. Padding never reaches the output layer, where most of the time goes.
        """
        real = target_out != PAD                                                        # (B, T)
        vectors = self.teach(source, source_lengths, target_in)[0][real]                # (N, E)
        return OutputLoss.apply(vectors, self.output.weight, self.output.bias, target_out[real],
                                label_smoothing)

    def start(self, memory, beams):
        """The state before the first word. Its rows are hypotheses, the beams of a sentence side by side."""
        return {name: getattr(memory, name).repeat_interleave(beams, 0) for name in 'hc'}  # (B * K, L, H)

    def decode_step(self, tokens, state, memory):
        """
        One word further; tokens (B * K,) are the last words of the hypotheses.
        Returns log-probabilities (B * K, V), the new state, and the attention's weights (B * K, S).
        """
        x = self.target_embedding(tokens)[:, None]                                      # (B * K, 1, E)
        h, state = self.decoder(x, tuple(state[name].transpose(0, 1).contiguous() for name in 'hc'))
        vectors, weights = self.attend(h.view(len(memory.mask), -1, h.shape[-1]), memory)       # (B, K, E)
        log_probs = self.output(vectors.flatten(0, 1)).float().log_softmax(dim=-1)      # (B * K, V)
        return log_probs, {name: s.transpose(0, 1) for name, s in zip('hc', state)}, weights.flatten(0, 1)

# -----------------------------------------------------------------------------
# where it runs

def choose_device(device):
    """'auto' -> cuda, mps or cpu, the first that is there."""
    if device == 'auto':
        mps = torch.backends.mps.is_available()
        device = 'cuda' if torch.cuda.is_available() else 'mps' if mps else 'cpu'
    try:
        torch.empty(1, device=device).zero_()
        there = torch.device(device).type in ('cpu', 'cuda', 'mps')
    except (RuntimeError, AssertionError):
        there = False
    if not there:
        fail(f'--device={device} is not to be had here: leave it out, or take cpu, cuda or mps')
    return device

def choose_dtype(dtype, device):
    """'auto' -> bfloat16 where the hardware multiplies it: GPUs since Ampere, CPUs with avx512_bf16."""
    if dtype == 'auto':
        if device.startswith('cuda'):
            fast = torch.cuda.get_device_capability(device)[0] >= 8
        else:
            fast = device == 'cpu' and getattr(torch.cpu, '_is_avx512_bf16_supported', lambda: False)()
        dtype = 'bfloat16' if fast else 'float32'
    if dtype not in ('float32', 'bfloat16', 'float16'):
        fail(f'--dtype takes auto, float32, bfloat16 or float16, not {dtype!r}')
    if dtype == 'float16' and not device.startswith('cuda'):
        fail('--dtype=float16 is for CUDA: take auto, float32 or bfloat16')
    return getattr(torch, dtype)

def autocast(device, dtype):
    """The context in which matrix products run in `dtype`, while weights, sums and the loss stay float32."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.split(':')[0], dtype)
