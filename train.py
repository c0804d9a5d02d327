"""
Train the translator: on the GPU where there is one, on the CPU where not.

    python train.py                                         (the toy corpus: some minutes on two CPU cores)
    python train.py --data_dir=data/multi30k --out_dir=checkpoints/multi30k --max_minutes=10
    python train.py --resume                                (go on where the last run stopped, however it stopped)

Reads the ids in data/, writes checkpoints/{best,last}.pt and log.jsonl, and redraws training_plots/loss.svg.
Ctrl-C saves and stops.
"""
import itertools, json, math, os, signal, sys, time

import numpy as np
import torch

import plot as plots
from model import Config, Seq2Seq, autocast, choose_device, choose_dtype
from sample import pad, read_checkpoint, translate
from tokenizer import BOS, EOS, PAD, fail, override, read_ids, read_lines, read_meta, read_vocabulary, replacing, settings

# -----------------------------------------------------------------------------
# config
data_dir = 'data'           # the folder that prepare.py and tokenizer.py filled
out_dir = 'checkpoints'     # best.pt, last.pt and log.jsonl go here
resume = False              # go on from out_dir/last.pt; what is not given on the command line stays as it was
plot_dir = 'training_plots' # where loss.svg is drawn
plot = True                 # draw it at every evaluation
# the model
attention = 'general'       # none, or general (Luong et al. 2015)
bidirectional = True        # the encoder reads both ways, with half of n_hidden each
scratch = False             # the LSTM written by hand instead of torch's: the same numbers, slower
n_layer = 1                 # layers of encoder and decoder
n_embd = 256                # size of a word's vector
n_hidden = 512              # size of the LSTM's state
dropout = 0.3               # share of activations zeroed in training; more for little data
# the training
batch_tokens = 1500         # target tokens a batch; twice as many want about 1.4 times the learning rate
max_steps = 0               # stop after so many updates, ...
max_epochs = 0.0            # ... passes over the data, ...
max_minutes = 0.0           # ... or minutes, whichever comes first; with all three 0: 4 epochs
learning_rate = 2e-3        # after the warm-up; from there it falls to zero on a half cosine
warmup_steps = 200          # steps in which the learning rate grows to its full size
weight_decay = 0.01         # AdamW's
label_smoothing = 0.1       # probability given to all the other words (Szegedy et al. 2016)
grad_clip = 1.0             # greatest norm of the gradient
log_interval = 50           # steps between progress lines
eval_interval = 500         # steps between evaluations, each of which saves
patience = 10               # evaluations without improvement before training stops
seed = 1                    # of the initial weights, the order of the batches and the dropout
device = 'auto'             # auto, cpu, cuda, cuda:1, mps
dtype = 'auto'              # auto, float32, bfloat16, float16
MODEL = 'attention', 'bidirectional', 'scratch', 'n_layer', 'n_embd', 'n_hidden', 'dropout'

# -----------------------------------------------------------------------------
# batches: sentences of similar length side by side, so that little is padding

def make_batches(source_lengths, target_lengths, batch_tokens, seed):
    """
    One epoch: arrays of sentence numbers, each batch with at most batch_tokens target tokens (or one sentence), padding
    and <eos> counted. The order is random, the same for the same seed; how many batches there are is always the same.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(target_lengths))
    order = order[np.lexsort((source_lengths[order], target_lengths[order]))]     # ties stay in their random order
    batches, start = [], 0
    while start < len(order):
        end = min(start + batch_tokens, len(order))
        widths = (target_lengths[order[start:end]] + 1) * np.arange(1, end - start + 1)
        end = start + max(1, np.searchsorted(widths, batch_tokens, side='right'))
        batches.append(order[start:end])
        start = end
    return [batches[i] for i in random.permutation(len(batches))]

def batches_from(step, epoch_steps, source_lengths, target_lengths):
    """The endless row of batches from a step on: where a run stands in its data is told by the step alone."""
    while True:
        batches = make_batches(source_lengths, target_lengths, batch_tokens, [seed, step // epoch_steps])
        yield from batches[step % epoch_steps:]
        step += epoch_steps - step % epoch_steps

def to_batch(numbers, source, target, device):
    """source, target: (ids, offsets) -> source (B, S), source_lengths (B,), target_in (B, T), target_out (B, T)
    and how many target words there are."""
    sentences = [[ids[offsets[i]:offsets[i + 1]].tolist() for i in numbers] for ids, offsets in (source, target)]
    source_ids, lengths = pad([s + [EOS] for s in sentences[0]])                                     # (B, S), (B,)
    target_ids, _ = pad([[BOS] + s + [EOS] for s in sentences[1]])                                   # (B, T + 1)
    n_words = sum(len(s) + 1 for s in sentences[1])
    source_ids, target_ids = source_ids.to(device), target_ids.to(device)
    target_in = target_ids[:, :-1].masked_fill(target_ids[:, :-1] == EOS, 0)                         # (B, T)
    return source_ids, lengths, target_in, target_ids[:, 1:], n_words

# -----------------------------------------------------------------------------
# what happens beside the steps

@torch.no_grad()
def evaluate(model, source, target, device, dtype):
    """Cross entropy in nats a target word over a whole split, without smoothing or dropout."""
    model.eval()
    total, words = 0.0, 0
    for numbers in make_batches(np.diff(source[1]), np.diff(target[1]), 4000, seed=0):
        *batch, n_words = to_batch(numbers, source, target, device)
        with autocast(device, dtype):
            total += model.loss(*batch)[1].item() * n_words
        words += n_words
    model.train()
    return total / words

def progress(step, epoch, minutes):
    """How much of the run is behind us, from 0 to 1, by the limit that comes first."""
    limits = (step, max_steps), (epoch, max_epochs), (minutes, max_minutes)
    return min(1.0, max(done / limit if limit else 0.0 for done, limit in limits))

def learning_rate_at(step, done):
    """Linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017)."""
    return learning_rate * min(1.0, (step + 1) / warmup_steps) * (1 + math.cos(math.pi * done)) / 2

def show_triples(sources, references, model, source_vocab, target_vocab, dtype):
    """Some validation sentences, as they are, should become, and do become (greedily)."""
    model.eval()
    found = translate(sources, model, source_vocab, target_vocab, beam_size=1, dtype=dtype)
    model.train()
    for source, reference, ((output, _),) in zip(sources, references, found):
        print(f'    source     {source}\n    reference  {reference}\n    output     {output}\n')

def clock(seconds):
    return f'{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}'


# -----------------------------------------------------------------------------

def main(given):
    global max_epochs
    # the data, memory-mapped
    meta = read_meta(data_dir)
    languages = meta['source_lang'], meta['target_lang']
    train_set = [read_ids(data_dir, 'train', lang, meta) for lang in languages]
    valid_set = [read_ids(data_dir, 'valid', lang, meta) for lang in languages]
    source_vocab, target_vocab = (read_vocabulary(data_dir, lang) for lang in languages)
    source_lengths, target_lengths = (np.diff(offsets) for _, offsets in train_set)
    epoch_steps = len(make_batches(source_lengths, target_lengths, batch_tokens, 0))
    triples = [list(itertools.islice(read_lines(f'{data_dir}/valid.{lang}'), 3)) for lang in languages]

    # a new run, or the last one's state
    os.makedirs(out_dir, exist_ok=True)
    saved = read_checkpoint(f'{out_dir}/last.pt') if resume else {}
    globals().update({k: v for k, v in saved.get('config', {}).items() if k not in given})
    config = settings(globals())
    model_config = {k: config[k] for k in MODEL}
    model_config.update(source_vocab=len(source_vocab), target_vocab=len(target_vocab))
    if resume and (saved['source_words'], saved['target_words']) != (source_vocab.words, target_vocab.words):
        fail(f'{out_dir}/last.pt was trained with another vocabulary than {data_dir}/ has: give the --data_dir it was '
             'trained on, or start anew without --resume')
    if resume and saved['model_config'] != model_config:
        fail(f'{out_dir}/last.pt holds another model: leave out ' + ' '.join(f'--{k}' for k in given if k in MODEL))
    if not (max_steps or max_epochs or max_minutes):
        max_epochs = 4.0
    torch.manual_seed(seed)
    where = choose_device(device)
    kind = choose_dtype(dtype, where)
    model = Seq2Seq(Config(**model_config)).to(where)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay, fused=where != 'mps')
    scaler = torch.amp.GradScaler(where.split(':')[0], enabled=kind == torch.float16)
    step, best, worse, seconds = 0, math.inf, 0, 0.0      # `worse`: evaluations since the best one
    if resume:
        model.load_state_dict(saved['model'])
        optimizer.load_state_dict(saved['optimizer'])
        scaler.load_state_dict(saved['scaler'])
        torch.set_rng_state(saved['random'])
        step, best, worse, seconds = (saved[k] for k in ('step', 'best', 'worse', 'seconds'))
        torch.cuda.set_rng_state_all(saved['cuda_random'])

    # the log: on resuming, what was logged after the checkpoint is forgotten
    kept = [entry for entry in plots.read_log(out_dir) if entry.get('step', 0) <= step] if resume else []
    header = {'config': config, 'parameters': sum(p.numel() for p in model.parameters()), 'device': where,
              'dtype': str(kind).split('.')[1], 'torch': torch.__version__, 'data': meta['files']}
    with replacing(f'{out_dir}/log.jsonl', 'w', encoding='utf-8') as file:
        file.writelines(json.dumps(entry) + '\n' for entry in kept or [header])
    log_file = open(f'{out_dir}/log.jsonl', 'a', encoding='utf-8')

    def log(**entry):
        print(json.dumps({'step': step, **entry}), file=log_file, flush=True)

    def save(name, **more):
        with replacing(f'{out_dir}/{name}') as file:
            torch.save({'format': 'nanoseq2seq 1', 'model': model.state_dict(), 'model_config': model_config,
                        'source_words': source_vocab.words, 'target_words': target_vocab.words, 'config': config,
                        'step': step, 'best': best, **more}, file)

    print(f'{where}, {header["dtype"]}, {header["parameters"]:,} parameters; {len(source_vocab):,} {languages[0]} and '
          f'{len(target_vocab):,} {languages[1]} words; {len(target_lengths):,} pairs, {epoch_steps:,} steps an epoch')

    stop = []                                             # a reason to end the run
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130) if stop else stop.append('interrupted'))
    began, resumed_at = time.time() - seconds, step if resume else None
    batches = batches_from(step, epoch_steps, source_lengths, target_lengths)
    losses, norms, words, since = [], [], 0, time.time()
    model.train()
    while True:
        seconds = time.time() - began
        done = progress(step, step / epoch_steps, seconds / 60)
        if done == 1:
            stop.append('the limit is reached')

        # evaluate, and save what is the best so far
        if step % eval_interval == 0 and step != resumed_at or done == 1:
            loss = evaluate(model, *valid_set, where, kind)
            best, worse = (loss, 0) if loss < best else (best, worse + 1)
            if worse == patience:
                stop.append(f'no improvement in {patience} evaluations')
            print(f'\nstep {step}: validation loss {loss:.4f} nats a word, perplexity {math.exp(min(loss, 99)):.2f}'
                  + (', the best so far' if worse == 0 else f', {worse} without improvement'))
            show_triples(*triples, model, source_vocab, target_vocab, kind)
            log(valid_loss=loss, minutes=seconds / 60)
            if worse == 0:
                save('best.pt')
            if plot:
                plots.draw_losses(out_dir, plot_dir)
            since = time.time()
        if stop or step % eval_interval == 0:
            save('last.pt', optimizer=optimizer.state_dict(), scaler=scaler.state_dict(), worse=worse, seconds=seconds,
                 random=torch.get_rng_state(), cuda_random=torch.cuda.get_rng_state_all())
        if stop:
            break

        # ---- the core: a batch, its loss, the gradient, one step downhill ----
        source, lengths, target_in, target_out, n_words = to_batch(next(batches), *train_set, where)
        with autocast(where, kind):
            loss, plain = model.loss(source, lengths, target_in, target_out, label_smoothing)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        for group in optimizer.param_groups:
            group['lr'] = learning_rate_at(step, done)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        # ----------------------------------------------------------------------

        step += 1
        losses.append(plain), norms.append(norm)
        words += n_words
        if step % log_interval == 0:
            mean, norm = torch.stack(losses).mean().item(), torch.stack(norms).mean().item()
            speed, left = words / (time.time() - since), seconds / done * (1 - done) if done else 0.0
            print(f'step {step} | loss {mean:.4f} | grad norm {norm:.2f} | lr {group["lr"]:.2e} | '
                  f'{speed:,.0f} tokens/s | {clock(left)} left', flush=True)
            log(loss=mean, grad_norm=norm, learning_rate=group['lr'], tokens_per_second=speed, minutes=seconds / 60)
            if not math.isfinite(mean):
                fail(f'the loss is {mean} at step {step}, learning rate {group["lr"]:.2e}: try a tenth of --learning_rate, '
                     f'or --dtype=float32; {out_dir}/best.pt is whole')
            losses, norms, words, since = [], [], 0, time.time()

    print(f'stopped at step {step}: {stop[0]}; best validation loss {best:.4f}; next:  python sample.py '
          + (f'--checkpoint={out_dir}/best.pt ' if out_dir != 'checkpoints' else '') + '--text="..."')

if __name__ == '__main__':
    main(override(globals()))
