"""
Translate with a trained model, and score translations.

    python sample.py --text="Ein Hund läuft im Schnee."
    python sample.py                                (asks for sentences; or give them on standard input)
    python sample.py --input=in.de --output=out.en  (a whole file; stopped, it goes on with --resume)
    python sample.py --text="..." --explain         (the beam search step by step, and the attention)
    python sample.py --evaluate=test                (translate data/test and score it)
    python sample.py --hypotheses=out.en --references=ref.en            (score two files, no model needed)
    python sample.py --hypotheses=new.en --baseline=old.en --references=ref.en      (is new really better?)

From Python, in this folder:

    from sample import load, translate
    model, source_vocab, target_vocab = load('checkpoints/best.pt')
    translate(['Ein Hund schläft.'], model, source_vocab, target_vocab)   # [[('A dog is sleeping.', -0.3)]]
"""
import signal
if __name__ == '__main__':                          # until main() runs, Ctrl-C ends the script without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import builtins, collections, contextlib, functools, importlib, itertools, math, os, sys, threading, time
import warnings, zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import regex
import torch
from torch.nn.utils.rnn import pad_sequence

from model import Config, autocast, build, choose_device, choose_dtype, keep_freed_memory, out_of_memory
from tokenizer import BOS, EOS, JOINER, PAD, UNK, Progress, Vocabulary, atomic_write, decode_lines, fail
from tokenizer import fcntl, normalise, output_path, read_lines, read_meta, read_split, read_vocabulary
from tokenizer import run_script, split, to_text

# -----------------------------------------------------------------------------
# config
checkpoint = 'checkpoints/best.pt'  # the trained model, its vocabularies inside
text = ''                   # what to translate, one sentence a line
input = ''                  # or a file, one sentence a line
output = ''                 # the file for the translations; empty: standard output
resume = False              # continue where an earlier run from input to output was stopped
explain = False             # show how the translation of text was found
evaluate = ''               # valid or test: translate that part of data_dir and score it
data_dir = 'data'           # where evaluate finds it
hypotheses = ''             # a file of translations to score ...
references = ''             # ... the file with the correct translations ...
baseline = ''               # ... and, to compare with, a file of another system's translations
beam_size = 5               # hypotheses kept at each step; 1: greedy decoding
length_penalty = 1.0        # alpha of Wu et al. 2016, eq. 14; 0: none, larger favours longer translations
coverage_penalty = 0.0      # beta of the same equation, against source words that get little attention
max_length = 0              # words of a translation at most; 0: by the length of the source
temperature = 0.0           # above 0: sample the words instead of searching; 1: as the model predicts them
seed = 1                    # of the random numbers for sampling
n_best = 1                  # translations of each sentence; more than one: with their scores
replace_unknown = True      # replace <unk> by the source word with the most attention
batch_size = 256            # sentences translated at the same time
device = 'auto'             # auto, cpu, cuda, cuda:1, mps
dtype = 'auto'              # auto, float32, bfloat16, float16
# -----------------------------------------------------------------------------
# load a checkpoint

FORMAT = 'nanoseq2seq 2'    # of a checkpoint: a new number when older ones can no longer be read

def read_checkpoint(path, device='cpu', spare=''):
    """
    The dict that train.py saved; a folder means its best.pt. A training to be resumed has a `spare`, which is
    taken where the file is missing, damaged or incomplete. Status 2 where there is no such file, or it is not
    a checkpoint of this program.
    """
    path = f'{path}/best.pt' if os.path.isdir(path) else path
    keys = ['model_config', 'model', 'source_words', 'target_words'] + ['optimizer'] * bool(spare)
    try:
        saved = load_verified(path, device)
        if saved.get('format') != FORMAT:
            problem = f'{path} is of another program, or of a version whose parameters had other names'
        elif missing := [key for key in keys if key not in saved]:
            problem = f'{path} lacks {", ".join(missing)}'
        else:
            return saved
    except FileNotFoundError:
        problem = f'there is no checkpoint {path}'
    except ValueError:
        problem = f'{path} is damaged or no checkpoint'
    if not os.path.exists(spare):
        fail(f'{problem}: name another, or train {"again " * os.path.exists(path)}with  python train.py')
    print(f'{problem}: continuing from {spare}, which is older', file=sys.stderr)
    return read_checkpoint(spare, device)

def load_verified(path, device):
    """torch.load(), which checks no checksums, for a file that is whole; else a ValueError."""
    with open(path, 'rb') as file, warnings.catch_warnings():
        warnings.simplefilter('ignore')             # torch's, about a file that is not a checkpoint
        try:
            if zipfile.ZipFile(file).testzip() is None:
                return dict(torch.load(path, map_location=device, weights_only=True))
        except Exception as error:                  # a damaged file can raise anything
            if out_of_memory(error):
                raise
    raise ValueError

def load(path, device='cpu'):
    """
    A checkpoint -> the model in evaluation mode, its source vocabulary, its target vocabulary. A setting of
    Config that is newer than the checkpoint has its default.
    """
    saved = read_checkpoint(path, device)
    try:
        config = Config(**saved['model_config'])
        vocabs = Vocabulary(saved['source_words']), Vocabulary(saved['target_words'])
        wrong = [[len(vocab) for vocab in vocabs] != [config.source_vocab, config.target_vocab],
                 not 0 < config.max_length_ratio < 1000,
                 any(not isinstance(getattr(config, field.name), field.type) for field in fields(Config)),
                 regex.search(r'\p{Cc}', ''.join(vocabs[0].words + vocabs[1].words))]     # steers a terminal
        if any(wrong):
            raise ValueError
        model = build(config).to(device)
        model.load_state_dict(saved['model'])
        return model.eval(), *vocabs
    except Exception as error:                      # the file may hold anything
        if out_of_memory(error):
            raise
        fail(f'{path} lacks what a model needs: name another, or train again with  python train.py')

def pad(sentences):
    """Lists of ids -> (B, longest), padded on the right, and the lengths (B,)."""
    rows = [torch.as_tensor(sentence, dtype=torch.long) for sentence in sentences]
    return pad_sequence(rows, batch_first=True, padding_value=PAD), torch.tensor([len(row) for row in rows])

# -----------------------------------------------------------------------------
# beam search

FORBIDDEN_TOKENS = [PAD, BOS]       # no translation contains them

@torch.inference_mode()
def beam_search(model, source, lengths, limit, beam_size=5, length_penalty=1.0, n_best=1,
                coverage_penalty=0.0, trace=None):
    """
    The most probable translations of a batch of sentences (Sutskever et al. 2014, section 3.2).

    Each step extends every hypothesis of a sentence by every word and keeps the K = `beam_size` best of all
    these (1: greedy decoding). A hypothesis that ends is finished and keeps its place in the beam. The search
    for a sentence is over, and the sentence leaves the batch, when no other hypothesis can beat its n_best-th
    finished one.

    source (B, S) is padded; lengths (B,) and limit (B,), the largest number of tokens of a translation with
    its <eos>, are on the CPU. Returns tokens (B, K, T), the best translation first, <eos> and padding behind
    each, and scores (B, K) in nats (Wu et al. 2016, eq. 14), -inf where fewer than K have finished. A list
    `trace` is filled, for a batch of one sentence, with the candidates of each step, twice as many as the
    beam holds, the best first: [(tokens, log-probability, whether it was kept)].
    """
    B, S, K, T, device = *source.shape, beam_size, int(limit.max()), source.device
    limit, memory = limit.to(device), model.encode(source, lengths)
    state = model.init_decoder_state(memory, 1)
    finished_tokens = source.new_full((B, K, 1 + T), PAD)                               # (B, K, 1 + T)
    finished_scores = torch.full((B, K), -math.inf, device=device)                      # (B, K)
    # below B counts only the active sentences, those whose search goes on, and k the hypotheses of each
    active = torch.arange(B, device=device)                                             # (B,)
    beam_tokens = source.new_full((B, 1, 1 + T), PAD)                                   # (B, k, 1 + T)
    beam_tokens[:, :, 0] = BOS
    beam_scores = torch.zeros(B, 1, device=device)                                      # (B, k)
    coverage = torch.zeros(B, 1, S, device=device)                                      # (B, k, S)
    n_free, most_free = torch.full((B,), K, device=device), K       # places in the beam with nothing finished

    for t in range(1, T + 1):
        check_interrupted()
        k = beam_scores.shape[1]
        last_tokens = beam_tokens[:, :, t - 1].flatten()                                # (B * k,)
        logits, state, weights = model.decode_step(last_tokens, state, memory)  # (B * k, V), _, (B * k, S)

        # extend the hypotheses; the best fill the free places
        n_candidates = most_free if trace is None else 2 * K
        beam_scores, backpointers, tokens = expand_beams(logits, beam_scores, n_candidates)     # (B, k) each
        beam_tokens = beam_tokens.take_along_dim(backpointers[:, :, None], dim=1)       # (B, k, 1 + T)
        beam_tokens[:, :, t] = tokens
        kept = torch.arange(tokens.shape[1], device=device) < n_free[:, None]           # (B, k)
        if trace is not None:
            candidates = zip(beam_tokens[0, :, 1:t + 1].tolist(), beam_scores[0].tolist(), kept[0].tolist())
            trace.append([candidate for candidate in candidates if candidate[1] > -math.inf])
        beam_scores = beam_scores.masked_fill(~kept, -math.inf)

        # those that end here are finished
        ends = (tokens == EOS) | (limit[active, None] == t)                             # (B, k)
        scores = length_penalised_score(beam_scores, t, length_penalty)                 # (B, k)
        if coverage_penalty:
            coverage = coverage + weights.view(coverage.shape)
            coverage = coverage.take_along_dim(backpointers[:, :, None], dim=1)         # (B, k, S)
            scores = scores + coverage_penalty * coverage_score(coverage, memory.padding_mask)
        scores = scores.masked_fill(~ends, -math.inf)
        finished_tokens[active], finished_scores[active] = merge_finished(
            finished_tokens[active], finished_scores[active], beam_tokens, scores)
        beam_scores = beam_scores.masked_fill(ends, -math.inf)

        # a log-probability only falls: the others can at best end at the limit without losing any more
        best_possible_score = length_penalised_score(
            beam_scores.amax(1), limit[active], length_penalty)                         # (B,)
        done = best_possible_score <= finished_scores[active, n_best - 1]               # (B,)
        n_free = K - (finished_scores[active] > -math.inf).sum(1)                       # (B,)
        on_host = n_free.masked_fill(done, 0).cpu()     # the only wait for a GPU in a step
        rows, most_free = on_host.nonzero().flatten(), int(on_host.max())               # (B,) that go on
        if len(rows) == 0:
            break
        rows = rows.to(device, non_blocking=True)
        if len(rows) < len(active):
            memory = type(memory)(*select(rows, *memory))
            active, beam_tokens, beam_scores, backpointers, coverage, n_free = select(
                rows, active, beam_tokens, beam_scores, backpointers, coverage, n_free)

        # each hypothesis goes on from the decoder's state of the one that it extends
        parents = (rows[:, None] * k + backpointers).flatten()                          # (B * k,)
        state = dict(zip(state, select(parents, *state.values())))
    return finished_tokens[:, :, 1:], finished_scores

def expand_beams(logits, beam_scores, n):
    """
    The n most probable ways to extend the hypotheses of each sentence by one token.

    logits (B * k, V), beam_scores (B, k), the log-probabilities so far -> log-probabilities, backpointers
    (which of the k hypotheses was extended) and tokens, (B, n) each, the best first. A CPU takes 128 rows at
    a time, so that they stay in its cache.
    """
    (B, k), V = beam_scores.shape, logits.shape[1]
    size, found = (max(1, 128 // k) if logits.device.type == 'cpu' else B), []
    for block, scores in zip(logits.view(B, k, V).split(size), beam_scores.split(size)):
        log_probs = block.float().log_softmax(dim=-1)                                   # (b, k, V)
        for token in FORBIDDEN_TOKENS:
            log_probs[:, :, token] = -math.inf
        log_probs = log_probs.add_(scores[:, :, None]).flatten(1)                       # (b, k * V)
        found.append(blockwise_topk(log_probs, min(n, k * V)))                          # (b, n) each
    scores, columns = (torch.cat(blocks) for blocks in zip(*found))                     # (B, n) each
    return scores, columns // V, columns % V

def blockwise_topk(x, k, block=64):
    """
    x.topk(k) for x (R, V) in half the time: the k greatest of a row are in the k blocks with the greatest
    maxima, or in the columns behind the last whole block.
    """
    n = x.shape[1] // block
    if n <= k:
        return x.topk(k)
    maxima = x[:, :n * block].unflatten(1, (n, block)).amax(2)                          # (R, n)
    first = maxima.topk(k).indices[:, :, None] * block                                  # (R, k, 1)
    inside = (first + torch.arange(block, device=x.device)).flatten(1)                  # (R, k * block)
    behind = torch.arange(n * block, x.shape[1], device=x.device).expand(len(x), -1)    # (R, V % block)
    columns = torch.cat([inside, behind], dim=1)
    values, best = x.gather(1, columns).topk(k)                                         # (R, k) each
    return values, columns.gather(1, best)

def length_penalised_score(log_prob, length, alpha):
    """A log-probability over lp(Y) of Wu et al. 2016, eq. 14: without it, long translations never win."""
    return log_prob / ((5 + length) / 6) ** alpha

def coverage_score(coverage, padding_mask):
    """
    cp(X; Y) of the same equation without beta: 0 where each source word got an attention of 1 in total, else
    less. coverage (B, k, S), the attention summed over the target words, padding_mask (B, S) -> (B, k).
    """
    logs = coverage.clamp(1e-4, 1).log()                                                # (B, k, S)
    return logs.masked_fill(~padding_mask[:, None], 0).sum(-1)                          # (B, k)

def merge_finished(finished_tokens, finished_scores, tokens, scores):
    """The K best of (B, K, T), (B, K), which were finished before, and (B, k, T), (B, k), which end now."""
    K = finished_scores.shape[1]
    scores, order = torch.cat([finished_scores, scores], dim=1).topk(K)                 # (B, K) each
    tokens = torch.cat([finished_tokens, tokens], dim=1)                                # (B, K + k, T)
    return tokens.take_along_dim(order[:, :, None], dim=1), scores                      # (B, K, T), (B, K)

def select(rows, *tensors):
    """The same rows of each tensor; index_select is faster than tensor[rows]."""
    return [tensor.index_select(0, rows) for tensor in tensors]

def max_lengths(model, lengths, max_length=0):
    """
    How many tokens the translations of sources of these lengths may have, (B,) -> (B,), <eos> included in
    both: max_length, or where that is 0 config.max_length_ratio times as many and ten.
    """
    default = (model.config.max_length_ratio * lengths).long() + 10
    return torch.full_like(lengths, max_length) if max_length else default

# -----------------------------------------------------------------------------
# sampling

@torch.inference_mode()
def sample_tokens(model, source, lengths, limit, n, temperature=1.0, seeds=None):
    """
    n translations of each sentence by ancestral sampling: each word is sampled from the distribution that the
    model predicts after the words before it, each probability to the power of 1 / temperature. Arguments and
    results as for beam_search, but the scores have a length penalty of 1. Sentence b takes its random numbers
    from seeds[b], so that they do not depend on its batch.
    """
    B, T, V, device = len(source), int(limit.max()), model.config.target_vocab, source.device
    seeds = torch.randint(1 << 32, (B,)).tolist() if seeds is None else seeds
    uniform = torch.cat([torch.rand(T, n, generator=torch.Generator().manual_seed(seed)) for seed in seeds],
                        dim=1).to(device)                                               # (T, R), R = B * n
    memory = model.encode(source, lengths)
    state = model.init_decoder_state(memory, n)
    limit = limit.to(device).repeat_interleave(n)                                       # (R,)
    last_tokens = source.new_full((B * n,), BOS)                                        # (R,)
    tokens = source.new_full((B * n, T), PAD)                                           # (R, T)
    scores = torch.zeros(B * n, device=device)                                          # (R,)
    unfinished = torch.ones_like(scores, dtype=torch.bool)                              # (R,)
    for t in range(T):
        check_interrupted()
        logits, state, _ = model.decode_step(last_tokens, state, memory)                # (R, V)
        log_probs = logits.float().log_softmax(dim=-1)                                  # (R, V)
        for token in FORBIDDEN_TOKENS:
            log_probs[:, token] = -math.inf
        cumulative = (log_probs / temperature).softmax(dim=-1).cumsum(dim=-1)           # (R, V)
        threshold = uniform[t, :, None] * cumulative[:, -1:]                            # (R, 1)
        sampled = torch.searchsorted(cumulative, threshold, right=True).clamp(max=V - 1)        # (R, 1)
        last_tokens = sampled.squeeze(1)                                                # (R,)
        tokens[:, t] = last_tokens.masked_fill(~unfinished, PAD)
        scores += log_probs.gather(1, sampled).squeeze(1).masked_fill(~unfinished, 0)
        unfinished = unfinished & (last_tokens != EOS) & (t + 1 < limit)
        if not unfinished.any():
            break
    scores = length_penalised_score(scores, (tokens != PAD).sum(1), 1.0)                # (R,)
    scores, order = scores.view(B, n).sort(descending=True)                             # (B, n) each
    return tokens.view(B, n, T).take_along_dim(order[:, :, None], dim=1), scores        # (B, n, T), (B, n)

# -----------------------------------------------------------------------------
# attention and unknown words

def attention_weights(model, source, lengths, tokens):
    """The attention at each target word: source (B, S), lengths (B,), tokens (B, T) -> (B, T, S)."""
    memory, bos = model.encode(source, lengths), tokens.new_full((len(tokens), 1), BOS)
    target_in = torch.cat([bos, tokens[:, :-1]], dim=1)                                 # (B, T)
    return model.decode(target_in, memory, model.init_decoder_state(memory, 1))[1]

def replace_unknowns(model, source, lengths, tokens, source_words, target_vocab):
    """
    The words of translations, <unk> replaced by the source word with the greatest attention (Jean et al.
    2015, 3.3): a rare word if there is one, else any word, else punctuation, since a word that the model does
    not know is hardly ever an article. source (B, S), lengths (B,), tokens (B, T), source_words: B lists ->
    B lists.
    """
    outputs = [[target_vocab.words[i] for i in row] for row in tokens.tolist()]
    rows = (tokens == UNK).any(1).nonzero().flatten().tolist()
    if not rows:
        return outputs
    # only the translations with <unk> go through the model again, without the padding of the others
    S, T = int(lengths[rows].max()), int((tokens[rows] != PAD).sum(1).max())
    source, lengths, tokens = source[rows, :S], lengths[rows], tokens[rows, :T]
    source_words = [source_words[row] for row in rows]
    weights = attention_weights(model, source, lengths, tokens).float()                 # (B, T, S)
    letter = regex.compile(r'[\p{L}\p{N}]')
    is_word = [[letter.search(word) is not None for word in words] + [False] for words in source_words]
    is_word = pad(is_word)[0].to(source.device)                                         # (B, S)
    is_rare = is_word * ((source == UNK) | (source >= 100))     # ids are ranks: the first 100 are frequent
    alignment = (weights + (is_word + is_rare)[:, None]).argmax(-1).tolist()            # B lists of T
    for row, ids, aligned, words in zip(rows, tokens.tolist(), alignment, source_words):
        outputs[row] = [words[s] if i == UNK and s < len(words) else target_vocab.words[i]
                        for i, s in zip(ids, aligned)]
    return outputs

# -----------------------------------------------------------------------------
# translate

def translate(texts, model, source_vocab, target_vocab, beam_size=5, n_best=1, replace_unknown=True,
              batch_size=256, max_length=0, temperature=0.0, dtype=torch.float32, **penalties):
    """
    Translate a list of sentences with what load() returned; the other arguments are the flags of the same
    names, and `penalties` are beam_search's length_penalty and coverage_penalty.

    Returns a list for each sentence: its n_best translations, the best first, as (text, score in nats). An
    empty sentence has an empty translation.
    """
    source_words, device = [split(normalise(text)) for text in texts], next(model.parameters()).device
    replace_unknown = replace_unknown and model.config.attention != 'none'
    results = [[('', 0.0)] for _ in texts]
    seeds = torch.randint(1 << 32, (len(texts),)).tolist() if temperature else []

    @torch.inference_mode()                 # like autocast, it counts for one thread only
    def translate_batch(batch):
        words = [source_words[i] for i in batch]
        source, lengths = pad([source_vocab.look_up(row) + [EOS] for row in words])     # (B, S), (B,)
        source, limit = source.to(device), max_lengths(model, lengths, max_length)
        with autocast(device.type, dtype):
            if temperature:                                                             # (B, K, T), (B, K)
                tokens, scores = sample_tokens(model, source, lengths, limit, n_best, temperature,
                                               [seeds[i] for i in batch])
            else:
                tokens, scores = beam_search(model, source, lengths, limit, beam_size, n_best=n_best,
                                             **penalties)
            for rank in range(n_best):
                if replace_unknown:
                    outputs = replace_unknowns(model, source, lengths, tokens[:, rank], words, target_vocab)
                else:
                    outputs = [[target_vocab.words[i] for i in row] for row in tokens[:, rank].tolist()]
                for i, output, score in zip(batch, outputs, scores[:, rank].tolist()):
                    if score > -math.inf:
                        results[i][rank:] = [(to_text(output), score)]

    # cores that each work on a batch of their own need not wait for one another at every operation: at most
    # four, since each takes memory
    threads, n_sentences = torch.get_num_threads(), sum(map(bool, source_words))
    n_parallel = max(1, min(4, threads, n_sentences)) if device.type == 'cpu' else 1
    batches = make_batches(list(map(len, source_words)), batch_size, n_parallel)
    interrupted.clear()
    with ThreadPoolExecutor(n_parallel, '', torch.set_num_threads, (threads // n_parallel,)) as pool:
        try:
            list(pool.map(translate_batch, batches))
        except BaseException:
            interrupted.set()               # else the other batches would be finished first
            raise
        finally:
            torch.set_num_threads(threads)  # it is the same number for all threads
    return results

interrupted = threading.Event()

def check_interrupted():
    """Ctrl-C reaches only the main thread; the others look at every step whether it came."""
    if interrupted.is_set():
        raise KeyboardInterrupt

def make_batches(lengths, batch_size, n_parallel):
    """
    The indices of the sentences that are not empty, in batches of similar length, the longest first, and
    n_parallel batches at a time that take equally long. A batch has fewer sentences where they have more than
    100 words, so that memory has a bound.
    """
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: -lengths[i])
    batches, begin = [], 0
    while begin < len(order):
        n = n_parallel * max(1, 100 * batch_size // max(100, lengths[order[begin]]))
        group, begin = order[begin:begin + n], begin + n
        batches += [group[first::n_parallel] for first in range(min(n_parallel, len(group)))]
    return batches

# -----------------------------------------------------------------------------
# scores, as sacreBLEU computes them (Post 2018)

def tokenize_13a(text):
    """The tokenisation of mteval-v13a, NIST's script, by which WMT scores."""
    text = text.replace('<skipped>', '')
    for entity, sign in ('&quot;', '"'), ('&amp;', '&'), ('&lt;', '<'), ('&gt;', '>'):
        text = text.replace(entity, sign)
    text = regex.sub(r'([{-~\[-` -&(-+:-@/])', r' \1 ', f' {text} ')        # punctuation stands alone
    text = regex.sub(r'([^0-9])([.,])', r'\1 \2 ', text)            # so do . and , but in numbers
    text = regex.sub(r'([.,])([^0-9])', r' \1 \2', text)
    return regex.sub(r'([0-9])(-)', r'\1 \2 ', text).split()                # and a dash after a digit

def ngrams(items, n):
    return collections.Counter(zip(*(items[i:] for i in range(n))))

def bleu(hypotheses, references, lowercase=False):
    """
    Corpus BLEU in percent (Papineni et al. 2002, section 2.3): the geometric mean of the precisions of 1- to
    4-grams, each n-gram counted no more often than the reference has it, times a penalty for being short. One
    reference, 13a, and exponential smoothing: an n without a match has half of one, the next a quarter ...
    """
    statistics = (bleu_statistics(*pair, lowercase) for pair in zip(hypotheses, references))
    return bleu_from_statistics([sum(column) for column in zip(*statistics)])

def bleu_statistics(hypothesis, reference, lowercase=False):
    """What BLEU counts in a sentence: matches and totals of 1- to 4-grams, its length, the reference's."""
    if lowercase:
        hypothesis, reference = hypothesis.lower(), reference.lower()
    hypothesis, reference = tokenize_13a(hypothesis), tokenize_13a(reference)
    pairs = [(ngrams(hypothesis, n), ngrams(reference, n)) for n in (1, 2, 3, 4)]
    return [*(sum((found & true).values()) for found, true in pairs),
            *(sum(found.values()) for found, _ in pairs), len(hypothesis), len(reference)]

def bleu_from_statistics(statistics):
    """The sums of bleu_statistics() over a corpus -> BLEU in percent."""
    matches, totals, (hypothesis_length, reference_length) = statistics[:4], statistics[4:8], statistics[8:]
    if not matches[0] or not totals[3]:
        return 0.0
    smoothed, precisions = 1.0, []
    for match, total in zip(matches, totals):
        smoothed = smoothed if match else smoothed / 2
        precisions.append((match or smoothed) / total)
    brevity_penalty = min(1.0, math.exp(1 - reference_length / hypothesis_length))
    return 100 * brevity_penalty * math.exp(sum(map(math.log, precisions)) / 4)

def chrf(hypotheses, references):
    """
    chrF2 in percent (Popović 2015, eq. 1): the F-score of n-grams of 1 to 6 characters, without white space,
    recall counting beta = 2 times as much as precision; both are means over n.
    """
    counts = [[0, 0, 0] for _ in range(6)]                      # in hypotheses, in references, in both
    for hypothesis, reference in zip(hypotheses, references):
        hypothesis, reference = ''.join(hypothesis.split()), ''.join(reference.split())
        for n in range(6):
            found, true = ngrams(hypothesis, n + 1), ngrams(reference, n + 1)
            counts[n][0] += sum(found.values()) if true else 0  # as sacreBLEU does
            counts[n][1] += sum(true.values())
            counts[n][2] += sum((found & true).values())
    counts = [count for count in counts if count[0] and count[1]]
    if not any(matched for _, _, matched in counts):
        return 0.0
    precision = sum(matched / found for found, _, matched in counts) / len(counts)
    recall = sum(matched / true for _, true, matched in counts) / len(counts)
    return 100 * 5 * precision * recall / (4 * precision + recall)

def bootstrap_scores(hypotheses, references, samples=1000):
    """
    BLEU on `samples` other test sets, each of as many sentences, sampled with replacement from the one given
    (Koehn 2004). They are the same ones for each system, so that systems can be compared.
    """
    N, generator = len(references), torch.Generator().manual_seed(1)
    statistics = torch.tensor([bleu_statistics(*pair) for pair in zip(hypotheses, references)],
                              dtype=torch.double)                                       # (N, 10)
    for _ in range(samples):
        sampled = torch.randint(N, (N,), generator=generator)                           # (N,)
        counts = torch.bincount(sampled, minlength=N).double()                          # (N,)
        yield bleu_from_statistics((counts @ statistics).tolist())

def confidence_interval(hypotheses, references):
    """x so that 95 % of the bootstrap's scores are in an interval of BLEU +- x, as sacreBLEU gives it."""
    scores = sorted(bootstrap_scores(hypotheses, references))
    return (scores[-1 - len(scores) // 40] - scores[len(scores) // 40]) / 2

def paired_bootstrap(hypotheses, baseline, references):
    """
    Is a system better than a baseline, or was it chance? Returns three fractions of the bootstrap's test
    sets: those in which the system has more BLEU, those in which both have the same, and the p-value, those
    in which the baseline has at least as much, ties included. Below 0.05 the lead is hardly chance.
    """
    pairs = list(zip(bootstrap_scores(hypotheses, references), bootstrap_scores(baseline, references)))
    wins, ties = sum(ours > theirs for ours, theirs in pairs), sum(ours == theirs for ours, theirs in pairs)
    return wins / len(pairs), ties / len(pairs), (len(pairs) - wins) / len(pairs)

def print_scores(hypotheses, references):
    """One `key value` a line."""
    print(f'BLEU {bleu(hypotheses, references):.2f}')
    print(f'BLEU_plus_minus {confidence_interval(hypotheses, references):.2f}')     # 95 %
    print(f'BLEU_lowercase {bleu(hypotheses, references, lowercase=True):.2f}')
    print(f'chrF2 {chrf(hypotheses, references):.2f}')
    print('BLEU_signature nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp')
    print('chrF2_signature nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no')

def print_scores_by_length(sources, hypotheses, references):
    """BLEU of the sentences with 1 to 10 source words, with 11 to 20, ..."""
    tens = collections.defaultdict(list)
    for source, *pair in zip(sources, hypotheses, references):
        tens[max(0, len(source.split()) - 1) // 10].append(pair)
    for ten, pairs in sorted(tens.items()):
        print(f'BLEU_{10 * ten + 1}-{10 * ten + 10}_words {bleu(*zip(*pairs)):.2f}')
        print(f'sentences_{10 * ten + 1}-{10 * ten + 10}_words {len(pairs)}')

# -----------------------------------------------------------------------------
# --explain: what the beam held at each step, and the attention, in the terminal

def explain_beam_search(model, source_vocab, target_vocab, dtype, penalties):
    """Print how the translation of --text was found."""
    device, source_words, trace = next(model.parameters()).device, split(normalise(text)), []
    source, lengths = pad([source_vocab.look_up(source_words) + [EOS]])                 # (1, S), (1,)
    source, limit = source.to(device), max_lengths(model, lengths, max_length)
    with torch.inference_mode(), autocast(device.type, dtype):
        greedy, _ = beam_search(model, source, lengths, limit, 1, **penalties)          # (1, 1, T)
        tokens, scores = beam_search(model, source, lengths, limit, beam_size, trace=trace, **penalties)
        tokens = tokens[:, 0, :int((tokens[0, 0] != PAD).sum())]                        # (1, T)
        weights = attention_weights(model, source, lengths, tokens)[0].tolist()         # T lists of S
        best, greedy = tokens[0].tolist(), [i for i in greedy[0, 0].tolist() if i != PAD]
        words = [target_vocab.words[i] for i in best]
        if replace_unknown and model.config.attention != 'none':
            words, = replace_unknowns(model, source, lengths, tokens, [source_words], target_vocab)
    print('unknown words:', ' '.join(unknown_words(source_words, source_vocab)) or 'none')
    print_trace(trace, best, greedy, target_vocab)
    print('\nbest     ', to_text(words), f'  ({scores[0, 0]:.4f})')
    print('greedy   ', target_vocab.decode(greedy))
    if model.config.attention != 'none':
        print_attention(source_words, words, weights)

def unknown_words(words, vocab):
    return [word.strip(JOINER) for word, i in zip(words, vocab.look_up(words)) if i == UNK]

def print_trace(trace, best, greedy, target_vocab):
    """The candidates of each step, and what became of them."""
    for t, candidates in enumerate(trace, 1):
        print(f'\nstep {t}')
        for ids, score, kept in candidates:
            notes = {'pruned': not kept, 'ends': kept and ids[-1] == EOS, 'greedy': ids == greedy[:t],
                     'the winner': ids == best[:t]}
            notes = ', '.join(note for note, true in notes.items() if true)
            print(f'  {score:8.3f}  {target_vocab.decode(ids)}' + (f'   ({notes})' if notes else ''))
        if greedy[:t - 1] == best[:t - 1] and greedy[:t] != best[:t]:
            print('  here the search leaves what greedy decoding takes')

def print_attention(source_words, target_words, weights):
    """A row of shades for each target word, a column for each source word; weights: T lists of S."""
    rows, shades = [word.strip(JOINER) or word for word in target_words], ' ░▒▓█'
    width = max(map(len, rows))
    print()
    for s, word in enumerate([*source_words, '<eos>']):
        print(' ' * width, ' │' * s, ' ┌ ', word.strip(JOINER) or word, sep='')
    for word, row in zip(rows, weights):
        print(f'{word:>{width}}', ''.join(2 * shades[round(4 * min(1.0, weight))] for weight in row))

# -----------------------------------------------------------------------------
# the command line

LIMITS = dict(beam_size=(1, 10000), n_best=(1, 10000), batch_size=(1, 10000), max_length=(0, 10000),
              length_penalty=(0, 5))

def check_settings(given):
    """Flags that contradict each other end in one line, before any work is done."""
    if bool(hypotheses) != bool(references):
        fail('--hypotheses and --references go together: translations, and the correct ones')
    if baseline and not hypotheses:
        fail('--baseline goes with --hypotheses and --references')
    if resume and not (input and output):
        fail('--resume goes with --input and --output')
    if bool(input) + bool(evaluate) + bool(hypotheses) + ('text' in given) > 1:
        fail('--text, --input, --evaluate and --hypotheses: give one of them')
    if explain and (not split(normalise(text)) or temperature):
        fail('--explain needs a sentence to search for: --text="...", and no --temperature')
    if evaluate not in ('', 'valid', 'test'):
        fail(f'--evaluate takes valid or test, not {evaluate!r}')
    for name, (least, most) in LIMITS.items():
        if not least <= globals()[name] <= most:
            fail(f'--{name}={globals()[name]} is out of range: it is from {least} to {most}')
    if n_best > beam_size and not temperature:
        fail(f'--n_best={n_best} is more than --beam_size={beam_size}: the beam holds no more translations')
    if 0 < temperature < 0.001:
        fail(f'--temperature={temperature} is too small: it is 0, to search, or at least 0.001')
    if input and not os.path.exists(input):
        fail(f'there is no {input} to translate: name a text, one sentence a line')
    if os.path.isfile(input) and next(read_text(input), None) is None:
        fail(f'{input} is empty: there is nothing to translate')
    if input and output and any(os.path.exists(path) and os.path.samefile(input, path)
                                for path in (output, f'{os.path.realpath(output)}.part')):
        fail(f'{input} would be overwritten: name another --output')

PACKED = {'.gz': 'gzip', '.bz2': 'bz2', '.xz': 'lzma'}      # endings and Python's modules

def read_text(path):
    """read_lines() of a file that may be packed."""
    if module := PACKED.get(os.path.splitext(path)[1].lower()):
        try:
            with importlib.import_module(module).open(path) as file:
                yield from decode_lines(file, path)
        except Exception as error:                  # each module has its own
            fail(f'cannot read {path}: {getattr(error, "strerror", None) or error}')
    else:
        yield from read_lines(path)

def read_parallel(first, second):
    """The lines of two files, of which each line belongs to the same line of the other."""
    lines, others = list(read_text(first)), list(read_text(second))
    if len(lines) != len(others) or not lines:
        fail(f'{first} has {len(lines)} lines, {second} has {len(others)}: line must match line')
    return lines, others

def score_files():
    """The scores of --hypotheses, and whether they are better than --baseline; one `key value` a line."""
    ours, targets = read_parallel(hypotheses, references)
    theirs, _ = read_parallel(baseline, references) if baseline else ([], [])
    print_scores(ours, targets)
    if baseline:
        wins, ties, p_value = paired_bootstrap(ours, theirs, targets)
        print(f'BLEU_of_baseline {bleu(theirs, targets):.2f}')
        print(f'bootstrap_wins {wins:.3f}\nbootstrap_ties {ties:.3f}\nbootstrap_p_value {p_value:.3f}')
        print('bootstrap_signature samples:1000|seed:1|p_value:baseline_at_least_as_good')

def open_output():
    """The file for the translations, which takes its name once it is whole, or standard output."""
    if output:
        return atomic_write(output, 'w', encoding='utf-8', newline='\n')
    return contextlib.nullcontext(sys.stdout)

def evaluate_split(translator, source_vocab, target_vocab):
    """Translate the validation or test set of data_dir, and score it."""
    meta = read_meta(data_dir)
    languages = meta['source_lang'], meta['target_lang']
    words = [read_vocabulary(data_dir, lang).words for lang in languages]
    if words != [source_vocab.words, target_vocab.words]:
        fail(f'{checkpoint} was trained with another vocabulary than that of {data_dir}/: name the '
             f'--data_dir it was trained on, or train again with  python train.py --data_dir={data_dir}')
    sources, targets = read_split(data_dir, evaluate, meta)
    with open_output() as file:                     # before the work, in case it cannot be written
        began = time.perf_counter()
        outputs = [found[0][0] for found in translator(sources)]
        seconds = time.perf_counter() - began
        if output:
            file.writelines(line + '\n' for line in outputs)
    print(f'{len(outputs):,} sentences in {seconds:.1f} s, {len(outputs) / seconds:,.0f} a second',
          file=sys.stderr)
    print_scores(outputs, targets)
    print_scores_by_length(sources, outputs, targets)

def translate_file(write):
    """
    From --input to --output, a part at a time. What is done is in OUTPUT.part until all is done; --resume
    continues behind it.
    """
    total = sum(1 for _ in read_text(input)) if os.path.isfile(input) else 0        # a pipe is read only once
    lines, bar, target = read_text(input), Progress('translating', 'sentences'), output_path(output)
    part = f'{target}.part'
    if resume and os.path.exists(target) and not os.path.exists(part):
        return print(f'{output} is there already, and nothing to resume', file=sys.stderr)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(part, 'a+', encoding='utf-8', newline='\n') as file:
            if fcntl:                               # the lock ends with its process, however that ends
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    fail(f'another run is writing {output}: wait until it ends, or name another --output')
            bar.begin = done = keep_complete(file, lines)
            torch.randint(1 << 32, (done,))         # the seeds of these sentences
            while chunk := list(itertools.islice(lines, 20 * batch_size)):
                write(chunk, file)
                file.flush()
                done += len(chunk)
                bar.show(done, total and min(1.0, done / total))
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        fail(f'cannot write {output}: {error.strerror}')
    except KeyboardInterrupt:
        print('stopped; with --resume it goes on', file=sys.stderr)
        raise SystemExit(130)
    bar.close()

def keep_complete(file, lines):
    """
    Cut off what an earlier run left in a file, or to --resume only what is incomplete. Returns the number of
    sentences that are done; `lines` of the input are read past them.
    """
    done = size = 0
    if resume:                                      # the last line, or the last of n_best, may be incomplete
        file.buffer.seek(0)
        done = sum(line.endswith(b'\n') for line in file.buffer) // n_best
        file.buffer.seek(0)
        size = sum(map(len, itertools.islice(file.buffer, done * n_best)))
    if sum(1 for _ in itertools.islice(lines, done)) < done:
        fail(f'{file.name} has more lines than {input}: it is of another input; leave --resume out')
    file.truncate(size)
    return done

def report_unknown_words(texts, source_vocab, by_name):
    """On standard error: the words that the model does not know, and a question where most are unknown."""
    words = [word for text in texts for word in split(normalise(text))]
    unknown = unknown_words(words, source_vocab)
    if by_name and unknown:
        print(f'(never seen in training, or too rarely: {" ".join(dict.fromkeys(unknown))})', file=sys.stderr)
    if 2 * len(unknown) > len(words):
        ask_for_language()

@functools.cache                                    # once is enough
def ask_for_language():
    found = regex.search(r"'train\.([\w-]+)'", str(read_checkpoint(checkpoint).get('data')))
    print('most words of this text are unknown to the model: is it in its source language'
          + (f' ({found[1]})?' if found else '?'), file=sys.stderr)

def interactive(write):
    """Translate what is typed."""
    print('A sentence, then Enter; an empty line or Ctrl-D ends.')
    sys.stdin.reconfigure(encoding='utf-8', errors='replace')       # whatever the terminal's locale
    with contextlib.suppress(ImportError):
        import readline             # arrow keys, and what was typed before; Windows has its own
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while line := builtins.input('> '):
            write([line], sys.stdout)

def main(given):
    check_settings(given)
    if hypotheses:
        return score_files()
    keep_freed_memory()
    my_device = choose_device(device)
    my_dtype = choose_dtype(dtype, my_device)
    model, source_vocab, target_vocab = load(checkpoint, my_device)
    torch.manual_seed(seed)
    model.to(my_dtype)                              # once; autocast would do it again for each word
    if coverage_penalty and model.config.attention == 'none':
        fail(f'--coverage_penalty is for a model with attention, and {checkpoint} has none')
    penalties = dict(length_penalty=length_penalty, coverage_penalty=coverage_penalty)
    if explain:
        return explain_beam_search(model, source_vocab, target_vocab, my_dtype, penalties)

    def translator(texts):
        return translate(texts, model, source_vocab, target_vocab, beam_size, n_best, replace_unknown,
                         batch_size, max_length, temperature, my_dtype, **penalties)

    def write(texts, file):                         # a line for each text, or n_best lines with their scores
        for found in translator(texts):
            for translation, score in (found + [('', -math.inf)] * n_best)[:n_best]:
                print(translation if n_best == 1 else f'{score:.4f}\t{translation}', file=file)
        file.flush()
        report_unknown_words(texts, source_vocab, by_name=not input and sys.stdin.isatty() or 'text' in given)

    if evaluate:
        evaluate_split(translator, source_vocab, target_vocab)
    elif input and output:
        translate_file(write)
    elif 'text' in given or input or output or not sys.stdin.isatty():
        lines = iter(text.split('\n')) if 'text' in given else \
            read_text(input) if input else decode_lines(sys.stdin.buffer, 'standard input')
        with open_output() as file:
            while chunk := list(itertools.islice(lines, 100 * batch_size)):     # a part at a time
                write(chunk, file)
    else:
        interactive(write)

if __name__ == '__main__':
    try:
        run_script(main, globals())
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        fail(f'out of memory: halve --batch_size={batch_size}, or take a smaller --beam_size')
