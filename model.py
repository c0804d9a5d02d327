"""
The models. An encoder reads the source sentence, a decoder writes the target sentence word by word, and
attention lets the decoder look back at every source word while it writes. One model is recurrent (an RNN, a
GRU or an LSTM, torch's or written by hand), the other is a Transformer.

There is nothing to run here: train.py builds the model, sample.py decodes with it. Shape comments, unless a
docstring says otherwise:

    B  sentences in the batch      S  source length       E  embedding size     V  target vocabulary
    K  beam size                   T  target length       H  hidden size        L  layers
    R  = B * K, hypotheses         D  size of the decoder's output: E if tied, else H
    N  states of a cell: h and c of an LSTM, else h alone

Models of the literature as flags of train.py:

    Sutskever et al. 2014   --n_layer=4 --attention=none --bidirectional=false --reverse_source --tied=false
    Bahdanau et al. 2015    --cell=gru --attention=additive --tied=false
    Luong et al. 2015       --n_layer=4 --bidirectional=false --reverse_source --tied=false
                            --attention=general --input_feeding         (or dot, or without input feeding)
    Vaswani et al. 2017     --arch=transformer --n_layer=6 --n_embd=512 --n_hidden=2048 --n_head=8
                            (but with the norms in front)
"""
import contextlib, ctypes, math
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
    arch: str = 'seq2seq'           # seq2seq | transformer
    cell: str = 'lstm'              # lstm | gru | rnn
    scratch: bool = False           # the cells written out below instead of torch's
    manual_backward: bool = False   # and the LSTM's backward pass, too
    attention: str = 'dot'          # none | dot | general | additive
    input_feeding: bool = False     # the attentional hidden state is an input of the next step
    bidirectional: bool = True      # the encoder reads in both directions, each with half of n_hidden
    reverse_source: bool = False    # the encoder reads the last word first
    tied: bool = True               # the output layer's weights are the target embeddings
    n_layer: int = 1
    n_embd: int = 256               # also the Transformer's width
    n_hidden: int = 384             # of the cell, or inside the Transformer's feed-forward layers
    n_head: int = 4                 # of the Transformer's attention
    dropout: float = 0.3
    max_length_ratio: float = 2.0   # target words for each source word at most, and ten

    def __post_init__(self):
        for name, known in dict(arch=ARCHITECTURES, cell=CELLS, attention=ATTENTIONS).items():
            if getattr(self, name) not in known:
                fail(f'--{name} takes {", ".join(known)}, not {getattr(self, name)!r}')
        if min(self.n_layer, self.n_embd, self.n_hidden, self.n_head) < 1 or not 0 <= self.dropout < 1:
            fail('--n_layer, --n_embd, --n_hidden, --n_head are at least 1, --dropout is from 0 to below 1')
        if self.arch == 'transformer' and self.n_embd % (2 * self.n_head):
            fail(f'--n_embd={self.n_embd} cannot be split into --n_head={self.n_head} heads of even size')
        given = [f'--{name}' for name in RECURRENT_ONLY if getattr(self, name) != getattr(Config, name)]
        if self.arch == 'transformer' and given:
            fail(f'{", ".join(given)}: for recurrent models, not for --arch=transformer')
        if self.manual_backward and not (self.scratch and self.cell == 'lstm'):
            fail('--manual_backward needs --scratch and --cell=lstm')
        if self.arch == 'seq2seq' and self.bidirectional and self.n_hidden % 2:
            fail(f'--n_hidden={self.n_hidden} cannot be halved for the two directions: take an even number')
        if self.input_feeding and self.attention in ('none', 'additive'):
            fail('--input_feeding is for --attention=dot or general: with none there is nothing to feed, and '
                 'with additive the context is an input of the cell already')

ARCHITECTURES = 'seq2seq', 'transformer'
ATTENTIONS = 'none', 'dot', 'general', 'additive'               # RecurrentSeq2Seq.attend()
RECURRENT_ONLY = ('cell', 'scratch', 'manual_backward', 'attention', 'input_feeding', 'bidirectional',
                  'reverse_source')

# -----------------------------------------------------------------------------
# the cells, one time step each. They run with --scratch; without it torch's own cells, which compute the
# same, run in their place: whoever changes an equation here has to train with --scratch to see a difference.
# A step takes x's part of its G gates (B, G * H), computed for all steps beforehand; hidden_gates, the
# function of h that gives the state's part (B, G * H); and the N states (B, H)

def rnn_step(x, hidden_gates, h):
    """Elman 1990: h' = tanh(W x + U h)."""
    return (torch.tanh(x + hidden_gates(h)),)                                           # (B, H)

def gru_step(x, hidden_gates, h):
    """Cho et al. 2014, with the reset gate r after the product U h, as in cuDNN and torch."""
    x_r, x_z, x_n = x.chunk(3, dim=-1)                                                  # (B, H) each
    h_r, h_z, h_n = hidden_gates(h).chunk(3, dim=-1)                                    # (B, H) each
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)                               # the candidate: r lets some of the old in
    return (n + z * (h - n),)                                   # h' = (1 - z) n + z h: z keeps the old

def lstm_step(x, hidden_gates, h, c):
    """Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""
    i, f, g, o = (x + hidden_gates(h)).chunk(4, dim=-1)                                 # (B, H) each
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()                # forget some of the old, add some of the new
    return o.sigmoid() * c.tanh(), c                            # and show some of it

CELLS = {'rnn': (rnn_step, 1, 1), 'gru': (gru_step, 3, 1), 'lstm': (lstm_step, 4, 2)}   # step, G, N
TORCH_CELLS = {'rnn': nn.RNN, 'gru': nn.GRU, 'lstm': nn.LSTM}   # a cell that is not here always runs by hand

class LSTMFunction(torch.autograd.Function):
    """
    lstm_step() over all steps, with backpropagation through time by hand. A step computes c' = f c + i g and
    h' = o tanh(c'); its backward pass turns the gradients dh' and dc' of the loss into

        dc' += dh' o (1 - tanh(c')^2)           through h', which depends on c'
        di = dc' g i (1 - i)                    before the sigmoid s, whose derivative is s (1 - s)
        df = dc' c f (1 - f)
        dg = dc' i (1 - g^2)                    before tanh, whose derivative is 1 - tanh^2
        do = dh' tanh(c') o (1 - o)
        dc = dc' f,  dh = [di df dg do] W       for the step before

    All factors but dh' and dc' are known in advance, for all steps at once; the gradient of W is one product
    afterwards.
    """

    @staticmethod
    def forward(ctx, inputs, W, h, c):
        """inputs (S, B, 4H), W (4H, H), h and c (B, H) -> h and c after each step, (S, B, H) each."""
        (S, B, _), H, W = inputs.shape, W.shape[1], W.to(inputs.dtype)
        gates, tanh_c = torch.empty_like(inputs), inputs.new_empty(S, B, H)
        hs, cs = inputs.new_empty(2, S + 1, B, H)               # the states before, between and after
        hs[0], cs[0] = h, c
        for t in range(S):
            torch.addmm(inputs[t], hs[t], W.t(), out=gates[t])                          # (B, 4H)
            i, f, g, o = gates[t].chunk(4, dim=-1)                                      # (B, H) each
            gates[t, :, :2 * H].sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.mul(f, cs[t], out=cs[t + 1]).addcmul_(i, g)
            torch.mul(o, torch.tanh(cs[t + 1], out=tanh_c[t]), out=hs[t + 1])
        ctx.save_for_backward(W, gates, tanh_c, hs, cs)
        return hs[1:], cs[1:]

    @staticmethod
    def backward(ctx, d_hs, d_cs):
        W, gates, tanh_c, hs, cs = ctx.saved_tensors
        i, f, g, o = gates.chunk(4, dim=-1)                                             # (S, B, H) each
        d = torch.empty_like(gates)                                                     # (S, B, 4H)
        di, df, dg, do = d.chunk(4, dim=-1)
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        tanh_backward = torch.ops.aten.tanh_backward
        sigmoid_backward(g, i, grad_input=di)                                           # g i (1 - i)
        sigmoid_backward(cs[:-1], f, grad_input=df)                                     # c f (1 - f)
        tanh_backward.grad_input(i, g, grad_input=dg)                                   # i (1 - g^2)
        sigmoid_backward(tanh_c, o, grad_input=do)                                      # tanh(c') o (1 - o)
        dc_dh = tanh_backward(o, tanh_c)                                                # o (1 - tanh(c')^2)
        dh, dc = torch.zeros_like(hs[:2])                                               # (B, H) each
        for t in reversed(range(len(d))):
            dh = dh + d_hs[t]
            dc.add_(d_cs[t]).addcmul_(dh, dc_dh[t])
            d_gates = d[t].unflatten(-1, (4, -1))                                       # (B, 4, H)
            d_gates[:, :3].mul_(dc[:, None]), d_gates[:, 3].mul_(dh)
            dc.mul_(f[t])
            dh = d[t] @ W
        return d, d.flatten(0, 1).t() @ hs[:-1].flatten(0, 1), dh, dc                   # W's: (4H, H)

def padding_mask(x, lengths):
    """x (B, S, ...), lengths (B,) -> (B, S), true on words, false on padding."""
    return torch.arange(x.shape[1], device=x.device) < lengths.to(x.device)[:, None]

def reverse_padded(x, lengths):
    """x (B, S, ·) with each sentence from its last word to its first; the padding stays at the end."""
    B, S, _ = x.shape
    steps, last = torch.arange(S, device=x.device), lengths.to(x.device)[:, None] - 1
    indices = torch.where(steps <= last, last - steps, steps)                           # (B, S)
    indices = indices + S * torch.arange(B, device=x.device)[:, None]                   # (B, S) of B * S rows
    return x.flatten(0, 1).index_select(0, indices.flatten()).view(x.shape)

class ScratchRNN(nn.Module):
    """
    A recurrent network by hand, of any depth, in one direction or two. Its parameters have the names and the
    shapes of torch's nn.RNN, nn.GRU and nn.LSTM, so that a checkpoint of one loads into the other. In the
    shapes below D is the number of directions.
    """

    def __init__(self, cell, n_input, n_hidden, n_layer=1, dropout=0.0, bidirectional=False, manual=False):
        super().__init__()
        self.step, n_gates, self.n_states = CELLS[cell]
        self.manual = manual                                    # with LSTMFunction
        self.n_hidden, self.n_layer, self.dropout = n_hidden, n_layer, dropout
        self.directions = ['', '_reverse'] if bidirectional else ['']
        for layer in range(n_layer):
            n_in = n_input if layer == 0 else n_hidden * len(self.directions)
            for direction in self.directions:
                rows = n_gates * n_hidden                       # the gates, one below the other
                for name, shape in {'weight_ih': (rows, n_in), 'weight_hh': (rows, n_hidden),
                                    'bias_ih': (rows,), 'bias_hh': (rows,)}.items():
                    weight = nn.Parameter(torch.empty(shape).uniform_(-n_hidden ** -0.5, n_hidden ** -0.5))
                    self.register_parameter(f'{name}_l{layer}{direction}', weight)

    def forward(self, x, state=None, lengths=None):
        """
        x (B, S, I); state: N tensors (L * D, B, H), None for zeros; lengths (B,), None without padding.
        Returns the last layer's h at every step (B, S, D * H), zero on padding, and the states after the last
        word of each sentence, N tensors (L * D, B, H).
        """
        (B, S, _), H, final_states = x.shape, self.n_hidden, []
        lengths = torch.full((B,), S) if lengths is None else lengths
        mask, last = padding_mask(x, lengths)[:, :, None], lengths.to(x.device)[:, None, None] - 1
        for layer in range(self.n_layer):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in self.directions:       # padding comes last either way, so no word depends on it
                inputs = reverse_padded(x, lengths) if direction else x                 # (B, S, I)
                previous_state = [s[len(final_states)] for s in state] if state else \
                    x.new_zeros(self.n_states, B, H)                                    # (B, H) each
                states = self.unroll(inputs, previous_state, f'_l{layer}{direction}')   # (B, S, H) each
                final_states.append([s.take_along_dim(last, 1)[:, 0] for s in states])  # (B, H) each
                outputs.append(reverse_padded(states[0], lengths) if direction else states[0])
            x = torch.cat(outputs, dim=-1) * mask                                       # (B, S, D * H)
        return x, tuple(torch.stack(states) for states in zip(*final_states))           # (L * D, B, H) each

    def unroll(self, x, state, suffix):
        """One layer in one direction: x (B, S, I), N states (B, H) -> N states of every step (B, S, H)."""
        W_ih, W_hh, b_ih, b_hh = (getattr(self, name + suffix)
                                  for name in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'))
        if self.manual:
            inputs = F.linear(x.transpose(0, 1), W_ih, b_ih + b_hh)                     # (S, B, 4H)
            states = LSTMFunction.apply(inputs, W_hh, *state)                           # (S, B, H) each
            return [s.transpose(0, 1) for s in states]                                  # (B, S, H) each
        def hidden_gates(h):
            return F.linear(h, W_hh, b_hh)                                              # (B, G * H)
        states = []
        for inputs in F.linear(x, W_ih, b_ih).unbind(1):        # x's part of the gates: S times (B, G * H)
            state = self.step(inputs, hidden_gates, *state)                             # (B, H) each
            states.append(state)
        return [torch.stack(s, dim=1) for s in zip(*states)]                            # (B, S, H) each

# -----------------------------------------------------------------------------
# the output layer and its loss

class LinearCrossEntropy(torch.autograd.Function):
    """
    Linear layer, softmax and cross entropy in one (fused linear cross entropy), for a slice of the words at a
    time: the logits of a whole batch, by far the largest tensor of all, are never in memory together. The
    gradient is computed in the forward pass, while the slice is still in the cache.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, targets, smoothing):
        """
        x (N, D), weight (V, D), bias (V,), targets (N,) -> the mean loss with label smoothing s, the mean
        loss without it. With p = softmax(W x + b) the smoothed loss of a word is (Szegedy et al. 2016)
        - (1 - s) log p[target] - s mean(log p), and its gradient by the logits p - (1 - s) onehot - s / V.
        """
        N, V, device = len(x), len(weight), x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        size, x, low_weight = 512 if device == 'cpu' else 4096, x.to(dtype), weight.to(dtype)
        dx, dweight, dbias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(bias)
        plain = uniform = 0.0
        for rows in (slice(i, i + size) for i in range(0, N, size)):
            logits = x[rows] @ low_weight.T                                             # (n, V)
            logits = logits.to(torch.promote_types(dtype, torch.float32)).add_(bias)
            probs, target = logits.softmax(dim=1), targets[rows, None]                  # (n, V), (n, 1)
            log_z = logits.amax(dim=1, keepdim=True) - probs.amax(dim=1, keepdim=True).log()    # (n, 1)
            plain += (log_z - logits.gather(1, target)).sum()                           # - log p[target]
            uniform += (log_z - logits.mean(dim=1, keepdim=True)).sum()                 # - mean(log p)
            if not ctx.needs_input_grad[0]:             # in validation
                continue
            probs.sub_(smoothing / V).scatter_add_(1, target, torch.full_like(log_z, smoothing - 1))
            dlogits = probs.to(dtype)                                                   # (n, V)
            dx[rows] = dlogits @ low_weight                                             # (n, D)
            dweight += dlogits.T @ x[rows]                                              # (V, D)
            dbias += dlogits.sum(dim=0)                                                 # (V,)
        ctx.N = N
        ctx.save_for_backward(dx, dweight, dbias)
        plain, uniform = plain / N, uniform / N
        ctx.mark_non_differentiable(plain)
        return (1 - smoothing) * plain + smoothing * uniform, plain

    @staticmethod
    def backward(ctx, d_loss, _):
        return *(gradient * (d_loss / ctx.N) for gradient in ctx.saved_tensors), None, None

# -----------------------------------------------------------------------------
# what both architectures share

class VariationalDropout(nn.Dropout):
    """Dropout with one mask for each sentence, the same at all of its words (Gal & Ghahramani 2016)."""

    def forward(self, x):
        if not self.training:
            return x
        return x * super().forward(torch.ones_like(x[:, :1]))                   # (B, T, E) * (B, 1, E)

class EncoderDecoder(nn.Module):
    """
    Training and decoding, the same for both architectures. Each of them has its own

        encode(source, source_lengths) -> memory                            the encoder's output
        init_decoder_state(memory, K) -> state                              before the first word
        decode(tokens, memory, state) -> decoder outputs, attention weights, state
        output                                                              the output layer
    """

    def forward(self, source, source_lengths, target_in):
        """source (B, S), source_lengths (B,), target_in (B, T) from <bos> on -> logits (B, T, V)."""
        memory = self.encode(source, source_lengths)
        outputs, *_ = self.decode(target_in, memory, self.init_decoder_state(memory, 1))        # (B, T, D)
        return self.output(outputs)                                                             # (B, T, V)

    def loss(self, source, source_lengths, target_in, target_out, label_smoothing=0.0, sampled_words=0):
        """The mean cross entropy of a target word in nats: with label smoothing, and without it."""
        memory = self.encode(source, source_lengths)
        state = self.init_decoder_state(memory, 1)
        return self.loss_from(memory, state, target_in, target_out, label_smoothing, sampled_words)[:2]

    def loss_from(self, memory, state, target_in, target_out, label_smoothing=0.0, sampled_words=0):
        """
        The same for target words (B, T) that follow a decoder state; also returns the state after them.
        Padding never reaches the output layer, where most of the time goes. In training, with sampled_words,
        softmax runs over the words of the batch and so many random others instead of the whole vocabulary
        (sampled softmax, after Jean et al. 2015, who take the words of a part of the corpus).
        """
        outputs, _, state = self.decode(target_in, memory, state)                       # (B, T, D)
        is_word = target_out != PAD                                                     # (B, T)
        targets = target_out[is_word]                                                   # (N,)
        weight, bias = self.output.weight, self.output.bias                             # (V, D), (V,)
        if sampled_words and self.training:
            N, V, n_distinct = len(targets), len(weight), len(targets.unique())
            negatives = torch.randint(V, (sampled_words,), device=targets.device)
            words, targets = torch.cat([targets, negatives]).unique(return_inverse=True)    # (v,), (N + ...,)
            targets, is_negative = targets[:N], torch.ones(len(words), device=targets.device)
            is_negative[targets] = 0
            # importance correction: each negative stands for as many words as were not sampled
            correction = math.log((V - n_distinct) / max(1, is_negative.sum()))
            weight, bias = weight[words], bias[words] + is_negative * correction        # (v, D), (v,)
        return *LinearCrossEntropy.apply(outputs[is_word], weight, bias, targets, label_smoothing), state

    def decode_step(self, tokens, state, memory):
        """
        One word further. tokens (R,) are the last words of the hypotheses, the K of each sentence side by
        side. Returns logits (R, V), the new state, and the attention weights (R, S).
        """
        outputs, weights, state = self.decode(tokens[:, None], memory, state)           # (R, 1, D), (B, K, S)
        return self.output(outputs[:, 0]), state, weights.flatten(0, 1)                 # (R, V), ..., (R, S)

# -----------------------------------------------------------------------------
# the recurrent model

class EncoderOutput(NamedTuple):
    """What the encoder gives to the decoder; the first dimension of each tensor is the sentence."""
    outputs: torch.Tensor       # (B, S, H)     the encoder's h at each source word
    keys: torch.Tensor          # (B, S, H)     the same, projected once for all steps of attention
    padding_mask: torch.Tensor  # (B, S)        true on words, false on padding
    final_state: torch.Tensor   # (B, N, L, H)  the encoder's last states, the decoder's first

class RecurrentSeq2Seq(EncoderDecoder):

    def __init__(self, config):
        super().__init__()
        self.config = config
        E, H = config.n_embd, config.n_hidden
        has_attention, bahdanau_style = config.attention != 'none', config.attention == 'additive'
        D = E if config.tied else H
        self.source_embedding = nn.Embedding(config.source_vocab, E, padding_idx=PAD)
        self.target_embedding = nn.Embedding(config.target_vocab, E, padding_idx=PAD)
        # two directions of H / 2: side by side they are as large as the decoder's state, and become it
        self.encoder = self.build_rnn(E, H // 2 if config.bidirectional else H, config.bidirectional)
        self.decoder = self.build_rnn(E + H * bahdanau_style + D * config.input_feeding, H)
        if config.attention in ('general', 'additive'):
            self.key = nn.Linear(H, H, bias=False)                                      # W_a, U_a
        if bahdanau_style:
            self.query, self.score = nn.Linear(H, H), nn.Linear(H, 1, bias=False)       # W_a, v_a
        if has_attention or config.tied:
            self.combine = nn.Linear(H + H * has_attention, D, bias=False)              # W_c
        self.output = nn.Linear(D, config.target_vocab)
        if config.tied:
            self.output.weight = self.target_embedding.weight       # Press & Wolf 2017
        self.dropout = VariationalDropout(config.dropout)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)              # Luong et al. 2015, section 4.1

    def build_rnn(self, n_input, n_hidden, bidirectional=False):
        """A network of the config's cell: torch's, or the one written by hand."""
        cell, L = self.config.cell, self.config.n_layer
        options = dict(dropout=self.config.dropout if L > 1 else 0.0, bidirectional=bidirectional)
        if self.config.scratch or cell not in TORCH_CELLS:
            return ScratchRNN(cell, n_input, n_hidden, L, manual=self.config.manual_backward, **options)
        return TORCH_CELLS[cell](n_input, n_hidden, L, batch_first=True, **options)

    def run_rnn(self, rnn, x, state=None, lengths=None):
        """x (B, S, I) -> h at every step (B, S, H) and the N final states (L * D, B, H)."""
        S = x.shape[1]
        if lengths is not None and lengths.min() == S:          # no padding: torch is faster without lengths
            lengths = None
        if isinstance(rnn, ScratchRNN):
            return rnn(x, state, lengths)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        if state is not None and not isinstance(rnn, nn.LSTM):
            state, = state                                      # torch's other cells have one state, no tuple
        outputs, state = rnn(x, state)
        if lengths is not None:
            outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=S)
        return outputs, state if isinstance(rnn, nn.LSTM) else (state,)

    def encode(self, source, source_lengths):
        """source (B, S) padded, source_lengths (B,) on the CPU -> EncoderOutput."""
        x = self.dropout(self.source_embedding(source))                                 # (B, S, E)
        if self.config.reverse_source:                          # but <eos> and padding stay where they are
            x = reverse_padded(x, source_lengths - 1)
        outputs, state = self.run_rnn(self.encoder, x, lengths=source_lengths)          # (B, S, H)
        if self.config.reverse_source:                          # and back, for attention
            outputs = reverse_padded(outputs, source_lengths - 1)
        state = torch.stack(state).unflatten(1, (self.config.n_layer, -1))              # (N, L, D, B, H / D)
        state = state.permute(3, 0, 1, 2, 4).flatten(3)                                 # (B, N, L, H)
        keys = self.key(outputs) if hasattr(self, 'key') else outputs                   # (B, S, H)
        return EncoderOutput(outputs, keys, padding_mask(source, source_lengths), state)

    def attend(self, h, memory):
        """
        Attention. h (B, Q, H) are the decoder's states at Q steps of the target, or of Q hypotheses. Each
        source word s_j gets a score, softmax turns the scores into weights, and the context vector is the
        weighted mean of the encoder's outputs:

            dot       score(h, s_j) = h . s_j                               Luong et al. 2015, eq. 7
            general   score(h, s_j) = h . W_a s_j
            additive  score(h, s_j) = v_a . tanh(W_a h + U_a s_j)           Bahdanau et al. 2015, A.1.2

        Returns context (B, Q, H) and weights (B, Q, S), which are zero on padding; None and zeros where the
        model has no attention.
        """
        kind = self.config.attention
        if kind == 'none':
            return None, h.new_zeros(*h.shape[:2], memory.padding_mask.shape[1])
        if kind == 'additive':
            both = self.query(h)[:, :, None] + memory.keys[:, None]                     # (B, Q, S, H)
            scores = self.score(torch.tanh(both)).squeeze(-1)                           # (B, Q, S)
        elif kind in ('dot', 'general'):
            scores = h @ memory.keys.transpose(1, 2)                                    # (B, Q, S)
        else:
            raise NotImplementedError(f'--attention={kind}: its scores belong here')
        scores = scores.masked_fill(~memory.padding_mask[:, None], float('-inf'))
        weights = scores.softmax(dim=-1)                                                # (B, Q, S)
        context = weights.to(memory.outputs.dtype) @ memory.outputs                     # (B, Q, H)
        return context, weights

    def attentional_hidden_state(self, h, context):
        """
        What the output layer sees: tanh(W_c [context; h]) (Luong et al. 2015, eq. 5), where Bahdanau et al.
        take the maximum of two such values (A.2.2). Without attention and without tying it is h.
        """
        if not hasattr(self, 'combine'):
            return h
        return torch.tanh(self.combine(h if context is None else torch.cat([context, h], dim=-1)))

    def decode_segment(self, x, state, memory, dropout_mask):
        """
        T steps in one call, T = 1 where a step needs the attention of the one before: Bahdanau attends with
        the previous state and feeds the context into the cell; Luong attends with the new state, and with
        input feeding the attentional hidden state goes into the next step.

        x (R, T, E), dropout_mask of h (R, 1, H) -> outputs (R, T, D), weights (B, K * T, S), the state.
        """
        (R, T, _), B, H = x.shape, len(memory.padding_mask), self.config.n_hidden
        bahdanau_style = self.config.attention == 'additive'
        if bahdanau_style:
            h = state['cell'][:, 0, -1:] * dropout_mask                                 # (R, 1, H)
            context, weights = self.attend(h.view(B, -1, H), memory)                    # (B, K, H), (B, K, S)
            x = torch.cat([x, context.view(R, 1, H)], dim=-1)                           # (R, 1, E + H)
        if self.config.input_feeding:
            x = torch.cat([x, state['input_feed']], dim=-1)                             # (R, 1, E + D)
        cell_state = tuple(s.contiguous() for s in state['cell'].permute(1, 2, 0, 3))   # N of (L, R, H)
        h, cell_state = self.run_rnn(self.decoder, x, cell_state)                       # (R, T, H)
        h = (h * dropout_mask).view(B, -1, H)                                           # (B, K * T, H)
        if not bahdanau_style:
            context, weights = self.attend(h, memory)                       # (B, K * T, H), (B, K * T, S)
        outputs = self.attentional_hidden_state(h, context).view(R, T, -1)              # (R, T, D)
        state = {'cell': torch.stack(cell_state).permute(2, 0, 1, 3)}                   # (R, N, L, H)
        if self.config.input_feeding:
            state['input_feed'] = outputs
        return outputs, weights, state

    def decode(self, tokens, memory, state):
        """
        Teacher forcing: the decoder sees the true previous word at each step, tokens (R, T). All steps run in
        one call unless a step needs the attention of the one before. Returns outputs (R, T, D), attention
        weights (B, K * T, S) and the state after the last step.
        """
        x = self.dropout(self.target_embedding(tokens))                                 # (R, T, E)
        dropout_mask = self.dropout(x.new_ones(len(x), 1, self.config.n_hidden))        # (R, 1, H)
        step_by_step = self.config.input_feeding or self.config.attention == 'additive'
        outputs, weights = [], []
        for segment in x.split(1 if step_by_step else x.shape[1], dim=1):
            output, weight, state = self.decode_segment(segment, state, memory, dropout_mask)
            outputs.append(output), weights.append(weight)
        outputs, weights = torch.cat(outputs, dim=1), torch.cat(weights, dim=1)     # (R, T, D), (B, K * T, S)
        return self.dropout(outputs), weights, state

    def init_decoder_state(self, memory, K):
        """The state before the first word. Its rows are hypotheses, the K of each sentence side by side."""
        state = {'cell': memory.final_state.repeat_interleave(K, 0)}                    # (R, N, L, H)
        if self.config.input_feeding:
            state['input_feed'] = state['cell'].new_zeros(len(state['cell']), 1, self.output.in_features)
        return state

# -----------------------------------------------------------------------------
# the Transformer

def positional_encoding(positions, E):
    """
    Positions (S,) -> (S, E): PE(pos, 2i) = sin(pos / 10000^(2i / E)), PE(pos, 2i + 1) = cos(the same)
    (Vaswani et al. 2017, section 3.5).
    """
    exponents = torch.arange(0, E, 2, device=positions.device) * (-math.log(10000) / E)     # (E / 2,)
    angles = positions[:, None] * torch.exp(exponents)                                  # (S, E / 2)
    return torch.stack([torch.sin(angles), torch.cos(angles)], dim=-1).flatten(1)       # (S, E)

class MultiHeadAttention(nn.Module):
    """softmax(Q K^T / sqrt(d_k)) V in several heads (Vaswani et al. 2017, eq. 1 and section 3.2.2)."""

    def __init__(self, E, n_head):
        super().__init__()
        self.n_head = n_head
        self.query, self.key, self.value, self.out = (nn.Linear(E, E) for _ in range(4))

    def split_heads(self, x):
        return x.unflatten(-1, (self.n_head, -1)).transpose(1, 2)                       # (B, n_head, S, d_k)

    def project_keys_values(self, x):
        """x (B, S, E) -> keys and values, (B, n_head, S, d_k) each, d_k = E / n_head."""
        return self.split_heads(self.key(x)), self.split_heads(self.value(x))

    def forward(self, x, keys, values, mask=None, causal=False):
        """Queries from x (B, Q, E); mask (B, S), true on words; causal: no query sees a later position."""
        mask = None if mask is None else mask[:, None, None]                            # (B, 1, 1, S)
        queries = self.split_heads(self.query(x))                                       # (B, n_head, Q, d_k)
        context = F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
        return self.out(context.transpose(1, 2).flatten(2))                             # (B, Q, E)

    @torch.no_grad()
    def attention_weights(self, x, keys, mask):
        """The weights alone, of each head, for pictures and unknown words: (B, n_head, Q, S)."""
        scores = self.split_heads(self.query(x)) @ keys.transpose(2, 3) / keys.shape[-1] ** 0.5
        return scores.masked_fill(~mask[:, None, None], float('-inf')).softmax(dim=-1)

class Block(nn.Module):
    """
    A layer of the encoder or the decoder: self-attention, in the decoder cross-attention too, and a
    feed-forward network, each as x + f(norm(x)) (pre-norm: Xiong et al. 2020).
    """

    def __init__(self, E, n_hidden, n_head, dropout, is_decoder):
        super().__init__()
        self.self_attn_norm, self.self_attn = nn.LayerNorm(E), MultiHeadAttention(E, n_head)
        if is_decoder:
            self.cross_attn_norm, self.cross_attn = nn.LayerNorm(E), MultiHeadAttention(E, n_head)
        self.ffn_norm = nn.LayerNorm(E)
        self.ffn = nn.Sequential(nn.Linear(E, n_hidden), nn.ReLU(), nn.Linear(n_hidden, E))     # eq. 2
        self.dropout = VariationalDropout(dropout)

    def self_attention(self, x, cache=None, mask=None, causal=False):
        """x (B, S, E) attends to itself and to a cache; also returns its keys and values with the cache's."""
        normed = self.self_attn_norm(x)
        keys, values = self.self_attn.project_keys_values(normed)                       # (B, n_head, S, d_k)
        if cache is not None:
            keys, values = (torch.cat(both, dim=2) for both in zip(cache, (keys, values)))
        return x + self.dropout(self.self_attn(normed, keys, values, mask, causal)), keys, values

    def cross_attention(self, x, keys, values, mask):
        """
        x (R, T, E), the hypotheses of a sentence side by side, attends to the source. Also returns a function
        for the weights (B, K * T, S), the mean over the heads, which training does not need.
        """
        normed = self.cross_attn_norm(x).view(len(mask), -1, x.shape[-1])               # (B, K * T, E)
        context = self.cross_attn(normed, keys, values, mask).view(x.shape)             # (R, T, E)
        def weights():
            return self.cross_attn.attention_weights(normed, keys, mask).mean(dim=1)
        return x + self.dropout(context), weights

    def feed_forward(self, x):
        return x + self.dropout(self.ffn(self.ffn_norm(x)))

class TransformerEncoderOutput(NamedTuple):
    """What the encoder gives to the decoder: keys and values for each of the decoder's layers."""
    keys: torch.Tensor          # (B, L, n_head, S, d_k)
    values: torch.Tensor        # (B, L, n_head, S, d_k)
    padding_mask: torch.Tensor  # (B, S) true on words, false on padding

class Transformer(EncoderDecoder):

    def __init__(self, config):
        super().__init__()
        self.config, E = config, config.n_embd
        sizes = E, config.n_hidden, config.n_head, config.dropout
        self.source_embedding = nn.Embedding(config.source_vocab, E, padding_idx=PAD)
        self.target_embedding = nn.Embedding(config.target_vocab, E, padding_idx=PAD)
        self.encoder = nn.ModuleList(Block(*sizes, is_decoder=False) for _ in range(config.n_layer))
        self.decoder = nn.ModuleList(Block(*sizes, is_decoder=True) for _ in range(config.n_layer))
        self.norm_source, self.norm_target = nn.LayerNorm(E), nn.LayerNorm(E)
        self.output = nn.Linear(E, config.target_vocab)
        if config.tied:
            self.output.weight = self.target_embedding.weight       # Press & Wolf 2017
        self.dropout = VariationalDropout(config.dropout)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and 'embedding' not in name and 'output' not in name:
                nn.init.xavier_uniform_(parameter)
            elif parameter.dim() > 1:               # times sqrt(E), words are as large as their positions;
                std = 1.0 if name.startswith('source') else 0.6         # 0.6: the first loss is near ln V
                nn.init.normal_(parameter, std=std * E ** -0.5)
            elif name.endswith('bias'):
                nn.init.zeros_(parameter)

    def embed(self, embedding, tokens, begin=0):
        """tokens (B, S) at the positions from `begin` on -> (B, S, E): embedding and positional encoding."""
        E, positions = self.config.n_embd, torch.arange(begin, begin + tokens.shape[1], device=tokens.device)
        encoding = positional_encoding(positions, E).to(embedding.weight.dtype)         # (S, E)
        return self.dropout(embedding(tokens) * E ** 0.5 + encoding)                    # (B, S, E)

    def encode(self, source, source_lengths):
        """source (B, S) padded, source_lengths (B,) -> TransformerEncoderOutput."""
        mask = padding_mask(source, source_lengths)                                     # (B, S)
        x = self.embed(self.source_embedding, source)                                   # (B, S, E)
        for block in self.encoder:
            x, *_ = block.self_attention(x, mask=mask)
            x = block.feed_forward(x)
        x = self.norm_source(x)                                                         # (B, S, E)
        pairs = [block.cross_attn.project_keys_values(x) for block in self.decoder]
        keys, values = (torch.stack(each, dim=1) for each in zip(*pairs))           # (B, L, n_head, S, d_k)
        return TransformerEncoderOutput(keys, values, mask)

    def decode(self, tokens, memory, state):
        """
        Teacher forcing with tokens (R, T) from the first on, none of which sees a later one; or one more
        token, T = 1, after those whose keys and values the state has cached. Returns outputs (R, T, E), the
        last layer's attention weights (B, K * T, S), None in training, and the state.
        """
        x = self.embed(self.target_embedding, tokens, state['keys'].shape[3])           # (R, T, E)
        cache = []
        for n, block in enumerate(self.decoder):
            past = state['keys'][:, n], state['values'][:, n]                           # (R, n_head, t, d_k)
            x, *keys_values = block.self_attention(x, past, causal=tokens.shape[1] > 1)
            x, weights = block.cross_attention(x, memory.keys[:, n], memory.values[:, n], memory.padding_mask)
            x = block.feed_forward(x)
            cache.append(keys_values)
        keys, values = (torch.stack(each, dim=1) for each in zip(*cache))       # (R, L, n_head, t + T, d_k)
        weights = None if self.training else weights()
        return self.norm_target(x), weights, {'keys': keys, 'values': values}

    def init_decoder_state(self, memory, K):
        """An empty cache of keys and values, for the K hypotheses of each sentence side by side."""
        empty = memory.keys[..., :0, :].repeat_interleave(K, 0)                     # (R, L, n_head, 0, d_k)
        return {'keys': empty, 'values': empty}

def build(config):
    """The model that a Config describes, with its initial weights."""
    return {'seq2seq': RecurrentSeq2Seq, 'transformer': Transformer}[config.arch](config)

# -----------------------------------------------------------------------------
# where it runs

def choose_device(device):
    """'auto' -> cuda, mps or cpu, the first that is available."""
    if device == 'auto':
        mps = torch.backends.mps.is_available()
        device = 'cuda' if torch.cuda.is_available() else 'mps' if mps else 'cpu'
    with contextlib.suppress(RuntimeError, AssertionError):
        torch.empty(1, device=device).zero_()
        if torch.device(device).type in ('cpu', 'cuda', 'mps'):
            # flash attention is for long texts: on a CPU, with sentences, a third of a step was its backward
            torch.backends.cuda.enable_flash_sdp(device != 'cpu')
            return device
    fail(f'--device={device} is not available: leave it out, or take cpu, cuda or mps')

def has_bfloat16():
    """Whether oneDNN, which runs torch's LSTM in bfloat16 on a CPU, supports this processor."""
    return not torch.backends.mkldnn.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported()

def choose_dtype(dtype, device):
    """'auto' -> bfloat16 where the hardware multiplies in it: GPUs since Ampere, CPUs with avx512_bf16."""
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
    if dtype == 'bfloat16' and device == 'cpu' and not has_bfloat16():
        fail('--dtype=bfloat16 needs a processor with avx512, or a GPU: leave it out or take float32')
    return getattr(torch, dtype)

def autocast(device, dtype):
    """A context in which matrix products run in `dtype`; weights, sums and the loss stay float32."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.split(':')[0], dtype)

def out_of_memory(error):
    """Whether an error of Python or torch means that, on a GPU or on a CPU."""
    return isinstance(error, MemoryError) or any(
        words in str(error)
        for words in ('out of memory', 'allocate memory', 'not enough memory', 'bad_alloc'))

def keep_freed_memory():
    """
    glibc returns the memory of large tensors to the system, which zeroes each page before it gives it out
    again: a seventh of a step on a CPU. After this call the process keeps it. Other systems have no mallopt.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)              # M_MMAP_MAX: large blocks come from the heap like small ones ...
        mallopt(-1, -1)             # M_TRIM_THRESHOLD: ... which does not shrink ...
        mallopt(-2, 1 << 26)        # M_TOP_PAD: ... nor do those of other threads
