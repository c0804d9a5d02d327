"""
Train a translation model: on a GPU if there is one, otherwise on the CPU; with torchrun on several.

    python train.py                                 (the toy corpus: a few minutes on two CPU cores)
    python train.py --data_dir=data/multi30k --out_dir=checkpoints/multi30k --max_minutes=10
    python train.py --resume                        (continue a run that was stopped or killed)
    python train.py --overwrite                     (begin again, in place of the run in checkpoints/)
    python train.py --benchmark=50                  (measure how fast a step is, and how fast it could be)
    torchrun --nproc_per_node=2 train.py            (two processes, which divide every batch between them)

Reads the token ids in data/. Writes best.pt, last.pt and log.jsonl in checkpoints/, and draws
training_plots/index.html. Ctrl-C saves what was learnt, evaluates it and stops.
"""
import signal
if __name__ == '__main__':                          # until main() runs, Ctrl-C ends the script without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import atexit, contextlib, itertools, json, math, os, platform, sys, time
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple

os.environ.setdefault('OMP_WAIT_POLICY', 'passive')     # read when torch is imported: on busy cores, threads
                                                        # that wait actively made a step 3 to 7 times as slow
import numpy as np
import torch
import torch.distributed as dist
from torch.utils.flop_counter import FlopCounterMode

import plot as plots
from model import Config, autocast, build, choose_device, choose_dtype, keep_freed_memory, out_of_memory
from sample import FORMAT, bleu, read_checkpoint, translate
from tokenizer import BOS, EOS, PAD, atomic_write, config_of, exclusive_lock, fail, next_flags
from tokenizer import read_ids, read_meta, read_split, read_vocabulary, run_script

# -----------------------------------------------------------------------------
# config
data_dir = 'data'           # folder that prepare.py and tokenizer.py filled
out_dir = 'checkpoints'     # folder for best.pt, last.pt and log.jsonl
resume = False              # continue from out_dir/last.pt, with its settings except those given now
overwrite = False           # or replace the run that is in out_dir
plot = True                 # draw the losses at every evaluation ...
plot_dir = ''               # ... in this folder; empty: training_plots, or out_dir/training_plots
# model: fields of model.Config; a new field there needs a line here only to become a flag
arch = 'seq2seq'            # seq2seq (recurrent) or transformer (use dropout=0.1, learning_rate=3e-3)
cell = 'lstm'               # recurrent cell: lstm, gru or rnn
scratch = False             # use the cells written by hand in model.py instead of torch's: the same numbers
manual_backward = False     # with scratch: backpropagation through time by hand too, for the LSTM
attention = 'dot'           # none, dot or general (Luong et al. 2015), additive (Bahdanau et al. 2015)
input_feeding = False       # feed the result of attention into the next step (Luong et al. 2015)
bidirectional = True        # the encoder reads in both directions, with n_hidden / 2 for each
reverse_source = False      # the encoder reads the source backwards (Sutskever et al. 2014)
tied = True                 # the output layer shares its weights with the target embeddings
n_layer = 1                 # layers of the encoder, and of the decoder
n_embd = 256                # size of a word embedding; width of the transformer
n_hidden = 384              # size of the recurrent state, or of the transformer's feed-forward layers
n_head = 4                  # attention heads of the transformer
dropout = 0.3               # probability that an activation is set to zero in training: more for little data
# training
batch_tokens = 1500         # target tokens per batch, over all processes; try 8000 on a GPU
grad_accum = 1              # batches whose gradients are added up for one update
tbptt = 0                   # for long texts: cut the gradient every so many target words; 0: never
sampled_words = 0           # train against this many random words; 0: against the whole vocabulary
max_steps = 0               # stop after this many updates, ...
max_epochs = 0.0            # ... this many passes over the data, ...
max_minutes = 0.0           # ... or this many minutes, whichever is first; if all three are 0: 3 epochs
learning_rate = 5e-3        # its peak: it rises during the warm-up, and falls to zero along a cosine
warmup_steps = 200          # updates during which the learning rate rises; fewer in a shorter run
weight_decay = 0.01         # how strongly AdamW pulls the weights towards zero
label_smoothing = 0.1       # probability spread evenly over all words (Szegedy et al. 2016)
grad_clip = 1.0             # largest norm of the gradient; 0: no limit
log_interval = 50           # updates between two progress lines
eval_interval = 500         # updates between two evaluations, with a checkpoint each; more at the start
eval_sentences = 500        # validation sentences that are translated, greedily, for BLEU
patience = 10               # stop after this many evaluations without a lower loss; 0: never for that reason
seed = 1                    # of the random initial weights, order of the batches and dropout
device = 'auto'             # auto, cpu, cuda, cuda:1, mps
dtype = 'auto'              # auto, float32, bfloat16, float16
benchmark = 0               # time this many steps, print the result, and stop
# -----------------------------------------------------------------------------
# settings

RANK, WORLD_SIZE = 0, 1     # which process this is, and of how many

def init_distributed():
    """Under torchrun: join the other processes. Only process 0 prints."""
    global RANK, WORLD_SIZE
    if 'RANK' not in os.environ:
        return
    names = 'RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT'
    if not all(os.environ.get(name, '').isdecimal() for name in names) or 'MASTER_ADDR' not in os.environ:
        fail(f'with RANK go {", ".join(names[1:])} and MASTER_ADDR: start with torchrun, or unset RANK')
    RANK, WORLD_SIZE = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
    dist.init_process_group('cpu:gloo,cuda:nccl' if torch.cuda.is_available() else 'gloo')
    atexit.register(dist.destroy_process_group)
    if RANK > 0:
        sys.stdout = open(os.devnull, 'w')

LIMITS = 'max_steps', 'max_epochs', 'max_minutes'
RUN_FILES = 'best.pt', 'last.pt', 'previous.pt', 'log.jsonl'

def restore_settings(saved, given):
    """A resumed run keeps its settings, except those given now; a new limit replaces all the old ones."""
    new = {'resume', 'overwrite', 'out_dir', *given, *(LIMITS if set(LIMITS) & set(given) else [])}
    globals().update({name: value for name, value in saved['config'].items() if name not in new})

def check_settings():
    """Status 2 and one line for what cannot work; the model's settings are checked by its Config."""
    least_one = 'batch_tokens grad_accum log_interval eval_interval eval_sentences warmup_steps'.split()
    if zero := [f'--{name}' for name in least_one if globals()[name] < 1]:
        fail(f'{", ".join(zero)} must be at least 1')
    if label_smoothing >= 1:
        fail('--label_smoothing must be below 1')
    if tbptt and (arch == 'transformer' or WORLD_SIZE > 1):
        fail('--tbptt is for recurrent models in one process: leave out --arch=transformer and torchrun')
    found = any(os.path.exists(f'{out_dir}/{name}') for name in RUN_FILES)
    if RANK == 0 and found and resume + overwrite != 1 and not benchmark:
        fail(f'{out_dir}/ holds a run: give --resume to continue it, --overwrite to replace it, or another '
             '--out_dir')

def fit_warmup(target_offsets):
    """A run that would end during its warm-up gets a shorter one, and says so."""
    words, tokens = int(target_offsets[-1]) + len(target_offsets) - 1, batch_tokens * grad_accum
    n_steps = int(min(max_steps or math.inf, max_epochs * words / tokens or math.inf, warmup_steps))
    if n_steps < warmup_steps:
        globals()['warmup_steps'] = max(1, n_steps // 3)
        print_line(f'only about {n_steps} steps: the learning rate rises in the first {warmup_steps}; more '
                   '--max_epochs teach the model more')

# -----------------------------------------------------------------------------
# data

class Data(NamedTuple):
    train: list         # source and target, each (ids, offsets), memory-mapped
    valid: list         # the same
    vocabs: list        # source and target
    sources: list       # the first eval_sentences of the validation set, as text ...
    references: list    # ... and their translations
    files: dict         # fingerprints of the text files

def load_data():
    """What prepare.py and tokenizer.py wrote to data_dir."""
    meta = read_meta(data_dir)
    languages = meta['source_lang'], meta['target_lang']
    train, valid = ([read_ids(data_dir, split, lang, meta) for lang in languages]
                    for split in ('train', 'valid'))
    vocabs = [read_vocabulary(data_dir, lang) for lang in languages]
    sources, references = (side[:eval_sentences] for side in read_split(data_dir, 'valid', meta))
    return Data(train, valid, vocabs, sources, references, meta['files'])

SHARD = 1 << 17             # sentences that are sorted by length together
CHUNK = 1 << 10             # neighbouring sentences that stay together when a shard is sampled

def make_batches(indices, source_offsets, target_offsets, batch_tokens, random):
    """
    Shuffle sentences into batches of similar length, so that there is little padding: a list of arrays of
    indices. A batch has at most batch_tokens target tokens, padding and <eos> counted, or one sentence. The
    number of batches does not depend on the shuffling.
    """
    indices = random.permutation(indices)
    source_lengths, target_lengths = (offsets[indices + 1] - offsets[indices]
                                      for offsets in (source_offsets, target_offsets))
    order = np.lexsort((source_lengths, target_lengths))        # by target length; ties stay shuffled
    indices, widths = indices[order], target_lengths[order] + 1
    batches, start = [], 0
    while start < len(indices):
        tokens = widths[start:start + batch_tokens]
        tokens = tokens * np.arange(1, len(tokens) + 1)         # of a batch that ends at each sentence
        end = start + max(1, np.searchsorted(tokens, batch_tokens, side='right'))
        batches.append(indices[start:end])
        start = end
    return [batches[i] for i in random.permutation(len(batches))]

def iterate_batches(position, source_offsets, target_offsets):
    """
    Batches without end, from a position on. Yields each batch, the position after it, and how many epochs are
    done then. A shard is made of random chunks of neighbouring sentences, so that the disk is read chunk by
    chunk; only one shard is sorted at a time, so that millions of pairs start at once.

    A position is (epoch, shard, [(batch size, batches done), ...]). After --resume with another size, what is
    left of the shard is divided anew, so that every pair still comes once an epoch.
    """
    n, size, (first_epoch, first_shard, parts) = len(target_offsets) - 1, batch_tokens * grad_accum, position
    if not parts or parts[-1][0] != size:
        parts = [*parts, (size, 0)]
    for epoch in itertools.count(first_epoch):
        chunks = np.random.default_rng([seed, epoch]).permutation(-(-n // CHUNK))
        for s in range(first_shard, -(-len(chunks) * CHUNK // SHARD)):
            shard = chunks[s * SHARD // CHUNK:(s + 1) * SHARD // CHUNK]
            indices = (shard[:, None] * CHUNK + np.arange(CHUNK)).ravel()
            indices, left = indices[indices < n], 1.0           # of the shard, before and after each part
            for part_size, n_done in parts:
                batches = make_batches(indices, source_offsets, target_offsets, part_size,
                                       np.random.default_rng([seed, epoch, s]))
                indices, fraction = np.concatenate([indices[:0], *batches[n_done:]]), left
                left *= 1 - n_done / max(1, len(batches))
            for b, batch in enumerate(batches[n_done:], n_done + 1):
                done = 1 - fraction + fraction * b / len(batches)
                chunks_done = s * SHARD // CHUNK + done * len(shard)
                yield batch, (epoch, s, [*parts[:-1], (size, b)]), epoch + chunks_done / len(chunks)
            parts = [(size, 0)]
        first_shard = 0

def pad(indices, ids, offsets):
    """Sentences -> ids (B, longest), each with <eos> and padding behind; lengths (B,), <eos> counted."""
    lengths = offsets[indices + 1] - offsets[indices]
    columns = np.arange(lengths.max() + 1)
    words = columns < lengths[:, None]                                                  # (B, longest)
    padded = np.full(words.shape, PAD)
    padded[words] = ids[(offsets[indices][:, None] + columns)[words]]
    padded[np.arange(len(indices)), lengths] = EOS
    return torch.from_numpy(padded), torch.from_numpy(lengths + 1)

def to_batch(indices, source, target, device):
    """
    Sentences of source and target, each (ids, offsets), as tensors: source (B, S), source_lengths (B,) on the
    CPU, target_in (B, T), target_out (B, T); and the number of target words, <eos> counted.
    """
    source, source_lengths = pad(indices, *source)                                      # (B, S), (B,)
    target_out, target_lengths = pad(indices, *target)                                  # (B, T), (B,)
    target_in = target_out.roll(1, dims=1)                                              # (B, T)
    target_in[target_in == EOS] = PAD
    target_in[:, 0] = BOS
    tensors = source, target_in, target_out
    if device.startswith('cuda'):
        tensors = (x.pin_memory() for x in tensors)             # else the host would wait for each copy
    source, target_in, target_out = (x.to(device, non_blocking=True) for x in tensors)
    return source, source_lengths, target_in, target_out, int(target_lengths.sum())

def count_words(indices, offsets):
    """How many words the sentences have, <eos> counted."""
    return int((offsets[indices + 1] - offsets[indices] + 1).sum())

def micro_batches(indices, train_set, device, rank, world_size):
    """
    What one of world_size processes computes of a step: grad_accum micro-batches, each with its fraction of
    the step's target words. Weighted by it, the loss is a mean over words, not over micro-batches.
    """
    n_words, n, parts = count_words(indices, train_set[1][1]), grad_accum * world_size, []
    for i in range(rank, n, world_size):
        mine = indices[i::n]
        *batch, words = to_batch(mine if len(mine) else indices[:1], *train_set, device)
        parts.append((batch, words / n_words if len(mine) else 0.0))
    return parts

# -----------------------------------------------------------------------------
# model, optimizer, and the state of the training

def choose_local_device():
    """--device; under torchrun each process takes a GPU of its own."""
    if WORLD_SIZE == 1 or device not in ('auto', 'cuda') or not torch.cuda.is_available():
        return choose_device(device)
    torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    return choose_device(f'cuda:{os.environ["LOCAL_RANK"]}')

class LossModule(torch.nn.Module):
    """The model's loss as a forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, model, device, dtype):
        super().__init__()
        self.model, self.device, self.dtype = model, device, dtype

    def forward(self, *batch):
        with autocast(self.device, self.dtype):
            return self.model.loss(*batch, label_smoothing, sampled_words)

def max_length_ratio(source_offsets, target_offsets):
    """Target words per source word, <eos> counted, in all but a thousandth of the pairs; at least 2."""
    n = len(source_offsets) - 1
    pairs = np.arange(0, n, max(1, n // 10 ** 6))               # up to two millions of them, spread evenly
    source, target = (offsets[pairs + 1] - offsets[pairs] + 1 for offsets in (source_offsets, target_offsets))
    return max(2.0, float(np.quantile(target / source, 0.999)))

def model_config(data):
    """The settings that are fields of model.Config; a field that is not a setting keeps its default."""
    settings = {name: value for name, value in config_of(globals()).items() if hasattr(Config, name)}
    ratio = max_length_ratio(*(offsets for _, offsets in data.train))
    return Config(*map(len, data.vocabs), max_length_ratio=ratio, **settings)

def build_optimizer(model, device, dtype):
    """AdamW, and the scaler that keeps float16's gradients from underflow; other types do not need it."""
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay,
                                  fused=device != 'mps')
    return optimizer, torch.amp.GradScaler(device.split(':')[0], enabled=dtype == torch.float16)

@dataclass
class TrainingState:
    """All that changes during training: last.pt holds it whole, and --resume restores it whole."""
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0                               # updates done
    position: tuple = (0, 0, [])                # of the last batch, see iterate_batches()
    epoch: float = 0.0                          # passes over the data
    seconds: float = 0.0                        # of the run, over all resumes
    best_loss: float = math.inf                 # the lowest validation loss
    evaluations_without_improvement: int = 0
    # since the last progress line
    measured: list = field(default_factory=list)        # loss and norm of the gradient of each step
    words: int = 0
    interval_seconds: float = 0.0               # evaluations and checkpoints not counted

    def state_dict(self):
        return {name: value.state_dict() if hasattr(value, 'state_dict') else value
                for name, value in vars(self).items()}

    def load_state_dict(self, saved):
        for name, value in vars(self).items():
            if hasattr(value, 'load_state_dict'):
                value.load_state_dict(saved[name])
            else:
                setattr(self, name, saved.get(name, value))     # a field that is new keeps its default
        self.measured = [values.to(next(self.model.parameters()).device) for values in self.measured]
        self.optimizer.param_groups[0]['weight_decay'] = weight_decay       # which may be given anew

def save_checkpoint(name, checkpoint):
    """Write out_dir/NAME. The last.pt before it stays as previous.pt, in case the new one gets damaged."""
    if RANK > 0:
        return
    with atomic_write(f'{out_dir}/{name}') as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError:                    # which hides what the system said
            fail(f'cannot write {out_dir}/{name}: is the disk full? Make room, and continue with --resume')
        if name == 'last.pt' and os.path.exists(f'{out_dir}/last.pt'):
            os.replace(f'{out_dir}/last.pt', f'{out_dir}/previous.pt')

def check_resumable(saved, metadata):
    """Status 2 and one line where a checkpoint has another text, vocabulary or model than this run."""
    if any(saved[name] != metadata[name] for name in ('source_words', 'target_words', 'data')):
        fail(f'{out_dir}/last.pt was trained on another text or vocabulary than {data_dir}/ has: name its '
             '--data_dir, or start again with --overwrite')
    may_change = 'scratch', 'manual_backward', 'dropout', 'max_length_ratio'    # no weight depends on these
    before = {**saved['model_config'], 'seed': saved['config']['seed']}         # nor the order of an epoch
    now = {**before, **metadata['model_config'], 'seed': seed}
    changed = [f'--{name}' for name, value in before.items() if name not in may_change and now[name] != value]
    if changed:
        fail(f'{out_dir}/last.pt has other settings: leave out {" ".join(changed)}, or give --overwrite')
    if isinstance(saved['position'][-1], int):
        fail(f'{out_dir}/last.pt is of an older version: start again with --overwrite')

# -----------------------------------------------------------------------------
# one update

def train_step(loss_module, micro_batches, rate, optimizer, scaler, world_size):
    """One update with the gradients of all micro-batches. Returns the mean plain loss, the gradient norm."""
    mean_loss = 0.0
    for i, (batch, fraction) in enumerate(micro_batches):
        loss_module.require_backward_grad_sync = i == len(micro_batches) - 1    # processes meet once a step
        # ---- the core: a batch, its loss, the gradient, a step downhill ----
        if tbptt:
            plain_loss = truncated_bptt(loss_module, *batch, fraction, scaler)
        else:
            loss, plain_loss = loss_module(*batch)
            scaler.scale(loss * fraction * world_size).backward()   # DistributedDataParallel takes the mean
        mean_loss += plain_loss * fraction
    scaler.unscale_(optimizer)
    if grad_clip:
        grad_norm = torch.nn.utils.clip_grad_norm_(loss_module.parameters(), grad_clip)
    else:                                       # with a limit of inf one infinite gradient makes all nan
        gradients = [p.grad for p in loss_module.parameters() if p.grad is not None]
        grad_norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    optimizer.param_groups[0]['lr'] = rate
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    # ------------------------------------------------------------------------
    return mean_loss, grad_norm

def truncated_bptt(loss_module, source, source_lengths, target_in, target_out, fraction, scaler):
    """
    Truncated backpropagation through time (Williams & Peng 1990): the decoder's state is passed on from
    segment to segment of tbptt words, its gradient is not, so that only one segment's activations are in
    memory. The gradients of the encoder's output are summed over the segments, and go through it at the end.
    """
    model, cast = loss_module.model, autocast(loss_module.device, loss_module.dtype)
    with cast:
        memory = model.encode(source, source_lengths)
    detached = type(memory)(*(m.detach().requires_grad_(m.is_floating_point()) for m in memory))
    state, mean_loss, n_words = model.init_decoder_state(detached, 1), 0.0, (target_out != PAD).sum()
    for words_in, words_out in zip(target_in.split(tbptt, dim=1), target_out.split(tbptt, dim=1)):
        with cast:
            loss, plain_loss, state = model.loss_from(detached, state, words_in, words_out, label_smoothing,
                                                      sampled_words)
        segment_fraction = (words_out != PAD).sum() / n_words
        scaler.scale(loss * segment_fraction * fraction).backward()
        state = {name: s.detach() for name, s in state.items()}
        mean_loss += plain_loss * segment_fraction
    torch.autograd.backward(*zip(*((m, d.grad) for m, d in zip(memory, detached) if d.grad is not None)))
    return mean_loss

# -----------------------------------------------------------------------------
# evaluation, log and pictures

@torch.no_grad()
def evaluate(model, source, target, device, dtype, rank=0, world_size=1):
    """Cross entropy in nats per target word over a whole split, without label smoothing and dropout."""
    model.eval()
    total, indices = torch.zeros(2, dtype=torch.double), np.arange(len(target[1]) - 1)     # nats, words
    batches = make_batches(indices, source[1], target[1], batch_tokens, np.random.default_rng(0))
    for indices in batches[rank::world_size]:
        *batch, n_words = to_batch(indices, source, target, device)
        with autocast(device, dtype):
            _, plain_loss = model.loss(*batch)
        total += torch.tensor([plain_loss.item() * n_words, n_words], dtype=torch.double)
    if world_size > 1:
        dist.all_reduce(total)
    model.train()
    return (total[0] / total[1]).item()

def evaluate_and_save(state, data, metadata, device, dtype):
    """Print and log validation loss, BLEU and examples; save best.pt if a trained model's loss is lowest."""
    loss = evaluate(state.model, *data.valid, device, dtype, RANK, WORLD_SIZE)
    verdict = 'untrained'
    if state.step > 0 and loss < state.best_loss:
        verdict, state.best_loss, state.evaluations_without_improvement = 'the best so far', loss, 0
    elif state.step > 0:
        state.evaluations_without_improvement += 1
        verdict = f'{state.evaluations_without_improvement} without improvement'
    if RANK > 0:
        return
    outputs = [best[0] for best, *_ in translate(data.sources, state.model.eval(), *data.vocabs, beam_size=1,
                                                 dtype=dtype)]
    state.model.train()
    score = bleu(outputs, data.references)
    print_line(f'\nstep {state.step}: validation loss {loss:.4f} nats a word, perplexity '
               f'{math.exp(min(loss, 99)):.2f}, BLEU {score:.2f}, {verdict}')
    examples = list(zip(data.sources[:3], data.references[:3], outputs[:3]))
    for source, reference, output in examples:
        print_line(f'    source     {source}\n    reference  {reference}\n    output     {output}\n')
    write_log(step=state.step, valid_loss=loss, valid_bleu=score, minutes=state.seconds / 60,
              examples=examples)
    if verdict == 'the best so far':
        save_checkpoint('best.pt', {**metadata, 'step': state.step, 'best_loss': loss,
                                    'model': state.model.state_dict()})

def check_finite(state):
    """Status 2 and one line that names the first step whose loss or gradient was not a finite number."""
    for i, (loss, grad_norm) in enumerate(torch.stack(state.measured).tolist(), 1 - len(state.measured)):
        # where float16's scaler is on, it leaves out steps whose gradient is infinite
        if not math.isfinite(loss if state.scaler.is_enabled() else loss + grad_norm):
            fail(f'loss {loss}, grad norm {grad_norm} at step {state.step + i}: with --resume or --overwrite, '
                 f'try a third of --learning_rate={learning_rate:g}, or --dtype=float32')

def print_line(line):
    """Print at once. If nobody reads any more, as after `| head`, the training still goes on."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

def start_log(facts, step):
    """Begin log.jsonl with facts about the run; a resumed run keeps the lines from before its checkpoint."""
    entries = [facts]
    if resume and os.path.exists(f'{out_dir}/log.jsonl'):
        entries += [entry for entry in plots.read_log(out_dir)[1:]
                    if entry['step'] < step + ('loss' in entry)]            # with that step's progress line
    for name in RUN_FILES if overwrite else ():
        with contextlib.suppress(FileNotFoundError):
            os.remove(f'{out_dir}/{name}')
    with atomic_write(f'{out_dir}/log.jsonl', 'w', encoding='utf-8') as file:
        file.writelines(json.dumps(entry) + '\n' for entry in entries)

def write_log(**entry):
    """Append a line to log.jsonl."""
    if RANK == 0:
        with open(f'{out_dir}/log.jsonl', 'a', encoding='utf-8') as file:
            file.write(json.dumps(entry) + '\n')

def log_progress(state, done):
    """Print and log the means since the last such line."""
    loss, grad_norm = torch.stack(state.measured, dim=1).mean(dim=1).tolist()
    rate, speed = state.optimizer.param_groups[0]['lr'], state.words / state.interval_seconds
    seconds_left = state.seconds / done * (1 - done) if done else 0.0
    print_line(f'step {state.step} | loss {loss:.4f} | grad norm {grad_norm:.2f} | lr {rate:.2e} | '
               f'{speed:,.0f} tokens/s | {timedelta(seconds=int(seconds_left))} left')
    write_log(step=state.step, loss=loss, grad_norm=grad_norm, learning_rate=rate, tokens_per_second=speed,
              words=state.words, minutes=state.seconds / 60, minutes_left=seconds_left / 60)
    state.measured, state.words, state.interval_seconds = [], 0, 0.0

def print_outlook(state, done):
    """After the first steps on a CPU: will the run take hours, and do other programs want the cores, too?"""
    hours = state.interval_seconds / len(state.measured) * state.step * (1 - done) / done / 3600
    if hours > 3 and not max_minutes:
        print_line(f'without a GPU this takes about {hours:,.0f} hours: --max_minutes=60 ends it after one; '
                   'for less text,  python prepare.py --dataset=multi30k  or  --dataset=toy')
    if hasattr(os, 'getloadavg') and 1 < torch.get_num_threads() < os.getloadavg()[0] - 1:
        print_line('the cores are busy, so fewer threads may be faster:  OMP_NUM_THREADS=1 python train.py')

def draw_progress(running):
    """Draw this run's page. If that fails, say so once, and train on."""
    try:
        if plot and RANK == 0:
            plots.draw_run(out_dir, plots.plot_dir_of(out_dir, plot_dir), running)
    except (Exception, SystemExit) as error:
        globals()['plot'] = print(f'the plots are not drawn any more: {error!r}', file=sys.stderr)

# -----------------------------------------------------------------------------
# the loop

def progress(state):
    """How much of the run is done, from 0 to 1, by the limit that comes first."""
    limits = (state.step, max_steps), (state.epoch, max_epochs), (state.seconds / 60, max_minutes)
    return min(1.0, max(value / limit if limit else 0.0 for value, limit in limits))

def learning_rate_at(step, done):
    """A linear warm-up times half a cosine over the whole run (Loshchilov & Hutter 2017)."""
    return learning_rate * min(1.0, (step + 1) / warmup_steps) * (1 + math.cos(math.pi * done)) / 2

def is_evaluated(step):
    """Every eval_interval, and a few times before, so that the curves have points from the start."""
    return step % eval_interval == 0 or step in (50, 100, 200, 400) and step < eval_interval

def catch_signals(model):
    """Returns a list that Ctrl-C and SIGTERM fill. A second Ctrl-C ends an evaluation, and nothing else."""
    stop_requested = []
    def request_stop(number, _):
        if number == signal.SIGINT and stop_requested and not model.training and WORLD_SIZE == 1:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise KeyboardInterrupt
        stop_requested.append(number)
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, request_stop)
    return stop_requested

def from_process_0(*numbers):
    """The numbers of process 0, for all of them: clocks and Ctrl-C differ."""
    if WORLD_SIZE == 1:
        return numbers
    numbers = torch.tensor(numbers, dtype=torch.double)
    dist.broadcast(numbers, 0)
    return numbers.tolist()

def training_loop(state, resumed_at, loss_module, data, metadata, device, dtype):
    """Update after update, now and then a checkpoint and an evaluation. Returns why it ended."""
    stop_requested = catch_signals(state.model)
    batches = iterate_batches(state.position, *(offsets for _, offsets in data.train))
    run_start = time.time() - state.seconds
    state.model.train()
    while True:
        state.seconds = time.time() - run_start
        done, interrupted = from_process_0(progress(state), bool(stop_requested))

        # save, then evaluate: a second Ctrl-C loses nothing, and a resumed run begins with the evaluation
        if interrupted or done == 1 or is_evaluated(state.step):
            if state.step != resumed_at:
                save_checkpoint('last.pt', {**metadata, **state.state_dict()})
            try:
                evaluate_and_save(state, data, metadata, device, dtype)
            except KeyboardInterrupt:
                return 'interrupted'
            draw_progress(running=True)
            if from_process_0(bool(stop_requested))[0]:
                return 'interrupted'
            if done == 1:
                return 'limit reached'
            if 0 < patience <= state.evaluations_without_improvement:
                return f'no improvement in {patience} evaluations'

        # the next batch, and a step with it
        step_start = time.time()
        indices, state.position, state.epoch = next(batches)
        torch.manual_seed(hash((seed, state.step, RANK)))       # dropout's masks depend on the step alone
        my_batches = micro_batches(indices, data.train, device, RANK, WORLD_SIZE)
        rate = learning_rate_at(state.step, done)
        loss, grad_norm = train_step(loss_module, my_batches, rate, state.optimizer, state.scaler, WORLD_SIZE)
        if WORLD_SIZE > 1:
            dist.all_reduce(loss)                               # the sum over the processes' parts
        state.step += 1
        state.measured.append(torch.stack([loss, grad_norm]))
        state.words += count_words(indices, data.train[1][1])
        if device == 'cpu' or state.step % log_interval == 0 or is_evaluated(state.step):
            check_finite(state)                                 # this waits for a GPU: not at each step
        state.interval_seconds += time.time() - step_start
        if device == 'cpu' and state.step == (resumed_at or 0) + 20:
            print_outlook(state, done)
        if state.step % log_interval == 0:
            log_progress(state, done)

def print_end(state, stop_reason, resumed_at, uniform_loss):
    """The last line: how the run ended, and what to do next. uniform_loss: that of a guess, ln V."""
    ended = f'stopped at step {state.step}: {stop_reason}; best validation loss {state.best_loss:.4f}'
    resume_command = f'python train.py --resume{next_flags("data", out_dir)}'
    if stop_reason == 'interrupted':
        print_line(f'{ended}; to continue:  {resume_command}')
        sys.exit(130)               # so that the shell does not run what follows &&
    if state.best_loss > uniform_loss + 1:
        fail(f'{ended}, more than the {uniform_loss:.4f} of a guess, so nothing was learnt: try a tenth of '
             f'--learning_rate={learning_rate:g}, with --overwrite')
    if state.step == resumed_at:    # it had ended before
        limit = 'patience' if 'improvement' in stop_reason else next(n for n in LIMITS if globals()[n])
        return print_line(f'{ended}; to train longer:  {resume_command} --{limit}={2 * globals()[limit]}')
    checkpoint = f'--checkpoint={out_dir}/best.pt ' if out_dir != 'checkpoints' else ''
    print_line(f'{ended}; next:  python sample.py {checkpoint}--text="..."')

# -----------------------------------------------------------------------------
# --benchmark: how fast a step is, and how fast it could be

def synchronize(device):
    """Wait until the device has finished its work."""
    if device != 'cpu':
        getattr(torch, device.split(':')[0]).synchronize()      # cuda or mps

def count_flops(config, batches, device, dtype):
    """Operations of the matrix products in forward and backward passes over some batches."""
    # torch's counter does not see into torch's recurrent cells: our own, which do the same, are counted
    twin = build(replace(config, scratch=config.arch == 'seq2seq', manual_backward=False)).to(device)
    loss_module = LossModule(twin, device, dtype)
    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            loss_module(*batch)[0].backward()
    return counter.get_total_flops()

def matmul_speed(device, dtype, size=2048):
    """Operations per second of a large matrix product, the best of many: the machine's peak."""
    a, b, seconds = *torch.randn(2, size, size, device=device).to(dtype), []
    while sum(seconds) < 0.5:
        start = time.perf_counter()
        a @ b
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size ** 3 / min(seconds)

def peak_memory(device):
    """The most memory this process has held, in MB; nan where the system does not tell."""
    if device.startswith('cuda'):
        return torch.cuda.max_memory_allocated() / 2 ** 20
    with contextlib.suppress(OSError), open('/proc/self/status') as status:
        return next(int(line.split()[1]) / 2 ** 10 for line in status if line.startswith('VmHWM:'))
    return math.nan

def run_benchmark(state, loss_module, data, device, dtype):
    """Time --benchmark steps, after ten to warm up, and print one `key value` per line."""
    batches, rows = iterate_batches(state.position, *(offsets for _, offsets in data.train)), []
    for indices, *_ in itertools.islice(batches, min(10, benchmark) + benchmark):
        start = time.perf_counter()
        my_batches = micro_batches(indices, data.train, device, RANK, WORLD_SIZE)
        loading = time.perf_counter() - start
        rate = learning_rate_at(len(rows), 0.0)
        train_step(loss_module, my_batches, rate, state.optimizer, state.scaler, WORLD_SIZE)
        synchronize(device)
        rows.append((count_words(indices, data.train[1][1]), loading, time.perf_counter() - start))
    (words, loading, seconds), memory = np.array(rows[-benchmark:]).T, peak_memory(device)
    flops = count_flops(state.model.config, [batch for batch, _ in my_batches], device, dtype) / words[-1]
    speed, model_speed = sum(words) / sum(seconds), flops * sum(words) / sum(seconds)
    for key, value in {'target_tokens_per_second': speed, 'step_ms_median': np.median(seconds) * 1000,
                       'loader_fraction': sum(loading) / sum(seconds), 'peak_memory_mb': memory,
                       'model_gflops_per_second': model_speed / 1e9,
                       # model FLOPs utilisation: what fraction of a matrix product's speed the model reaches
                       'mfu': model_speed / matmul_speed(device, dtype)}.items():
        print(f'{key} {value:.6g}')

# -----------------------------------------------------------------------------

def main(given):
    # settings
    init_distributed()
    keep_freed_memory()
    if resume:
        saved = read_checkpoint(f'{out_dir}/last.pt', spare=f'{out_dir}/previous.pt')
        restore_settings(saved, given)
    if not (max_steps or max_epochs or max_minutes):
        globals()['max_epochs'] = 3.0
    check_settings()

    # data
    data = load_data()
    if not benchmark:
        fit_warmup(data.train[1][1])
    config, source_vocab, target_vocab = model_config(data), *data.vocabs
    metadata = {'format': FORMAT, 'config': config_of(globals()), 'model_config': asdict(config),
                'source_words': source_vocab.words, 'target_words': target_vocab.words, 'data': data.files}
    if resume:
        check_resumable(saved, metadata)

    # model and state
    torch.manual_seed(seed)
    my_device = choose_local_device()
    my_dtype = choose_dtype(dtype, my_device)
    model = build(config).to(my_device)
    state = TrainingState(model, *build_optimizer(model, my_device, my_dtype))
    if resume:
        state.load_state_dict(saved)
    resumed_at = state.step if resume else None
    loss_module = LossModule(model, my_device, my_dtype)
    if WORLD_SIZE > 1:
        loss_module = torch.nn.parallel.DistributedDataParallel(loss_module)
    n_parameters, dtype_name = sum(p.numel() for p in model.parameters()), str(my_dtype)[len('torch.'):]
    print_line(f'{my_device}, {dtype_name}, {n_parameters:,} parameters, {len(source_vocab):,} source and '
               f'{len(target_vocab):,} target words, {len(data.train[1][1]) - 1:,} sentence pairs')

    # loop
    if benchmark:
        return run_benchmark(state, loss_module, data, my_device, my_dtype)
    refusal = f'another train.py is writing to {out_dir}/: wait until it ends, or give another --out_dir'
    with exclusive_lock(out_dir, refusal) if RANK == 0 else contextlib.nullcontext():
        if RANK == 0:
            start_log({'config': metadata['config'], 'parameters': n_parameters, 'device': my_device,
                       'processes': WORLD_SIZE, 'dtype': dtype_name, 'python': platform.python_version(),
                       'torch': torch.__version__, 'numpy': np.__version__, 'data': data.files}, state.step)
        stop_reason = training_loop(state, resumed_at, loss_module, data, metadata, my_device, my_dtype)
        draw_progress(running=False)
        if WORLD_SIZE > 1:
            dist.barrier()          # the others wait while process 0 saves
    print_end(state, stop_reason, resumed_at, math.log(len(target_vocab)))

if __name__ == '__main__':
    try:
        run_script(main, globals())
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        fail(f'out of memory: halve --batch_tokens={batch_tokens} and double --grad_accum={grad_accum}, so '
             'that an update has as many words as before, or take a smaller model')
