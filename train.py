"""
Train the translator: on a GPU where there is one, else on the CPU.

    python train.py                                 (the toy corpus: some minutes on two CPU cores)
    python train.py --data_dir=data/multi30k --out_dir=checkpoints/multi30k --max_minutes=10
    python train.py --resume                        (go on where the last run stopped, however it stopped)

Reads the ids in data/, writes checkpoints/{best,last}.pt and log.jsonl, and draws training_plots/loss.svg.
Ctrl-C saves and stops.
"""
import itertools, json, math, os, signal, sys, time
from dataclasses import fields

import numpy as np
import torch

import plot as plots
from model import Config, autocast, build, choose_device, choose_dtype
from sample import pad, read_checkpoint, translate
from tokenizer import BOS, EOS, fail, override, read_ids, read_lines, read_meta, read_vocabulary
from tokenizer import replacing, settings

# -----------------------------------------------------------------------------
# config
data_dir = 'data'           # the folder that prepare.py and tokenizer.py filled
out_dir = 'checkpoints'     # the folder for best.pt, last.pt and log.jsonl
resume = False              # go on from out_dir/last.pt, with its settings where none are given
plot = True                 # draw the losses at every evaluation ...
plot_dir = 'training_plots' # ... in this folder
# the model
arch = 'seq2seq'            # seq2seq (recurrent), or transformer
cell = 'lstm'               # lstm, gru or rnn
scratch = False             # the cells written by hand instead of torch's: the same numbers
manual_backward = False     # with scratch: the LSTM's backpropagation through time by hand too
attention = 'general'       # none, dot or general (Luong et al. 2015), additive (Bahdanau et al. 2015)
input_feeding = False       # what attention found goes into the next step (Luong et al. 2015)
bidirectional = True        # the encoder reads both ways, with half of n_hidden each
reverse_source = False      # the encoder reads the last word first (Sutskever et al. 2014)
tied = True                 # the output layer's vectors of words are their embeddings
n_layer = 1                 # layers of encoder and decoder
n_embd = 256                # size of a word's vector, of the transformer all through
n_hidden = 512              # size of the cell's state, or within the transformer's feed-forward layers
n_head = 4                  # heads of the transformer's attention
dropout = 0.3               # share of the activations zeroed in training: more for little data
# the training
batch_tokens = 1500         # target tokens a batch: on a GPU rather 8000
max_steps = 0               # stop after so many updates, ...
max_epochs = 0.0            # ... so many passes over the data, ...
max_minutes = 0.0           # ... or so many minutes; with all three at 0: after 3 epochs
learning_rate = 3e-3        # after the warm-up; from there it falls to zero along half a cosine
warmup_steps = 200          # updates in which the learning rate grows to its full size
weight_decay = 0.01         # AdamW's
label_smoothing = 0.1       # probability given to all the other words (Szegedy et al. 2016)
grad_clip = 1.0             # greatest norm of the gradient
log_interval = 50           # updates between progress lines
eval_interval = 500         # updates between evaluations, each of which saves
patience = 10               # evaluations without improvement before the run ends, 0: it never does for that
seed = 1                    # of the first weights, the order of the batches and the dropout
device = 'auto'             # auto, cpu, cuda, cuda:1, mps
dtype = 'auto'              # auto, float32, bfloat16, float16
# -----------------------------------------------------------------------------
LIMITS = 'max_steps', 'max_epochs', 'max_minutes'
MODEL = [field.name for field in fields(Config) if not field.name.endswith('_vocab')]

# -----------------------------------------------------------------------------
# batches: sentences of like length side by side, so that little is padding

def make_batches(source_lengths, target_lengths, batch_tokens, seed):
    """
    One epoch as arrays of sentence numbers. A batch has at most batch_tokens target tokens, padding and <eos>
    counted, or one sentence. Their order is drawn from the seed; how many there are does not depend on it.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(target_lengths))
    order = order[np.lexsort((source_lengths[order], target_lengths[order]))]   # ties stay as they were drawn
    batches, start = [], 0
    while start < len(order):
        widths = target_lengths[order[start:start + batch_tokens]] + 1
        tokens = widths * np.arange(1, len(widths) + 1)         # of a batch that ends here
        end = start + max(1, np.searchsorted(tokens, batch_tokens, side='right'))
        batches.append(order[start:end])
        start = end
    return [batches[i] for i in random.permutation(len(batches))]

def batches_from(step, epoch_steps, source_lengths, target_lengths):
    """The endless row of batches from a step on: the step alone tells where in the data a run stands."""
    while True:
        batches = make_batches(source_lengths, target_lengths, batch_tokens, [seed, step // epoch_steps])
        yield from batches[step % epoch_steps:]
        step += epoch_steps - step % epoch_steps

def to_batch(numbers, source, target, device):
    """
    Sentences of source and target, each (ids, offsets), as tensors: source (B, S), source_lengths (B,) on the
    CPU, target_in (B, T), target_out (B, T); and how many target words there are, each <eos> counted.
    """
    sources, targets = ([ids[offsets[i]:offsets[i + 1]].tolist() for i in numbers]
                        for ids, offsets in (source, target))
    source, source_lengths = pad([words + [EOS] for words in sources])                  # (B, S), (B,)
    target_in, _ = pad([[BOS] + words for words in targets])                            # (B, T)
    target_out, target_lengths = pad([words + [EOS] for words in targets])              # (B, T), (B,)
    source, target_in, target_out = (ids.to(device) for ids in (source, target_in, target_out))
    return source, source_lengths, target_in, target_out, int(target_lengths.sum())

# -----------------------------------------------------------------------------
# what happens beside the steps

@torch.no_grad()
def evaluate(model, source, target, device, dtype):
    """Cross entropy in nats a target word over a whole split, without smoothing or dropout."""
    model.eval()
    total, words = 0.0, 0
    for numbers in make_batches(np.diff(source[1]), np.diff(target[1]), batch_tokens, seed=0):
        *batch, n_words = to_batch(numbers, source, target, device)
        with autocast(device, dtype):
            _, plain = model.loss(*batch)
        total, words = total + plain.item() * n_words, words + n_words
    model.train()
    return total / words

def show_triples(sources, references, model, source_vocab, target_vocab, dtype):
    """Some validation sentences as they are, as they should become, and as they do become (greedily)."""
    model.eval()
    found = translate(sources, model, source_vocab, target_vocab, beam_size=1, dtype=dtype)
    model.train()
    for source, reference, ((output, _),) in zip(sources, references, found):
        print(f'    source     {source}\n    reference  {reference}\n    output     {output}\n')

def progress(step, epoch, minutes):
    """How much of the run is done, from 0 to 1, by the limit that comes first."""
    limits = (step, max_steps), (epoch, max_epochs), (minutes, max_minutes)
    return min(1.0, max(done / limit if limit else 0.0 for done, limit in limits))

def learning_rate_at(step, done):
    """Linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017)."""
    return learning_rate * min(1.0, (step + 1) / warmup_steps) * (1 + math.cos(math.pi * done)) / 2

def clock(seconds):
    return f'{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}'

# -----------------------------------------------------------------------------

def main(given):
    # the settings, and what a run that is resumed left behind
    saved = read_checkpoint(f'{out_dir}/last.pt') if resume else {}
    if resume and 'optimizer' not in saved:
        fail(f'{out_dir}/last.pt cannot be resumed: it is a copy of a best.pt, or damaged')
    mine = [*given, 'resume', 'out_dir', *(LIMITS if set(LIMITS) & set(given) else [])]
    globals().update({name: value for name, value in saved.get('config', {}).items() if name not in mine})
    if not (max_steps or max_epochs or max_minutes):
        globals()['max_epochs'] = 3.0
    if min(batch_tokens, log_interval, eval_interval, warmup_steps) < 1:
        fail('--batch_tokens, --log_interval, --eval_interval and --warmup_steps are at least 1')
    if label_smoothing >= 1:
        fail('--label_smoothing is from 0 to less than 1')
    config = settings(globals())

    # the data, memory-mapped
    meta = read_meta(data_dir)
    languages = meta['source_lang'], meta['target_lang']
    train_set = [read_ids(data_dir, 'train', lang, meta) for lang in languages]
    valid_set = [read_ids(data_dir, 'valid', lang, meta) for lang in languages]
    source_vocab, target_vocab = (read_vocabulary(data_dir, lang) for lang in languages)
    source_lengths, target_lengths = (np.diff(offsets) for _, offsets in train_set)
    triples = [list(itertools.islice(read_lines(f'{data_dir}/valid.{lang}'), 3)) for lang in languages]
    model_config = {'source_vocab': len(source_vocab), 'target_vocab': len(target_vocab),
                    **{name: config[name] for name in MODEL}}
    if resume and (saved['source_words'], saved['target_words']) != (source_vocab.words, target_vocab.words):
        fail(f'{out_dir}/last.pt was trained with another vocabulary than that of {data_dir}/: name the '
             '--data_dir it was trained on, or start anew without --resume')
    if resume and saved['model_config'] != model_config:
        old = saved['model_config']
        changed = ' '.join(f'--{name}' for name in MODEL if old.get(name) != model_config[name])
        fail(f'{out_dir}/last.pt holds another model: leave out {changed}, or start anew without --resume')

    # the model and its optimizer
    torch.manual_seed(seed)
    where = choose_device(device)
    kind = choose_dtype(dtype, where)
    model = build(Config(**model_config)).to(where)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay,
                                  fused=where != 'mps')
    scaler = torch.amp.GradScaler(where.split(':')[0], enabled=kind == torch.float16)
    step, best, worse, seconds = 0, math.inf, 0, 0.0            # worse: evaluations since the best one
    if resume:
        model.load_state_dict(saved['model'])
        optimizer.load_state_dict(saved['optimizer'])
        scaler.load_state_dict(saved['scaler'])
        torch.set_rng_state(saved['random'])
        torch.cuda.set_rng_state_all(saved['cuda_random'])
        step, best, worse, seconds = (saved[name] for name in ('step', 'best', 'worse', 'seconds'))

    # the log; what a run that is resumed had logged after its checkpoint is forgotten
    header = {'config': config, 'parameters': sum(p.numel() for p in model.parameters()), 'device': where,
              'dtype': str(kind).split('.')[1], 'torch': torch.__version__, 'data': meta['files']}
    entries = [header]
    if os.path.exists(f'{out_dir}/log.jsonl') and resume:
        entries = [entry for entry in plots.read_log(out_dir) if entry.get('step', 0) <= step]
    with replacing(f'{out_dir}/log.jsonl', 'w', encoding='utf-8') as file:
        file.writelines(json.dumps(entry) + '\n' for entry in entries)
    log_file = open(f'{out_dir}/log.jsonl', 'a', encoding='utf-8')
    epoch_steps = len(make_batches(source_lengths, target_lengths, batch_tokens, seed=0))
    print(f'{where}, {header["dtype"]}, {header["parameters"]:,} parameters, {len(source_vocab):,} and '
          f'{len(target_vocab):,} words, {len(target_lengths):,} pairs, {epoch_steps:,} steps an epoch')

    def log(**entry):
        print(json.dumps({'step': step, **entry}), file=log_file, flush=True)

    def save(name, **more):
        with replacing(f'{out_dir}/{name}') as file:
            torch.save({'format': 'nanoseq2seq 1', 'model': model.state_dict(), 'model_config': model_config,
                        'source_words': source_vocab.words, 'target_words': target_vocab.words,
                        'config': config, 'step': step, 'best': best, **more}, file)

    stop = []                                                   # why to end the run
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130) if stop else stop.append('interrupted'))
    began, resumed_at = time.time() - seconds, step if resume else -1
    batches = batches_from(step, epoch_steps, source_lengths, target_lengths)
    losses, norms, words, since = [], [], 0, time.time()
    model.train()
    while True:
        seconds = time.time() - began
        done = progress(step, step / epoch_steps, seconds / 60)
        if done == 1:
            stop.append('the limit is reached')

        # evaluate now and then, and save
        if step != resumed_at and (step % eval_interval == 0 or done == 1):
            paused = time.time()
            loss = evaluate(model, *valid_set, where, kind)
            best, worse = (loss, 0) if loss < best else (best, worse + 1)
            if 0 < patience <= worse:
                stop.append(f'no improvement in {patience} evaluations')
            rank = 'the best so far' if worse == 0 else f'{worse} without improvement'
            perplexity = f'{math.exp(min(loss, 99)):.2f}'
            print(f'\nstep {step}: validation loss {loss:.4f} nats a word, perplexity {perplexity}, {rank}')
            show_triples(*triples, model, source_vocab, target_vocab, kind)
            log(valid_loss=loss, minutes=seconds / 60)
            if worse == 0:
                save('best.pt')
            if plot:
                plots.draw_losses(out_dir, plot_dir)
            since += time.time() - paused
        if stop or step % eval_interval == 0:
            save('last.pt', optimizer=optimizer.state_dict(), scaler=scaler.state_dict(), worse=worse,
                 seconds=seconds, random=torch.get_rng_state(), cuda_random=torch.cuda.get_rng_state_all())
        if stop:
            break

        # ---- the core: a batch, its loss, the gradient, a step downhill ----
        *batch, n_words = to_batch(next(batches), *train_set, where)
        with autocast(where, kind):
            loss, plain = model.loss(*batch, label_smoothing)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        optimizer.param_groups[0]['lr'] = rate = learning_rate_at(step, done)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        step += 1
        # --------------------------------------------------------------------

        losses.append(plain), norms.append(norm)
        words += n_words
        if step % log_interval == 0:
            loss, norm = torch.stack(losses).mean().item(), torch.stack(norms).mean().item()
            speed, left = words / (time.time() - since), seconds / done * (1 - done) if done else 0.0
            print(f'step {step} | loss {loss:.4f} | grad norm {norm:.2f} | lr {rate:.2e} | '
                  f'{speed:,.0f} tokens/s | {clock(left)} left', flush=True)
            log(loss=loss, grad_norm=norm, learning_rate=rate, tokens_per_second=speed, minutes=seconds / 60)
            if not math.isfinite(loss):
                fail(f'the loss is {loss} at step {step}, learning rate {rate:.2e}: try a third of '
                     f'--learning_rate, or --dtype=float32; {out_dir}/best.pt is whole')
            losses, norms, words, since = [], [], 0, time.time()

    print(f'ended at step {step}, {stop[0]}; best validation loss {best:.4f}; next:  python sample.py '
          + (f'--checkpoint={out_dir}/best.pt ' if out_dir != 'checkpoints' else '') + '--text="..."')

if __name__ == '__main__':
    main(override(globals()))
