"""
Train the translator: on a GPU where there is one, else on the CPU; with torchrun on many, on many machines.

    python train.py                                 (the toy corpus: some minutes on two CPU cores)
    python train.py --data_dir=data/multi30k --out_dir=checkpoints/multi30k --max_minutes=10
    python train.py --resume                        (go on where the last run stopped, however it stopped)
    python train.py --benchmark=50                  (how fast a step is, and how fast it could be)
    torchrun --nproc_per_node=2 train.py            (two processes; each takes its share of every batch)

Reads the ids in data/, writes checkpoints/{best,last}.pt and log.jsonl, and draws training_plots/index.html.
Ctrl-C saves and stops.
"""
import atexit, itertools, json, math, os, platform, signal, sys, time
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.flop_counter import FlopCounterMode

import plot as plots
from model import Config, autocast, build, choose_device, choose_dtype, keep_freed_memory, out_of_memory
from sample import bleu, read_checkpoint, translate
from tokenizer import BOS, EOS, PAD, fail, parse_command_line, read_ids, read_lines, read_meta
from tokenizer import read_vocabulary, atomic_write, config_of

# -----------------------------------------------------------------------------
# config
data_dir = 'data'           # the folder that prepare.py and tokenizer.py filled
out_dir = 'checkpoints'     # the folder for best.pt, last.pt and log.jsonl
resume = False              # go on from out_dir/last.pt, with its settings where none are given
plot = True                 # draw the losses at every evaluation ...
plot_dir = 'training_plots' # ... in this folder
# the model
arch = 'seq2seq'            # seq2seq (recurrent), or transformer: with dropout=0.1, learning_rate=3e-3
cell = 'lstm'               # lstm, gru or rnn
scratch = False             # the cells written by hand instead of torch's: the same numbers
manual_backward = False     # with scratch: the LSTM's backpropagation through time by hand too
attention = 'dot'           # none, dot or general (Luong et al. 2015), additive (Bahdanau et al. 2015)
input_feeding = False       # what attention found goes into the next step (Luong et al. 2015)
bidirectional = True        # the encoder reads both ways, with half of n_hidden each
reverse_source = False      # the encoder reads the last word first (Sutskever et al. 2014)
tied = True                 # the output layer's vectors of words are their embeddings
n_layer = 1                 # layers of encoder and decoder
n_embd = 256                # size of a word's vector, of the transformer all through
n_hidden = 384              # size of the cell's state, or within the transformer's feed-forward layers
n_head = 4                  # heads of the transformer's attention
dropout = 0.3               # share of the activations zeroed in training: more for little data
# the training
batch_tokens = 1500         # target tokens a batch, for all processes together: on a GPU rather 8000
grad_accum = 1              # batches whose gradients make one update together
tbptt = 0                   # for long texts: target words after which the gradient is cut, 0: nowhere
sampled_words = 0           # words that the right ones compete with in training, 0: all of them
max_steps = 0               # stop after so many updates, ...
max_epochs = 0.0            # ... so many passes over the data, ...
max_minutes = 0.0           # ... or so many minutes; with all three at 0: after 3 epochs
learning_rate = 5e-3        # greatest; times the warm-up, and half a cosine that falls to zero at the end
warmup_steps = 200          # updates in which the learning rate grows to its full size
weight_decay = 0.01         # AdamW's
label_smoothing = 0.1       # probability that is spread evenly over all words (Szegedy et al. 2016)
grad_clip = 1.0             # greatest norm of the gradient, 0: no limit
average = 0.0               # how much of the averaged weights stays at a step (0.999), 0: no averaging
log_interval = 50           # updates between progress lines
eval_interval = 500         # updates between evaluations, each of which saves
eval_sentences = 500        # of the validation set that are translated, greedily, for BLEU
patience = 10               # evaluations without improvement before the run ends, 0: it never does for that
seed = 1                    # of the first weights, the order of the batches and the dropout
device = 'auto'             # auto, cpu, cuda, cuda:1, mps
dtype = 'auto'              # auto, float32, bfloat16, float16
benchmark = 0               # time so many steps, report, and end
# -----------------------------------------------------------------------------
LIMITS = 'max_steps', 'max_epochs', 'max_minutes'
MODEL = [field.name for field in fields(Config) if not field.name.endswith('_vocab')]

# -----------------------------------------------------------------------------
# batches: sentences of like length side by side, so that little is padding

POOL, RUN = 1 << 17, 1 << 10    # sentences that are sorted by length together; neighbours drawn together

def make_batches(numbers, source_offsets, target_offsets, batch_tokens, random):
    """
    Sentence numbers as a list of arrays. A batch has at most batch_tokens target tokens, padding and <eos>
    counted, or one sentence. How many there are does not depend on what is drawn.
    """
    numbers = random.permutation(numbers)
    source_lengths, target_lengths = (offsets[numbers + 1] - offsets[numbers]
                                      for offsets in (source_offsets, target_offsets))
    order = np.lexsort((source_lengths, target_lengths))        # ties stay as they were drawn
    numbers, widths = numbers[order], target_lengths[order] + 1
    batches, start = [], 0
    while start < len(numbers):
        tokens = widths[start:start + batch_tokens]             # of a batch that ends here:
        tokens = tokens * np.arange(1, len(tokens) + 1)
        end = start + max(1, np.searchsorted(tokens, batch_tokens, side='right'))
        batches.append(numbers[start:end])
        start = end
    return [batches[i] for i in random.permutation(len(batches))]

def iterate_batches(place, source_offsets, target_offsets):
    """
    The endless row of batches from a place (epoch, pool, batch) on. Yields each batch, the place after it,
    and how many epochs are over then. Sentences are drawn in runs of neighbours, so that the disk is read in
    runs, and sorted a pool at a time, so that millions of them are ready at once.
    """
    n = len(target_offsets) - 1
    for epoch in itertools.count(place[0]):
        runs = np.random.default_rng([seed, epoch]).permutation(-(-n // RUN))
        n_pools = -(-len(runs) * RUN // POOL)
        for p in range(place[1] if epoch == place[0] else 0, n_pools):
            mine = runs[p * POOL // RUN:(p + 1) * POOL // RUN]
            numbers = (mine[:, None] * RUN + np.arange(RUN)).ravel()
            batches = make_batches(numbers[numbers < n], source_offsets, target_offsets,
                                   batch_tokens * grad_accum, np.random.default_rng([seed, epoch, p]))
            for b, batch in enumerate(batches, 1):
                if (epoch, p, b) > tuple(place):
                    over = p * POOL // RUN + b / len(batches) * len(mine)       # runs of this epoch
                    yield batch, (epoch, p, b), epoch + over / len(runs)

def pad(numbers, ids, offsets):
    """Sentences of a set -> ids (B, longest), each with <eos> and padding behind it; the lengths (B,)."""
    lengths = offsets[numbers + 1] - offsets[numbers]
    columns = np.arange(lengths.max() + 1)
    words = columns < lengths[:, None]                                                  # (B, longest)
    padded = np.full(words.shape, PAD)
    padded[words] = ids[(offsets[numbers][:, None] + columns)[words]]
    padded[np.arange(len(numbers)), lengths] = EOS
    return torch.from_numpy(padded), torch.from_numpy(lengths + 1)

def to_batch(numbers, source, target, device):
    """
    Sentences of source and target, each (ids, offsets), as tensors: source (B, S), source_lengths (B,) on the
    CPU, target_in (B, T), target_out (B, T); and how many target words there are, each <eos> counted.
    """
    source, source_lengths = pad(numbers, *source)                                      # (B, S), (B,)
    target_out, target_lengths = pad(numbers, *target)                                  # (B, T), (B,)
    target_in = target_out.roll(1, dims=1)                                              # (B, T)
    target_in[target_in == EOS] = PAD
    target_in[:, 0] = BOS
    source, target_in, target_out = (x.to(device, non_blocking=True) for x in (source, target_in, target_out))
    return source, source_lengths, target_in, target_out, int(target_lengths.sum())

# -----------------------------------------------------------------------------
# a step, alone or together with other processes

class LossModule(torch.nn.Module):
    """The model's loss as a forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, model, device, dtype):
        super().__init__()
        self.model, self.device, self.dtype = model, device, dtype

    def forward(self, *batch):
        with autocast(self.device, self.dtype):
            return self.model.loss(*batch, label_smoothing, sampled_words)

def count_words(numbers, offsets):
    """How many words the sentences have, each <eos> counted."""
    return int((offsets[numbers + 1] - offsets[numbers] + 1).sum())

def micro_batches(numbers, train_set, device, rank, world):
    """
    What one of `world` processes does of a step: grad_accum batches, and what part of the step's target words
    each has. The shares are those of the whole, so the loss is a mean over words, not over batches.
    """
    n_words, n_parts = count_words(numbers, train_set[1][1]), grad_accum * world
    for i in range(rank, n_parts, world):
        mine = numbers[i::n_parts]
        *batch, words = to_batch(mine if len(mine) else numbers[:1], *train_set, device)
        yield batch, (words / n_words if len(mine) else 0.0)

def train_step(loss_module, parts, rate, optimizer, scaler, world):
    """One update with the gradients of all parts; returns the mean plain loss and the gradient's norm."""
    mean = 0.0
    for i, (batch, share) in enumerate(parts):
        loss_module.require_backward_grad_sync = i == len(parts) - 1    # the processes meet once a step
        # ---- the core: a batch, its loss, the gradient, a step downhill ----
        if tbptt:
            plain = truncated_bptt(loss_module, *batch, share, scaler)
        else:
            loss, plain = loss_module(*batch)
            scaler.scale(loss * share * world).backward()           # and average their gradients
        mean += plain * share
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(loss_module.parameters(), grad_clip or math.inf)
    optimizer.param_groups[0]['lr'] = rate
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    # ------------------------------------------------------------------------
    return mean, norm

def truncated_bptt(loss_module, source, source_lengths, target_in, target_out, share, scaler):
    """
    Truncated backpropagation through time (Williams & Peng 1990): the decoder's state goes on from segment to
    segment of tbptt words, its gradient does not, so that only one segment stands in memory. What they all
    ask of the encoder is added up, and goes back through it at the end.
    """
    model, cast = loss_module.model, autocast(loss_module.device, loss_module.dtype)
    with cast:
        memory = model.encode(source, source_lengths)
    cut = type(memory)(*(m.detach().requires_grad_(m.is_floating_point()) for m in memory))
    state, mean, n_words = model.init_decoder_state(cut, 1), 0.0, (target_out != PAD).sum()
    for words_in, words_out in zip(target_in.split(tbptt, dim=1), target_out.split(tbptt, dim=1)):
        with cast:
            loss, plain, state = model.loss_from(cut, state, words_in, words_out, label_smoothing,
                                                 sampled_words)
        part = (words_out != PAD).sum() / n_words
        scaler.scale(loss * part * share).backward()
        state = {name: s.detach() for name, s in state.items()}
        mean += plain * part
    torch.autograd.backward(*zip(*((m, c.grad) for m, c in zip(memory, cut) if c.grad is not None)))
    return mean

def init_distributed():
    """Under torchrun this process's number and how many there are, else 0 and 1; only number 0 speaks."""
    if 'RANK' not in os.environ:
        return 0, 1
    dist.init_process_group('cpu:gloo,cuda:nccl' if torch.cuda.is_available() else 'gloo')
    atexit.register(dist.destroy_process_group)
    if dist.get_rank() > 0:
        sys.stdout = open(os.devnull, 'w')
    return dist.get_rank(), dist.get_world_size()

# -----------------------------------------------------------------------------
# what happens beside the steps

@torch.no_grad()
def evaluate(model, source, target, device, dtype, rank=0, world=1):
    """Cross entropy in nats a target word over a whole split, without smoothing or dropout."""
    model.eval()
    total = torch.zeros(2, dtype=torch.double)                  # nats, words
    everything = np.arange(len(target[1]) - 1)
    batches = make_batches(everything, source[1], target[1], batch_tokens, np.random.default_rng(0))
    for numbers in batches[rank::world]:
        *batch, n_words = to_batch(numbers, source, target, device)
        with autocast(device, dtype):
            _, plain = model.loss(*batch)
        total += torch.tensor([plain.item() * n_words, n_words], dtype=torch.double)
    if world > 1:
        dist.all_reduce(total)
    model.train()
    return (total[0] / total[1]).item()

def draw_progress(running):
    """The page of this run; should drawing fail, it is said once, and training goes on."""
    try:
        plots.draw_run(out_dir, plot_dir, running)
    except (Exception, SystemExit) as error:
        globals()['plot'] = False
        print(f'the pictures are not drawn any more: {error!r}', file=sys.stderr)

def progress(step, epoch, minutes):
    """How much of the run is done, from 0 to 1, by the limit that comes first."""
    limits = (step, max_steps), (epoch, max_epochs), (minutes, max_minutes)
    return min(1.0, max(done / limit if limit else 0.0 for done, limit in limits))

def learning_rate_at(step, done):
    """A linear warm-up times half a cosine over the whole run (Loshchilov & Hutter 2017)."""
    return learning_rate * min(1.0, (step + 1) / warmup_steps) * (1 + math.cos(math.pi * done)) / 2

def say(line):
    """Print at once; where nobody reads along any more, tee or head, training goes on for its own sake."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, 'w')

def check_finite(loss, what, step, rate):
    if not math.isfinite(loss):
        fail(f'the {what} is {loss} at step {step}, learning rate {rate:.2e}: try a third of '
             f'--learning_rate, or --dtype=float32; what {out_dir}/ holds is from before')

def count_flops(config, batches, device, dtype):
    """
    Operations of forward and backward passes over some batches, those of the matrix products. torch's counter
    does not see into torch's recurrent cells, so it counts those of ours, which are equal.
    """
    twin = build(replace(config, scratch=config.arch == 'seq2seq', manual_backward=False)).to(device)
    loss_module = LossModule(twin, device, dtype)
    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            loss_module(*batch)[0].backward()
    return counter.get_total_flops()

def matmul_speed(device, dtype, wait, size=2048):
    """Operations a second of a large matrix product, the best in half a second: what a step could reach."""
    a, b, best, since = *torch.randn(2, size, size, device=device).to(dtype), math.inf, time.perf_counter()
    while time.perf_counter() < since + 0.5:
        began = time.perf_counter()
        a @ b
        wait()
        best = min(best, time.perf_counter() - began)
    return 2 * size ** 3 / best

def peak_memory(device):
    """The most memory this process has held, in MB; nan where the system does not tell."""
    if device.startswith('cuda'):
        return torch.cuda.max_memory_allocated() / 2 ** 20
    if sys.platform == 'linux':         # where ru_maxrss is at least that of the process that began this one
        with open('/proc/self/status') as status:
            peaks = [int(line.split()[1]) for line in status if line.startswith('VmHWM:')]       # kilobytes
        return peaks[0] / 2 ** 10 if peaks else math.nan
    if sys.platform == 'darwin':
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20
    return math.nan

def report_speed(config, batches, train_set, loss_module, optimizer, scaler, device, dtype, rank, world):
    """--benchmark: time steps, after a few to warm up, and print what they reach, one `key value` a line."""
    def wait():
        if device != 'cpu':
            getattr(torch, device.split(':')[0]).synchronize()      # cuda or mps
    warm, steps, some = min(10, benchmark), [], []
    for step, (numbers, _, _) in enumerate(itertools.islice(batches, warm + benchmark)):
        began = time.perf_counter()
        parts = list(micro_batches(numbers, train_set, device, rank, world))
        loaded = time.perf_counter()
        train_step(loss_module, parts, learning_rate_at(step, 0.0), optimizer, scaler, world)
        wait()
        ended = time.perf_counter()
        if step >= warm:
            words = [count_words(numbers, offsets) for _, offsets in train_set]
            cells = sum(batch[i].numel() for batch, _ in parts for i in (0, 3)) * world
            steps.append((*words, cells, loaded - began, ended - began))
            some += [(batch, (ended - began) / len(parts)) for batch, _ in parts if len(some) < 10]
    source_words, target_words, cells, loading, seconds = np.sum(steps, axis=0)
    median, fast, slow = np.percentile([step[-1] for step in steps], [50, 10, 90]) * 1000
    peak = peak_memory(device)                                  # before what follows adds to it
    model_speed = count_flops(config, [batch for batch, _ in some], device, dtype) / sum(s for _, s in some)
    limit = matmul_speed(device, dtype, wait)
    with torch.profiler.profile() as profiler:
        train_step(loss_module, parts, 0.0, optimizer, scaler, world)
    calls = profiler.key_averages()
    profiled = sum(call.self_cpu_time_total for call in calls)          # microseconds
    for key, value in dict(
            target_tokens_per_second=target_words / seconds, source_tokens_per_second=source_words / seconds,
            padding_share=1 - (source_words + target_words) / cells, step_ms_median=median, step_ms_p10=fast,
            step_ms_p90=slow, loader_share=loading / seconds, peak_memory_mb=peak,
            model_gflops_per_second=model_speed / 1e9, matmul_gflops_per_second=limit / 1e9,
            matmul_share=model_speed / limit).items():
        print(f'{key} {value:.6g}')
    # where the processor's time goes; what a call calls is counted with it
    for call in sorted(calls, key=lambda call: -call.cpu_time_total)[:12]:
        if 'autograd::engine' not in call.key:
            print(f'time_in_{call.key} {call.cpu_time_total / profiled:.3f}')

# -----------------------------------------------------------------------------

def main(given):
    # the settings, and what a run that is resumed left behind
    rank, world = init_distributed()
    keep_freed_memory()
    saved = read_checkpoint(f'{out_dir}/last.pt', spare=f'{out_dir}/previous.pt') if resume else {}
    if resume and 'spent' not in saved:
        fail(f'{out_dir}/last.pt cannot be resumed: it is a copy of a best.pt, or of an older version')
    mine = [*given, 'resume', 'out_dir', *(LIMITS if set(LIMITS) & set(given) else [])]
    globals().update({name: value for name, value in saved.get('config', {}).items() if name not in mine})
    if not (max_steps or max_epochs or max_minutes):
        globals()['max_epochs'] = 3.0
    if min(batch_tokens, grad_accum, log_interval, eval_interval, eval_sentences, warmup_steps) < 1:
        fail('--batch_tokens, --grad_accum, --log_interval, --eval_interval, --eval_sentences, '
             '--warmup_steps are at least 1')
    if label_smoothing >= 1 or average >= 1:
        fail('--label_smoothing and --average are from 0 to less than 1')
    if tbptt and (arch == 'transformer' or world > 1):
        fail('--tbptt cuts the gradient of a recurrent state, in one process: not with --arch=transformer, '
             'and not with torchrun')
    config = config_of(globals())

    # the data, memory-mapped
    meta = read_meta(data_dir)
    languages = meta['source_lang'], meta['target_lang']
    train_set = [read_ids(data_dir, 'train', lang, meta) for lang in languages]
    valid_set = [read_ids(data_dir, 'valid', lang, meta) for lang in languages]
    vocabs = source_vocab, target_vocab = [read_vocabulary(data_dir, lang) for lang in languages]
    sources, references = (list(itertools.islice(read_lines(f'{data_dir}/valid.{lang}'), eval_sentences))
                           for lang in languages)
    model_config = {'source_vocab': len(source_vocab), 'target_vocab': len(target_vocab),
                    **{name: config[name] for name in MODEL}}
    of_data = {'source_words': source_vocab.words, 'target_words': target_vocab.words, 'data': meta['files']}
    if resume and any(saved[name] != value for name, value in of_data.items()):
        fail(f'{out_dir}/last.pt was trained with another text or vocabulary than {data_dir}/ has: name the '
             '--data_dir it was trained on, or start anew without --resume')
    # no weight hangs on these three
    fixed = [name for name in MODEL if name not in ('scratch', 'manual_backward', 'dropout')]
    old = saved.get('model_config', model_config)
    if changed := ' '.join(f'--{name}' for name in fixed if old.get(name) != model_config[name]):
        fail(f'{out_dir}/last.pt holds another model: leave out {changed}, or start anew without --resume')

    # the model and its optimizer
    torch.manual_seed(seed)
    mine = f'cuda:{os.environ["LOCAL_RANK"]}' if world > 1 else 'cuda'     # of this machine's GPUs
    where = choose_device(mine if device in ('auto', 'cuda') and torch.cuda.is_available() else device)
    if where.startswith('cuda:'):
        torch.cuda.set_device(where)
    kind = choose_dtype(dtype, where)
    model = build(Config(**model_config)).to(where)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay,
                                  fused=where != 'mps')
    scaler = torch.amp.GradScaler(where.split(':')[0], enabled=kind == torch.float16)
    # what is evaluated and becomes best.pt: the model, or the mean of what it was lately
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average)) if average else None
    shown = averaged.module if averaged else model
    step, place, epoch, best, worse, seconds = 0, (0, 0, 0), 0.0, math.inf, 0, 0.0
    losses, norms, words, spent = [], [], 0, 0.0                # since the last line of the log
    if resume:
        model.load_state_dict(saved['model'])
        optimizer.load_state_dict(saved['optimizer'])
        optimizer.param_groups[0]['weight_decay'] = weight_decay        # which may be given anew
        scaler.load_state_dict(saved['scaler'])
        if averaged and saved['averaged']:
            averaged.load_state_dict(saved['averaged'])
        step, place, epoch, best, worse, seconds, words, spent = (
            saved[name] for name in ('step', 'place', 'epoch', 'best', 'worse', 'seconds', 'words', 'spent'))
        losses, norms = list(saved['losses'].to(where)), list(saved['norms'].to(where))
    loss_module = LossModule(model, where, kind)
    if world > 1:
        loss_module = torch.nn.zip_parallel.DistributedDataParallel(loss_module)
    batches = iterate_batches(place, train_set[0][1], train_set[1][1])
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f'{where}, {str(kind)[6:]}, {n_parameters:,} parameters, {len(source_vocab):,} and '
          f'{len(target_vocab):,} words, {len(train_set[1][1]) - 1:,} pairs')
    if benchmark:
        return report_speed(Config(**model_config), batches, train_set, loss_module, optimizer, scaler, where,
                            kind, rank, world)

    # the log; what a run that is resumed had logged after its checkpoint is forgotten
    versions = {'python': platform.python_version(), 'torch': torch.__version__, 'numpy': np.__version__}
    entries = [{'config': config, 'parameters': n_parameters, 'device': where, 'processes': world,
                'dtype': str(kind)[6:], **versions, 'data': meta['files']}]
    if os.path.exists(f'{out_dir}/log.jsonl') and resume:
        entries += [entry for entry in plots.read_log(out_dir)[1:] if entry['step'] <= step]
    log_file = open(os.devnull, 'w')
    if rank == 0:
        with atomic_write(f'{out_dir}/log.jsonl', 'w', encoding='utf-8') as file:
            file.writelines(json.dumps(entry) + '\n' for entry in entries)
        log_file = open(f'{out_dir}/log.jsonl', 'a', encoding='utf-8')

    def log(**entry):
        print(json.dumps({'step': step, **entry}), file=log_file, flush=True)

    def save(name, **more):
        with atomic_write(f'{out_dir}/{name}') as file:
            try:
                torch.save({'format': 'nanoseq2seq 1', 'model_config': model_config, 'config': config,
                            **of_data, 'step': step, 'best': best,
                            **more}, file)
            except RuntimeError:                    # which hides what the system said
                fail(f'cannot write {out_dir}/{name}, is the disk full? Make room, and go on with --resume')
            if name == 'last.pt' and os.path.exists(f'{out_dir}/last.pt'):
                os.replace(f'{out_dir}/last.pt', f'{out_dir}/previous.pt')      # should this one be damaged

    asked = []                                                  # to end the run
    signal.signal(signal.SIGTERM, lambda *_: asked.append('interrupted'))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130) if asked else asked.append('interrupted'))
    began, since, draw_next = time.time() - seconds, time.time() - spent, 0.0
    resumed_at = step if resume else -1
    model.train()
    while True:
        seconds = time.time() - began
        done, stop = progress(step, epoch, seconds / 60), asked[:1]     # stop: why the run ends
        if world > 1:                                           # clocks and Ctrl-C differ: number 0's count
            told = torch.tensor([done, len(stop)], dtype=torch.double)
            dist.broadcast(told, 0)
            done, stop = told[0].item(), ['interrupted'] * int(told[1].item())
        if done == 1:
            stop.append('the limit is reached')

        # evaluate now and then, and save
        if step != resumed_at and (step % eval_interval == 0 or done == 1):
            paused = time.time()
            loss = evaluate(shown, *valid_set, where, kind, rank, world)
            check_finite(loss, 'validation loss', step, learning_rate_at(step, done))
            best, worse = (loss, 0) if loss < best else (best, worse + 1)
            if 0 < patience <= worse:
                stop.append(f'no improvement in {patience} evaluations')
            if rank == 0:
                outputs = [found[0][0] for found in translate(sources, shown.eval(), *vocabs, beam_size=1,
                                                              dtype=kind)]
                shown.train()
                score = bleu(outputs, references)
                rank_text = 'the best so far' if worse == 0 else f'{worse} without improvement'
                print(f'\nstep {step}: validation loss {loss:.4f} nats a word, perplexity '
                      f'{math.exp(min(loss, 99)):.2f}, BLEU {score:.2f}, {rank_text}')
                examples = list(zip(sources[:3], references[:3], outputs[:3]))
                for triple in examples:
                    print('    source     {}\n    reference  {}\n    output     {}\n'.format(*triple))
                log(valid_loss=loss, valid_bleu=score, minutes=seconds / 60, examples=examples)
                if worse == 0:
                    save('best.pt', model=shown.state_dict())
                if plot and time.time() >= draw_next:
                    began_drawing = time.time()
                    draw_progress(running=True)
                    draw_next = time.time() + 100 * (time.time() - began_drawing)       # 1 % of the time
            since += time.time() - paused
        if rank == 0 and step != resumed_at and (stop or step % eval_interval == 0):
            save('last.pt', model=model.state_dict(), optimizer=optimizer.state_dict(),
                 scaler=scaler.state_dict(), averaged=averaged.state_dict() if averaged else {},
                 place=place, epoch=epoch, worse=worse, seconds=seconds, losses=torch.tensor(losses),
                 norms=torch.tensor(norms), words=words, spent=time.time() - since)
        if stop:
            break

        numbers, place, epoch = next(batches)
        torch.manual_seed(hash((seed, step, rank)))             # dropout's masks hang on the step alone
        parts = list(micro_batches(numbers, train_set, where, rank, world))
        rate = learning_rate_at(step, done)
        loss, norm = train_step(loss_module, parts, rate, optimizer, scaler, world)
        if world > 1:
            dist.all_reduce(loss)                               # each has that of its share
        if averaged:
            averaged.update_parameters(model)
        step += 1

        losses.append(loss), norms.append(norm)
        words += count_words(numbers, train_set[1][1])
        if step % log_interval == 0:
            loss, norm = (torch.stack(values).mean().item() for values in (losses, norms))
            check_finite(loss, 'loss', step, rate)
            speed, left = words / (time.time() - since), seconds / done * (1 - done) if done else 0.0
            say(f'step {step} | loss {loss:.4f} | grad norm {norm:.2f} | lr {rate:.2e} | '
                f'{speed:,.0f} tokens/s | {timedelta(seconds=int(left))} left')
            log(loss=loss, grad_norm=norm, learning_rate=rate, tokens_per_second=speed, words=words,
                minutes=seconds / 60, minutes_left=left / 60)
            losses, norms, words, since = [], [], 0, time.time()

    if plot and rank == 0:
        draw_progress(running=False)
    if world > 1:
        dist.barrier()              # nobody leaves while number 0 still saves
    say(f'ended at step {step}, {stop[0]}; best validation loss {best:.4f}; next:  python sample.py '
        + (f'--checkpoint={out_dir}/best.pt ' if out_dir != 'checkpoints' else '') + '--text="..."')
    if stop[0] == 'interrupted':
        sys.exit(130)               # what stands behind && in the shell does not begin

if __name__ == '__main__':
    try:
        main(parse_command_line(globals()))
    except KeyboardInterrupt:                       # before the first step
        print('stopped', file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        fail(f'{error.filename or out_dir}: {error.strerror or error}')
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        fail(f'out of memory: halve --batch_tokens={batch_tokens} and double --grad_accum={grad_accum}, so '
             'that an update has as many words as before, or take a smaller model')
