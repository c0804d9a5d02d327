"""
The models: an encoder reads the source sentence, a decoder writes the target sentence a word at a time, and
attention lets it look back at every source word while it writes. There is a recurrent one, with torch's cells
or with ours, and a Transformer.

Nothing to launch: train.py makes the model, sample.py decodes with it. In the shape comments, where no
docstring says otherwise:

    B  sentences in the batch      S  source length       E  embedding size     V  target vocabulary
    K  beams of a sentence         T  target length       H  hidden size        L  layers
    R  = B * K, hypotheses         D  size of what the output layer sees: E if tied, else H
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
    manual_backward: bool = False   # and the LSTM's way back through time too
    attention: str = 'dot'          # none | dot | general | additive
    input_feeding: bool = False     # the attentional vector goes into the next step
    bidirectional: bool = True      # the encoder reads both ways, with half of n_hidden each
    reverse_source: bool = False    # the encoder reads the last word first
    tied: bool = True               # the output layer's vector of a word is its embedding
    n_layer: int = 1
    n_embd: int = 256               # also the Transformer's width
    n_hidden: int = 384             # of the cell, or within the Transformer's feed-forward layers
    n_head: int = 4                 # of the Transformer's attention
    dropout: float = 0.3

    def __post_init__(self):
        for name, known in {'arch': ['seq2seq', 'transformer'], 'cell': list(CELLS),
                            'attention': ['none', 'dot', 'general', 'additive']}.items():
            if getattr(self, name) not in known:
                fail(f'--{name} takes {", ".join(known)}, not {getattr(self, name)!r}')
        if min(self.n_layer, self.n_embd, self.n_hidden, self.n_head) < 1 or not 0 <= self.dropout < 1:
            fail('--n_layer, --n_embd, --n_hidden, --n_head are at least 1, --dropout is from 0 to below 1')
        if self.arch == 'transformer' and self.n_embd % (2 * self.n_head):
            fail(f'--n_embd={self.n_embd} cannot be shared out to --n_head={self.n_head} heads of even size')
        recurrent = ('cell', 'scratch', 'manual_backward', 'attention', 'input_feeding', 'bidirectional',
                     'reverse_source')
        given = [f'--{name}' for name in recurrent if getattr(self, name) != getattr(Config, name)]
        if self.arch == 'transformer' and given:
            fail(f'{", ".join(given)}: not with --arch=transformer')
        if self.manual_backward and not (self.scratch and self.cell == 'lstm'):
            fail('--manual_backward is for --scratch and --cell=lstm')
        if self.arch == 'seq2seq' and self.bidirectional and self.n_hidden % 2:
            fail(f'--n_hidden={self.n_hidden} cannot be halved for the two directions: take an even one')
        if self.input_feeding and self.attention in ('none', 'additive'):
            fail('--input_feeding is for --attention=dot or general: with none there is no attention, and '
                 'additive has its context in the input already')

# -----------------------------------------------------------------------------
# the cells, written out: one step each, from x's part of the gates (B, G * H), where G is their number,
# computed for all steps beforehand, the state's part, a function of h to the same shape, and the state

def rnn_step(x, recur, h):
    """Elman 1990: the new state is what was seen and what was there before, squashed."""
    return (torch.tanh(x + recur(h)),)                                                  # (B, H)

def gru_step(x, recur, h):
    """Cho et al. 2014, with the reset gate r after the product, as in cuDNN and torch."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, dim=-1), recur(h).chunk(3, dim=-1)    # (B, H) each
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)                               # what could be new; r lets some of the old in
    return (n + z * (h - n),)                                   # (1 - z) n + z h: z keeps the old

def lstm_step(x, recur, h, c):
    """Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""
    i, f, g, o = (x + recur(h)).chunk(4, dim=-1)                                        # (B, H) each
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()                # forget some of the old, add some of the new
    return o.sigmoid() * c.tanh(), c                            # and show some of it

CELLS = {'rnn': (rnn_step, 1, 1), 'gru': (gru_step, 3, 1), 'lstm': (lstm_step, 4, 2)}   # step, G, N

class LSTMFunction(torch.autograd.Function):
    """
    lstm_step() over all steps, and its way back by hand. What a step computes, c' = f c + i g and
    h' = o tanh(c'), turns the loss's gradients dh' and dc' into

        dc' += dh' o (1 - tanh(c')^2)           through h', where c' is seen
        di = dc' g i (1 - i)                    the derivative of the sigmoid s is s (1 - s), ...
        df = dc' c f (1 - f)
        dg = dc' i (1 - g^2)                    ... that of tanh 1 - tanh^2: these are of what was squashed
        do = dh' tanh(c') o (1 - o)
        dc = dc' f,  dh = [di df dg do] W       for the step before

    All but dh' and dc' is known beforehand, for all steps at once; so is the gradient of W afterwards.
    """

    @staticmethod
    def forward(ctx, inputs, W, h, c):
        """inputs (S, B, 4H), W (4H, H), h and c (B, H) -> h and c after each step, (S, B, H) each."""
        (S, B, _), H, W = inputs.shape, W.shape[1], W.to(inputs.dtype)
        gates, tanh_c = torch.empty_like(inputs), inputs.new_empty(S, B, H)
        hs, cs = inputs.new_empty(2, S + 1, B, H)               # between the steps, both ends included
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
        through_sigmoid, through_tanh = (getattr(torch.ops.aten, name).grad_input
                                         for name in ('sigmoid_backward', 'tanh_backward'))
        through_sigmoid(g, i, grad_input=di)                                            # g i (1 - i)
        through_sigmoid(cs[:-1], f, grad_input=df)                                      # c f (1 - f)
        through_tanh(i, g, grad_input=dg)                                               # i (1 - g^2)
        through_sigmoid(tanh_c, o, grad_input=do)                                       # tanh(c') o (1 - o)
        to_c = torch.ops.aten.tanh_backward(o, tanh_c)                                  # o (1 - tanh(c')^2)
        dh, dc = torch.zeros_like(hs[:2])                                               # (B, H) each
        for t in reversed(range(len(d))):
            dh = dh + d_hs[t]
            dc.add_(d_cs[t]).addcmul_(dh, to_c[t])
            by_gate = d[t].unflatten(-1, (4, -1))                                       # (B, 4, H)
            by_gate[:, :3].mul_(dc[:, None]), by_gate[:, 3].mul_(dh)
            dc.mul_(f[t])
            dh = d[t] @ W
        return d, d.flatten(0, 1).t() @ hs[:-1].flatten(0, 1), dh, dc                   # W's: (4H, H)

def padding_mask(x, lengths):
    """x (B, S, ...), lengths (B,) -> (B, S), true where there is a word, false on padding."""
    return torch.arange(x.shape[1], device=x.device) < lengths.to(x.device)[:, None]

def reverse_padded(x, lengths):
    """x (B, S, ·), each sentence from its last word to its first, the padding still behind it."""
    B, S, _ = x.shape
    steps, last = torch.arange(S, device=x.device), lengths.to(x.device)[:, None] - 1
    places = torch.where(steps <= last, last - steps, steps)                            # (B, S)
    places = places + S * torch.arange(B, device=x.device)[:, None]
    return x.flatten(0, 1).index_select(0, places.flatten()).view(x.shape)

class ScratchRNN(nn.Module):
    """
    A recurrent network by hand, of any depth, in one direction or two. Its parameters have the names and the
    shapes of torch's nn.RNN, nn.GRU and nn.LSTM, so that a checkpoint of either loads into the other. In the
    shapes below D is its number of directions.
    """

    def __init__(self, cell, n_input, n_hidden, n_layer=1, dropout=0.0, bidirectional=False, manual=False):
        super().__init__()
        self.step, gates, self.n_states = CELLS[cell]
        self.manual = manual                                    # with LSTMFunction
        self.n_hidden, self.n_layer, self.dropout = n_hidden, n_layer, dropout
        self.directions = ['', '_reverse'] if bidirectional else ['']
        for layer in range(n_layer):
            n_in = n_input if layer == 0 else n_hidden * len(self.directions)
            for direction in self.directions:
                high = gates * n_hidden                         # the gates, one below the other
                for name, shape in {'weight_ih': (high, n_in), 'weight_hh': (high, n_hidden),
                                    'bias_ih': (high,), 'bias_hh': (high,)}.items():
                    weight = nn.Parameter(torch.empty(shape).uniform_(-n_hidden ** -0.5, n_hidden ** -0.5))
                    self.register_parameter(f'{name}_l{layer}{direction}', weight)

    def forward(self, x, state=None, lengths=None):
        """
        x (B, S, I); state: N tensors (L * D, B, H), None for zeros; lengths (B,), None where nothing is
        padding. Returns the last layer's h at every step (B, S, D * H), zero on padding, and the state after
        the last step of each sentence.
        """
        (B, S, _), H, final = x.shape, self.n_hidden, []
        lengths = torch.full((B,), S) if lengths is None else lengths
        live, ends = padding_mask(x, lengths)[:, :, None], lengths.to(x.device)[:, None, None] - 1
        for layer in range(self.n_layer):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in self.directions:           # padding is last either way: no step hears of it
                inputs, nothing = reverse_padded(x, lengths) if direction else x, x.new_zeros(self.n_states, B, H)
                before = [s[len(final)] for s in state] if state else nothing           # (B, H) each
                every = self.run(inputs, before, f'_l{layer}{direction}')               # (B, S, H) each
                final.append([s.take_along_dim(ends, 1)[:, 0] for s in every])          # (B, H) each
                outputs.append(reverse_padded(every[0], lengths) if direction else every[0])
            x = torch.cat(outputs, dim=-1) * live                                       # (B, S, D * H)
        return x, tuple(torch.stack(states) for states in zip(*final))                  # (L * D, B, H) each

    def run(self, x, state, end):
        """One layer in one direction: the loop over time around the equations of a step."""
        W_ih, W_hh, b_ih, b_hh = (getattr(self, name + end)
                                  for name in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'))
        if self.manual:
            inputs = F.linear(x.transpose(0, 1), W_ih, b_ih + b_hh)                     # (S, B, 4H)
            every = LSTMFunction.apply(inputs, W_hh, *state)                         # (S, B, H) each
            return [states.transpose(0, 1) for states in every]                         # (B, S, H) each
        def recur(h):
            return F.linear(h, W_hh, b_hh)                                              # (B, G * H)
        every = []
        for inputs in F.linear(x, W_ih, b_ih).unbind(1):        # x's part of the gates: S times (B, G * H)
            state = self.step(inputs, recur, *state)                                    # (B, H) each
            every.append(state)
        return [torch.stack(states, dim=1) for states in zip(*every)]                   # (B, S, H) each

# -----------------------------------------------------------------------------
# the output layer and its loss

class LinearCrossEntropy(torch.autograd.Function):
    """
    Linear layer, softmax and cross entropy in one, a slice of the words at a time: the logits of a whole
    batch, by far the largest tensor of all, never stand in memory. In training the gradient is wanted
    whenever the loss is, so it is worked out on the way forward, while a slice is still in the cache.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, targets, smoothing):
        """x (N, D), weight (V, D), bias (V,), targets (N,) -> the mean smoothed loss, the mean plain loss."""
        N, V, device = len(x), len(weight), x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        size, x, low_weight = 512 if device == 'cpu' else 4096, x.to(dtype), weight.to(dtype)
        dx, dweight, dbias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(bias)
        plain = uniform = 0.0
        for rows in (slice(i, i + size) for i in range(0, N, size)):
            logits = x[rows] @ low_weight.T                                         # (n, V)
            logits = logits.to(torch.promote_types(dtype, torch.float32)).add_(bias)
            probs, target = logits.softmax(dim=1), targets[rows, None]              # (n, V), (n, 1)
            log_z = logits.amax(dim=1, keepdim=True) - probs.amax(dim=1, keepdim=True).log()
            plain += (log_z - logits.gather(1, target)).sum()                       # - log p of the target
            uniform += (log_z - logits.mean(dim=1, keepdim=True)).sum()             # its mean over all words
            if not ctx.needs_input_grad[0]:             # in validation
                continue
            # N d loss / d logits is what was predicted less what was wanted: p - (1 - s) onehot - s / V
            probs.sub_(smoothing / V).scatter_add_(1, target, torch.full_like(log_z, smoothing - 1))
            dlogits = probs.to(dtype)                                               # (n, V)
            dx[rows] = dlogits @ low_weight                                         # (n, D)
            dweight += dlogits.T @ x[rows]                                          # (V, D)
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
# what both architectures share

class VariationalDropout(nn.Dropout):
    """Dropout with one mask a sentence, the same at each of its words (Gal & Ghahramani 2016)."""

    def forward(self, x):
        if not self.training:
            return x
        return x * super().forward(torch.ones_like(x[:, :1]))                   # (B, T, E) * (B, 1, E)

class EncoderDecoder(nn.Module):
    """What every architecture does alike, given its teach() and its output layer."""

    def forward(self, source, source_lengths, target_in):
        """Logits of every next word (B, T, V); source (B, S), lengths (B,), target_in (B, T) from <bos>."""
        memory = self.encode(source, source_lengths)
        return self.output(self.decode(target_in, memory, self.init_decoder_state(memory, 1))[0])

    def loss(self, source, source_lengths, target_in, target_out, label_smoothing=0.0, sampled_words=0):
        """
        Cross entropy in nats, the mean over the target words, twice: with label smoothing to learn by,
        without it to look at.
        """
        memory = self.encode(source, source_lengths)
        return self.loss_from(memory, self.init_decoder_state(memory, 1), target_in, target_out, label_smoothing,
                              sampled_words)[:2]

    def loss_from(self, memory, state, target_in, target_out, label_smoothing=0.0, sampled_words=0):
        """
        The same for words (B, T) that follow on a state; also returns the state after them. Padding never
        reaches the output layer, where most of the time goes. With sampled_words, in training, the words of
        the batch compete with so many others, drawn anew each time, instead of with all (after Jean et al.
        2015, who take the words of a part of the corpus).
        """
        vectors, _, state = self.decode(target_in, memory, state)                        # (B, T, D)
        real = target_out != PAD                                                        # (B, T)
        targets, weight, bias = target_out[real], self.output.weight, self.output.bias  # (N,), (V, D), (V,)
        if sampled_words and self.training:
            N, V, n_wanted = len(targets), len(weight), len(targets.unique())
            rivals = torch.randint(V, (sampled_words,), device=targets.device)
            words, targets = torch.cat([targets, rivals]).unique(return_inverse=True)   # (v,), (N + sampled,)
            targets, drawn = targets[:N], torch.ones(len(words), device=targets.device)
            drawn[targets] = 0
            # each of the drawn stands for as many words as were not drawn
            weight, bias = weight[words], bias[words] + drawn * math.log((V - n_wanted) / max(1, drawn.sum()))
        return *LinearCrossEntropy.apply(vectors[real], weight, bias, targets, label_smoothing), state

    def decode_step(self, tokens, state, memory):
        """
        One word further; tokens (R,) are the last words of the hypotheses, the beams of a sentence side by
        side. Returns logits (R, V), the new state, and the attention's weights (R, S).
        """
        vectors, weights, state = self.decode(tokens[:, None], memory, state)            # (R, 1, D), (B, K, S)
        return self.output(vectors[:, 0]), state, weights.flatten(0, 1)

# -----------------------------------------------------------------------------
# the recurrent translator

class EncoderOutput(NamedTuple):
    """What the encoder hands over; every tensor has the sentence as its first dimension."""
    outputs: torch.Tensor       # (B, S, H)     the encoder's output at each source word
    keys: torch.Tensor          # (B, S, H)     the same, projected once for all queries of attention
    padding_mask: torch.Tensor  # (B, S)        true on words, false on padding
    final_state: torch.Tensor   # (B, N, L, H)  the encoder's last states, with which the decoder begins

class RecurrentSeq2Seq(EncoderDecoder):

    def __init__(self, config):
        super().__init__()
        self.config = config
        E, H, L = config.n_embd, config.n_hidden, config.n_layer
        attending, early = config.attention != 'none', config.attention == 'additive'
        def recurrent(n_input, n_hidden, bidirectional=False):
            how = dict(dropout=config.dropout if L > 1 else 0.0, bidirectional=bidirectional)
            if config.scratch:
                return ScratchRNN(config.cell, n_input, n_hidden, L, manual=config.manual_backward, **how)
            torchs = {'rnn': nn.RNN, 'gru': nn.GRU, 'lstm': nn.LSTM}[config.cell]
            return torchs(n_input, n_hidden, L, batch_first=True, **how)
        D = E if config.tied else H                     # size of what the output layer sees
        self.source_embedding = nn.Embedding(config.source_vocab, E, padding_idx=PAD)
        self.target_embedding = nn.Embedding(config.target_vocab, E, padding_idx=PAD)
        # two directions of half the size: side by side they are as large as the decoder's state and become it
        self.encoder = recurrent(E, H // 2 if config.bidirectional else H, config.bidirectional)
        self.decoder = recurrent(E + H * early + D * config.input_feeding, H)
        if config.attention in ('general', 'additive'):
            self.key = nn.Linear(H, H, bias=False)                                      # W_a, U_a
        if config.attention == 'additive':
            self.query, self.score = nn.Linear(H, H), nn.Linear(H, 1, bias=False)       # W_a, v_a
        if attending or config.tied:
            self.combine = nn.Linear(H + H * attending, D, bias=False)                  # W_c
        self.output = nn.Linear(D, config.target_vocab)
        if config.tied:
            self.output.weight = self.target_embedding.weight       # Press & Wolf 2017: one vector a word
        self.dropout = VariationalDropout(config.dropout)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)              # Luong et al. 2015, section 4.1

    def unpack_state(self, state):
        """(R, N, L, H) -> N tensors (L, R, H), as the networks take them."""
        return tuple(s.contiguous() for s in state.permute(1, 2, 0, 3))

    def unroll(self, network, x, state=None, lengths=None):
        """Ours or torch's network: x (B, S, I) -> h at every step (B, S, H) and N states (L * D, B, H)."""
        S = x.shape[1]
        if lengths is not None and lengths.min() == S:          # nothing is padding: torch is faster then
            lengths = None
        if self.config.scratch:
            return network(x, state, lengths)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        if state is not None and self.config.cell != 'lstm':
            state, = state
        every_h, state = network(x, state)
        if lengths is not None:
            every_h, _ = pad_packed_sequence(every_h, batch_first=True, total_length=S)
        return every_h, state if self.config.cell == 'lstm' else (state,)

    def encode(self, source, source_lengths):
        """source (B, S) padded, source_lengths (B,) on the CPU -> Memory."""
        x = self.dropout(self.source_embedding(source))                                 # (B, S, E)
        if self.config.reverse_source:                  # the words turn round, <eos> and padding stay
            x = reverse_padded(x, source_lengths - 1)
        values, state = self.unroll(self.encoder, x, lengths=source_lengths)            # (B, S, H)
        if self.config.reverse_source:                  # and back: attention finds a word at its place
            values = reverse_padded(values, source_lengths - 1)
        state = torch.stack(state).unflatten(1, (self.config.n_layer, -1))              # (N, L, D, B, H / D)
        state = state.permute(3, 0, 1, 2, 4).flatten(3)                                 # (B, N, L, H)
        keys = self.key(values) if hasattr(self, 'key') else values                     # (B, S, H)
        return EncoderOutput(values, keys, padding_mask(source, source_lengths), state)

    def attend(self, h, memory):
        """
        Attention: how well each source word answers the question h (B, Q, H), Q steps of the target or beams,
        as weights (B, Q, S) that sum to one, zero on padding, and before them the words' mean by them (B, Q,
        H). Where there is no attention, None and zeros.
        Luong et al. 2015, 3.1, eq. 7: dot h s; general h W s. Bahdanau et al. 2015, A.1.2: v tanh(W h + U s).
        """
        if self.config.attention == 'none':
            return None, h.new_zeros(*h.shape[:2], memory.padding_mask.shape[1])
        if self.config.attention == 'additive':
            both = self.query(h)[:, :, None] + memory.keys[:, None]                     # (B, Q, S, H)
            scores = self.score(torch.tanh(both)).squeeze(-1)                           # (B, Q, S)
        else:
            scores = h @ memory.keys.transpose(1, 2)                                    # (B, Q, S)
        weights = scores.masked_fill(~memory.padding_mask[:, None], float('-inf')).softmax(dim=-1)      # (B, Q, S)
        return weights.to(memory.outputs.dtype) @ memory.outputs, weights

    def attentional_hidden_state(self, h, context):
        """
        The vector that the output layer sees, tanh(W_c [context; h]) (Luong et al. 2015, eq. 5), where
        Bahdanau et al. take the greater of two such values; without attention and tying the state itself.
        """
        if not hasattr(self, 'combine'):
            return h
        return torch.tanh(self.combine(h if context is None else torch.cat([context, h], dim=-1)))

    def step(self, x, state, memory, keep):
        """
        Words x (R, T, E) further, one alone where it needs what attention finds: Bahdanau attends from the
        old state and feeds the context into the cell; Luong attends from the new one, and may feed in what
        came of it. keep (R, 1, H): dropout's mask of h. Returns vectors (R, T, D), weights (B, K * T, S) and
        the state.
        """
        (R, T, _), B, H = x.shape, len(memory.padding_mask), self.config.n_hidden
        early = self.config.attention == 'additive'
        if early:
            h = state['cell'][:, 0, -1:] * keep                                         # (R, 1, H)
            context, weights = self.attend(h.view(B, -1, H), memory)                      # (B, K, H)
            x = torch.cat([x, context.view(R, 1, H)], dim=-1)                           # (R, 1, E + H)
        if self.config.input_feeding:
            x = torch.cat([x, state['fed']], dim=-1)                                    # (R, 1, E + D)
        h, cell = self.unroll(self.decoder, x, self.unpack_state(state['cell']))            # (R, T, H)
        h = (h * keep).view(B, -1, H)                                                   # (B, K * T, H)
        if not early:
            context, weights = self.attend(h, memory)
        vectors = self.attentional_hidden_state(h, context).view(R, T, -1)                              # (R, T, D)
        state = {'cell': torch.stack(cell).permute(2, 0, 1, 3)}                         # (R, N, L, H)
        if self.config.input_feeding:
            state['fed'] = vectors
        return vectors, weights, state

    def decode(self, words, memory, state):
        """
        Teacher forcing: at each step the decoder is shown the true word before, words (R, T). All steps run
        at once, unless one needs what attention found in the one before. Returns vectors (R, T, D), weights
        (B, K * T, S), and the state after the last step.
        """
        x = self.dropout(self.target_embedding(words))                                  # (R, T, E)
        keep = self.dropout(x.new_ones(len(x), 1, self.config.n_hidden))                # (R, 1, H)
        alone, found = self.config.input_feeding or self.config.attention == 'additive', []
        for part in x.split(1 if alone else x.shape[1], dim=1):
            vectors, weights, state = self.step(part, state, memory, keep)
            found.append((vectors, weights))
        vectors, weights = (torch.cat(parts, dim=1) for parts in zip(*found))   # (R, T, D), (B, K * T, S)
        return self.dropout(vectors), weights, state

    def init_decoder_state(self, memory, beams):
        """The state before the first word. Its rows are hypotheses, the beams of a sentence side by side."""
        state = {'cell': memory.final_state.repeat_interleave(beams, 0)}                      # (R, N, L, H)
        if self.config.input_feeding:
            state['fed'] = state['cell'].new_zeros(len(state['cell']), 1, self.output.in_features)
        return state

# -----------------------------------------------------------------------------
# the Transformer

class Attention(nn.Module):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, eq. 1 and section 3.2.2)."""

    def __init__(self, E, n_head):
        super().__init__()
        self.n_head = n_head
        self.query, self.key, self.value, self.out = (nn.Linear(E, E) for _ in range(4))

    def heads(self, x):
        return x.unflatten(-1, (self.n_head, -1)).transpose(1, 2)                       # (B, n_head, S, ·)

    def offer(self, x):
        """What can be looked at: x (B, S, E) -> keys and values, each (B, n_head, S, E / n_head)."""
        return self.heads(self.key(x)), self.heads(self.value(x))

    def forward(self, x, keys, values, mask=None, causal=False):
        """x (B, Q, E) asks; mask (B, S), true where there is a word; causal: the future is not to be seen."""
        mask = None if mask is None else mask[:, None, None]                            # (B, 1, 1, S)
        queries = self.heads(self.query(x))                                             # (B, n_head, Q, ·)
        found = F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
        return self.out(found.transpose(1, 2).flatten(2))                               # (B, Q, E)

    @torch.no_grad()
    def by_head(self, x, keys, mask):
        """To look at: what each head attends to (B, n_head, Q, S)."""
        scores = self.heads(self.query(x)) @ keys.transpose(2, 3) / keys.shape[-1] ** 0.5
        return scores.masked_fill(~mask[:, None, None], float('-inf')).softmax(dim=-1)

class Block(nn.Module):
    """A layer of encoder or decoder: parts, each with its input normalised (Xiong et al. 2020) and added."""

    def __init__(self, E, n_hidden, n_head, dropout, decoder):
        super().__init__()
        self.norm_self, self.attend_self = nn.LayerNorm(E), Attention(E, n_head)
        if decoder:
            self.norm_source, self.attend_source = nn.LayerNorm(E), Attention(E, n_head)
        self.norm_feed = nn.LayerNorm(E)
        self.feed = nn.Sequential(nn.Linear(E, n_hidden), nn.ReLU(), nn.Linear(n_hidden, E))    # eq. 2
        self.dropout = VariationalDropout(dropout)

    def see_itself(self, x, past=None, mask=None, causal=False):
        """x (B, S, E) looks at itself and at its past, keys and values; returns these too, x's added."""
        normed = self.norm_self(x)
        keys, values = self.attend_self.offer(normed)                                   # (B, n_head, S, ·)
        if past is not None:
            keys, values = (torch.cat(both, dim=2) for both in zip(past, (keys, values)))
        return x + self.dropout(self.attend_self(normed, keys, values, mask, causal)), keys, values

    def see_source(self, x, keys, values, mask):
        """x (R, T, E), the rows of a sentence side by side, looks at the source; also returns the weights."""
        normed = self.norm_source(x).view(len(mask), -1, x.shape[-1])                   # (B, K * T, E)
        found = self.attend_source(normed, keys, values, mask).view(x.shape)            # (R, T, E)
        return x + self.dropout(found), lambda: self.attend_source.by_head(normed, keys, mask).mean(dim=1)

    def think(self, x):
        return x + self.dropout(self.feed(self.norm_feed(x)))

class TransformerEncoderOutput(NamedTuple):
    """What the encoder hands over: the keys and values for each layer of the decoder."""
    keys: torch.Tensor          # (B, L, n_head, S, E / n_head)
    values: torch.Tensor        # (B, L, n_head, S, E / n_head)
    padding_mask: torch.Tensor  # (B, S) true on words, false on padding

class Transformer(EncoderDecoder):

    def __init__(self, config):
        super().__init__()
        self.config, E = config, config.n_embd
        sizes = E, config.n_hidden, config.n_head, config.dropout
        self.source_embedding = nn.Embedding(config.source_vocab, E, padding_idx=PAD)
        self.target_embedding = nn.Embedding(config.target_vocab, E, padding_idx=PAD)
        self.encoder = nn.ModuleList(Block(*sizes, decoder=False) for _ in range(config.n_layer))
        self.decoder = nn.ModuleList(Block(*sizes, decoder=True) for _ in range(config.n_layer))
        self.norm_source, self.norm_target = nn.LayerNorm(E), nn.LayerNorm(E)
        self.output = nn.Linear(E, config.target_vocab)
        if config.tied:
            self.output.weight = self.target_embedding.weight
        self.dropout = VariationalDropout(config.dropout)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and 'embedding' not in name and 'output' not in name:
                nn.init.xavier_uniform_(parameter)
            elif parameter.dim() > 1:               # words are heard beside the waves; the target's, tied,
                std = 1.0 if name.startswith('source') else 0.6         # keep the first loss near ln V
                nn.init.normal_(parameter, std=std * E ** -0.5)
            elif name.endswith('bias'):
                nn.init.zeros_(parameter)

    def embed(self, embedding, words, begin=0):
        """Words (B, S) that stand from place `begin` on -> (B, S, E), their places added as waves (3.5)."""
        places = torch.arange(begin, begin + words.shape[1], device=words.device)[:, None]      # (S, 1)
        E = self.config.n_embd
        rates = torch.exp(torch.arange(0, E, 2, device=words.device) * (-math.log(10000) / E))  # (E / 2,)
        waves = torch.stack([torch.sin(places * rates), torch.cos(places * rates)], dim=-1)
        waves = waves.flatten(1).to(embedding.weight.dtype)                             # (S, E)
        return self.dropout(embedding(words) * E ** 0.5 + waves)                        # (B, S, E)

    def encode(self, source, source_lengths):
        """source (B, S) padded, source_lengths (B,) -> Offer."""
        mask = padding_mask(source, source_lengths)                                          # (B, S)
        x = self.embed(self.source_embedding, source)                                   # (B, S, E)
        for block in self.encoder:
            x, *_ = block.see_itself(x, mask=mask)
            x = block.think(x)
        x = self.norm_source(x)
        pairs = [block.attend_source.offer(x) for block in self.decoder]
        return TransformerEncoderOutput(*(torch.stack(each, dim=1) for each in zip(*pairs)), mask)

    def decode(self, words, memory, state):
        """
        Teacher forcing: words (R, T), all from the first, none of which sees a later one, or one more alone.
        Returns vectors (R, T, E), the last layer's weights (B, K * T, S), but not in training, and the state,
        keys and values with these words' added.
        """
        x, kept = self.embed(self.target_embedding, words, state['keys'].shape[3]), []  # (R, T, E)
        for n, block in enumerate(self.decoder):
            past = state['keys'][:, n], state['values'][:, n]
            x, *both = block.see_itself(x, past, causal=words.shape[1] > 1)
            x, weights = block.see_source(x, memory.keys[:, n], memory.values[:, n], memory.padding_mask)
            x = block.think(x)
            kept.append(both)
        keys, values = (torch.stack(each, dim=1) for each in zip(*kept))        # (R, L, n_head, t + T, ·)
        weights = None if self.training else weights()
        return self.norm_target(x), weights, {'keys': keys, 'values': values}

    def init_decoder_state(self, memory, beams):
        """The state before the first word: nothing has been written that could be looked at."""
        nothing = memory.keys[..., :0, :].repeat_interleave(beams, 0)                   # (R, L, n_head, 0, ·)
        return {'keys': nothing, 'values': nothing}

def build(config):
    """The model that a Config describes, with its first weights."""
    return {'seq2seq': RecurrentSeq2Seq, 'transformer': Transformer}[config.arch](config)

# -----------------------------------------------------------------------------
# where it runs

def choose_device(device):
    """'auto' -> cuda, mps or cpu, the first that is there."""
    if device == 'auto':
        mps = torch.backends.mps.is_available()
        device = 'cuda' if torch.cuda.is_available() else 'mps' if mps else 'cpu'
    with contextlib.suppress(RuntimeError, AssertionError):
        torch.empty(1, device=device).zero_()
        if torch.device(device).type in ('cpu', 'cuda', 'mps'):
            # flash attention is for long texts: on sentences, on a CPU, its way back was a third of a step
            torch.backends.cuda.enable_flash_sdp(device != 'cpu')
            return device
    fail(f'--device={device} is not to be had here: leave it out, or take cpu, cuda or mps')

def has_bfloat16():
    """Whether oneDNN, to which torch hands an LSTM in bfloat16, has one for this processor."""
    return not torch.backends.mkldnn.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported()

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
    if dtype == 'bfloat16' and device == 'cpu' and not has_bfloat16():
        fail('--dtype=bfloat16 needs a processor with avx512, or a GPU: leave it out or take float32')
    return getattr(torch, dtype)

def autocast(device, dtype):
    """The context in which matrix products run in `dtype`, while weights, sums and the loss stay float32."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.split(':')[0], dtype)

def out_of_memory(error):
    """Whether that is what a RuntimeError of torch says, on a GPU or on a CPU."""
    return any(words in str(error) for words in ('out of memory', 'allocate memory'))

def keep_freed_memory():
    """
    glibc returns the memory of large tensors to the system, which hands it out anew a zeroed page at a time:
    a seventh of a step on a CPU. With this it stays with us. Other systems have no such function.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)              # M_MMAP_MAX: large blocks come from the heap like small ones ...
        mallopt(-1, -1)             # M_TRIM_THRESHOLD: ... which does not shrink ...
        mallopt(-2, 1 << 26)        # M_TOP_PAD: ... nor do those of other threads
