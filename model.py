"""
The model: an encoder reads the source sentence, a decoder writes the target sentence a word at a time, and attention
lets it look back at every source word while it writes (Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al. 2015).

Nothing to launch: train.py makes the model, sample.py decodes with it. In every shape comment:

    B  sentences in the batch      S  source length       E  embedding size     V  target vocabulary
    K  beams of a sentence         T  target length       H  hidden size        L  layers of the LSTM
"""
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
    attention: str = 'general'    # none | general
    bidirectional: bool = True    # the encoder reads both ways, half of n_hidden each
    scratch: bool = False         # the LSTM written out below instead of torch's
    n_layer: int = 1
    n_embd: int = 256
    n_hidden: int = 512
    dropout: float = 0.3

    def __post_init__(self):
        if self.attention not in ('none', 'general'):
            fail(f'--attention takes none or general, not {self.attention!r}')
        if self.bidirectional and self.n_hidden % 2:
            fail(f'--n_hidden={self.n_hidden} cannot be halved for the two directions: take an even one')

# -----------------------------------------------------------------------------
# the LSTM, written out

class LSTM(nn.Module):
    """
    Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000), written by hand.

    Its parameters have the names and shapes of nn.LSTM's, so that a checkpoint of either loads into the other.
    """

    def __init__(self, n_input, n_hidden, n_layer=1, dropout=0.0, bidirectional=False):
        super().__init__()
        self.n_hidden, self.n_layer, self.dropout = n_hidden, n_layer, dropout
        self.directions = ['', '_reverse'] if bidirectional else ['']
        for layer in range(n_layer):
            n_in = n_input if layer == 0 else n_hidden * len(self.directions)
            for direction in self.directions:
                end = f'_l{layer}{direction}'
                self.register_parameter('weight_ih' + end, nn.Parameter(torch.empty(4 * n_hidden, n_in)))
                self.register_parameter('weight_hh' + end, nn.Parameter(torch.empty(4 * n_hidden, n_hidden)))
                self.register_parameter('bias_ih' + end, nn.Parameter(torch.empty(4 * n_hidden)))
                self.register_parameter('bias_hh' + end, nn.Parameter(torch.empty(4 * n_hidden)))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -n_hidden ** -0.5, n_hidden ** -0.5)

    def forward(self, x, state=None, lengths=None):
        """
        x (B, S, I), state (h, c) each (L * D, B, H) or None for zeros, lengths (B,) or None where nothing is padding.
        Returns the last layer's h at every step (B, S, D * H), zero on padding, and the state after each one's last step.
        """
        B, S, _ = x.shape
        live = None
        if lengths is not None:
            live = torch.arange(S, device=x.device)[:, None, None] < lengths.to(x.device)[:, None]   # (S, B, 1)
        last_h, last_c = [], []
        for layer in range(self.n_layer):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in self.directions:
                n = len(last_h)
                h, c = (s[n] for s in state) if state else x.new_zeros(2, B, self.n_hidden)          # (B, H) each
                h, c, every_h = self.run(x, h, c, live, f'_l{layer}{direction}')
                last_h.append(h), last_c.append(c), outputs.append(every_h)
            x = torch.cat(outputs, dim=-1)                                                           # (B, S, D * H)
        return x, (torch.stack(last_h), torch.stack(last_c))                                   # (L * D, B, H) each

    def run(self, x, h, c, live, end):
        """One layer in one direction: the equations of one step, and around them the loop over time."""
        W_ih, W_hh, b_ih, b_hh = (getattr(self, name + end) for name in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'))
        inputs = F.linear(x, W_ih, b_ih + b_hh).unbind(1)     # what x gives to the gates, all steps at once: S times (B, 4H)
        steps = range(len(inputs))
        every_h = [None] * len(inputs)
        for t in reversed(steps) if end.endswith('_reverse') else steps:
            i, f, g, o = (inputs[t] + F.linear(h, W_hh)).chunk(4, dim=-1)                            # (B, H) each
            new_c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)   # forget some of the old, add some of the new
            new_h = torch.sigmoid(o) * torch.tanh(new_c)                      # and show some of it
            if live is None:
                h, c, every_h[t] = new_h, new_c, new_h
            else:                                             # on padding the state stays as it was, and the output is zero
                h, c = torch.where(live[t], new_h, h), torch.where(live[t], new_c, c)
                every_h[t] = new_h * live[t]
        return h, c, torch.stack(every_h, dim=1)                                                     # (B, S, H)

# -----------------------------------------------------------------------------
# the output layer and its loss

class OutputLoss(torch.autograd.Function):
    """
    Linear layer, softmax and cross entropy in one, for a slice of the words at a time: the logits of a whole batch,
    by far the largest tensor of all, never stand in memory. Since the gradient is wanted whenever the loss is, it is
    worked out on the way forward, while a slice is still in the cache.
    """
    SLICE = 256

    @staticmethod
    def forward(ctx, x, weight, bias, targets, smoothing):
        """x (N, E), weight (V, E), bias (V,), targets (N,) -> the mean smoothed loss, the mean plain loss."""
        N, V = len(x), len(weight)
        dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        x, weight_, bias_ = x.to(dtype), weight.to(dtype), bias.to(dtype)
        dx, dweight, dbias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(bias)
        plain = uniform = 0.0
        with torch.autocast(x.device.type, enabled=False):
            for i in range(0, N, OutputLoss.SLICE):
                rows, target = x[i:i + OutputLoss.SLICE], targets[i:i + OutputLoss.SLICE, None]      # (n, E), (n, 1)
                logits = F.linear(rows, weight_, bias_).to(torch.promote_types(dtype, torch.float32))   # (n, V)
                log_z = logits.logsumexp(dim=1, keepdim=True)                                        # (n, 1)
                plain += (log_z - logits.gather(1, target)).sum()                   # -log p(target)
                uniform += (log_z - logits.mean(dim=1, keepdim=True)).sum()         # the mean of -log p over all words
                # d loss / d logits is what is predicted less what was wanted: softmax - (1 - s) onehot - s / V
                dlogits = logits.sub_(log_z).exp_().sub_(smoothing / V)                              # (n, V)
                dlogits.scatter_add_(1, target, torch.full_like(log_z, smoothing - 1))
                dlogits = dlogits.div_(N).to(dtype)
                dx[i:i + OutputLoss.SLICE] = dlogits @ weight_                                       # (n, E)
                dweight += dlogits.T @ rows                                                          # (V, E)
                dbias += dlogits.sum(dim=0)                                                          # (V,)
        ctx.save_for_backward(dx, dweight, dbias)
        plain, uniform = plain / N, uniform / N
        ctx.mark_non_differentiable(plain)
        return (1 - smoothing) * plain + smoothing * uniform, plain

    @staticmethod
    def backward(ctx, d_loss, _):
        dx, dweight, dbias = ctx.saved_tensors
        return dx * d_loss, dweight * d_loss, dbias * d_loss, None, None

# -----------------------------------------------------------------------------
# the translator

class Memory(NamedTuple):
    """What the encoder hands over; every tensor has the sentence as its first dimension."""
    values: torch.Tensor    # (B, S, H) the encoder's output at each source word
    keys: torch.Tensor      # (B, S, H) the same, projected once for all the attention's questions
    mask: torch.Tensor      # (B, S)    true where there is a word, false on padding
    h: torch.Tensor         # (B, L, H) the final state, where the decoder starts
    c: torch.Tensor         # (B, L, H)

class Seq2Seq(nn.Module):

    def __init__(self, config):
        super().__init__()
        self.config = config
        E, H, L = config.n_embd, config.n_hidden, config.n_layer
        lstm = LSTM if config.scratch else lambda *sizes, **how: nn.LSTM(*sizes, batch_first=True, **how)
        between_layers = config.dropout if L > 1 else 0.0
        self.source_embedding = nn.Embedding(config.source_vocab, E, padding_idx=PAD)
        self.target_embedding = nn.Embedding(config.target_vocab, E, padding_idx=PAD)
        # half the size in either direction: their concatenation is as large as the decoder's state and becomes it
        self.encoder = lstm(E, H // 2 if config.bidirectional else H, L, dropout=between_layers,
                            bidirectional=config.bidirectional)
        self.decoder = lstm(E, H, L, dropout=between_layers)
        self.key = nn.Linear(H, H, bias=False)                    # W_a
        self.combine = nn.Linear(2 * H if config.attention != 'none' else H, E, bias=False)    # W_c
        self.output = nn.Linear(E, config.target_vocab)
        self.output.weight = self.target_embedding.weight         # tied (Press & Wolf 2017): one vector a target word
        self.dropout = nn.Dropout(config.dropout)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)                # as in Luong et al. 2015, section 4.1

    def encode(self, source, source_lengths):
        """source (B, S) padded, source_lengths (B,) on the CPU -> Memory."""
        B, S = source.shape
        x = self.dropout(self.source_embedding(source))                                              # (B, S, E)
        if self.config.scratch:
            values, (h, c) = self.encoder(x, lengths=source_lengths)                                 # (B, S, H)
        else:
            packed = pack_padded_sequence(x, source_lengths, batch_first=True, enforce_sorted=False)
            values, (h, c) = self.encoder(packed)
            values, _ = pad_packed_sequence(values, batch_first=True, total_length=S)                # (B, S, H)
        # the state's (L * D, B, H / D) with the directions side by side
        h, c = (s.unflatten(0, (self.config.n_layer, -1)).permute(2, 0, 1, 3).flatten(2) for s in (h, c))  # (B, L, H)
        mask = torch.arange(S, device=source.device) < source_lengths.to(source.device)[:, None]     # (B, S)
        return Memory(values, self.key(values), mask, h, c)

    def attend(self, h, memory):
        """
        Luong et al. 2015: score(h, s) = h W_a s (eq. 8, general), softmax over the source, attentional vector (eq. 5).
        h (B, Q, H), where Q are the steps of a target sentence in training and the beams of a sentence in decoding.
        Returns the attentional vectors (B, Q, E) and the weights (B, Q, S), which are zero on padding.
        """
        if self.config.attention == 'none':
            return torch.tanh(self.combine(h)), h.new_zeros(*h.shape[:2], memory.mask.shape[1])
        scores = h @ memory.keys.transpose(1, 2)                                                     # (B, Q, S)
        weights = scores.masked_fill(~memory.mask[:, None], float('-inf')).softmax(dim=-1)           # (B, Q, S)
        context = weights.to(memory.values.dtype) @ memory.values                                    # (B, Q, H)
        return torch.tanh(self.combine(torch.cat([context, h], dim=-1))), weights                    # (B, Q, E)

    def teach(self, source, source_lengths, target_in):
        """Teacher forcing: the decoder sees the true words before each step, so all steps run at once.
        Returns the attentional vectors (B, T, E) and the weights (B, T, S)."""
        memory = self.encode(source, source_lengths)
        x = self.dropout(self.target_embedding(target_in))                                           # (B, T, E)
        state = tuple(s.transpose(0, 1).contiguous() for s in (memory.h, memory.c))                  # (L, B, H) each
        h, _ = self.decoder(x, state)                                                                # (B, T, H)
        vectors, weights = self.attend(self.dropout(h), memory)
        return self.dropout(vectors), weights

    def forward(self, source, source_lengths, target_in):
        """Logits of every next word (B, T, V); target_in begins with <bos>."""
        return self.output(self.teach(source, source_lengths, target_in)[0])

    def loss(self, source, source_lengths, target_in, target_out, label_smoothing=0.0):
        """
        Cross entropy in nats, the mean over the target words: with label smoothing, to learn by, and without, to look at.
        Padding never reaches the output layer, which is where most of the time goes.
        """
        real = target_out != PAD                                                                     # (B, T)
        vectors = self.teach(source, source_lengths, target_in)[0][real]                             # (N, E)
        return OutputLoss.apply(vectors, self.output.weight, self.output.bias, target_out[real], label_smoothing)

    def start(self, memory, beams):
        """The state before the first word: rows are hypotheses, the `beams` of one sentence side by side."""
        return {'h': memory.h.repeat_interleave(beams, 0), 'c': memory.c.repeat_interleave(beams, 0)}  # (B * K, L, H)

    def decode_step(self, tokens, state, memory):
        """
        One word further: tokens (B * K,), the last word of each hypothesis.
        Returns log-probabilities (B * K, V), the new state, attention weights (B * K, S).
        """
        B = len(memory.mask)
        x = self.target_embedding(tokens)[:, None]                                                   # (B * K, 1, E)
        h, (last_h, last_c) = self.decoder(x, tuple(state[k].transpose(0, 1).contiguous() for k in 'hc'))
        vectors, weights = self.attend(h.view(B, -1, h.shape[-1]), memory)                           # (B, K, E)
        log_probs = self.output(vectors.flatten(0, 1)).float().log_softmax(dim=-1)                   # (B * K, V)
        return log_probs, {'h': last_h.transpose(0, 1), 'c': last_c.transpose(0, 1)}, weights.flatten(0, 1)

# -----------------------------------------------------------------------------
# where it runs

def choose_device(device):
    """'auto' -> cuda, mps or cpu, the first that is there."""
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'mps' if torch.backends.mps.is_available() else 'cpu'
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        fail(f'--device={device} is not to be had here: leave it out, or take cpu, cuda or mps')
    return device

def choose_dtype(dtype, device):
    """'auto' -> bfloat16 where the hardware multiplies it (GPUs since Ampere, CPUs with avx512_bf16), else float32."""
    if dtype == 'auto':
        if device.startswith('cuda'):
            fast = torch.cuda.get_device_capability(device)[0] >= 8
        else:
            fast = device == 'cpu' and getattr(torch.cpu, '_is_avx512_bf16_supported', lambda: False)()
        dtype = 'bfloat16' if fast else 'float32'
    if dtype not in ('float32', 'bfloat16', 'float16'):
        fail(f'--dtype takes auto, float32, bfloat16 or float16, not {dtype!r}')
    return getattr(torch, dtype)

def autocast(device, dtype):
    """The context in which matrix products run in `dtype`, while weights, sums and the loss stay float32."""
    return torch.autocast(device.split(':')[0], dtype, enabled=dtype != torch.float32)
