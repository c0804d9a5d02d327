"""
Translate with a trained model, and score translations.

    python sample.py --text="Ein Hund läuft im Schnee."
    python sample.py                                (asks for sentences; or give them on standard input)
    python sample.py --input=in.de --output=out.en --beam_size=1        (with --resume: where it stopped)
    python sample.py --text="..." --explain         (the search step by step, and the attention)
    python sample.py --evaluate=test                (translate data/test and score it)
    python sample.py --hypotheses=out.en --references=ref.en            (score two files, no model needed)
    python sample.py --hypotheses=new.en --baseline=old.en --references=ref.en       (is new really better?)
"""
import builtins, collections, contextlib, itertools, math, os, signal, sys, time, warnings
from concurrent.futures import ThreadPoolExecutor

import regex
import torch
from torch.nn.utils.rnn import pad_sequence

from model import Config, autocast, build, choose_device, choose_dtype, keep_freed_memory, out_of_memory
from tokenizer import BOS, EOS, JOINER, PAD, UNK, Progress, Vocabulary, fail, normalise, parse_command_line, output_path
from tokenizer import read_lines, read_meta, read_vocabulary, atomic_write, split, interrupt_once, decode_lines, to_text

# -----------------------------------------------------------------------------
# config
checkpoint = 'checkpoints/best.pt'  # the trained model, its vocabularies inside
text = ''                   # what to translate, a sentence a line
input = ''                  # or a file, a sentence a line
output = ''                 # the file for the translations; empty: standard output
resume = False              # go on where an earlier run from input to output was stopped
explain = False             # show of each text how it was found
evaluate = ''               # valid or test: translate that part of data_dir and score it
data_dir = 'data'           # where evaluate finds it
hypotheses = ''             # a file of translations to score ...
references = ''             # ... and the file of what they should have been
baseline = ''               # a file of other translations of the same, to compare with
beam_size = 5               # hypotheses kept at each step; 1: greedy
length_penalty = 1.0        # alpha of Wu et al. 2016, eq. 14; 0: none, larger favours longer translations
length_norm = 'gnmt'        # what is raised to it: gnmt, their (5 + words) / 6, or words, their number
coverage_penalty = 0.0      # beta of the same equation, for source words that were hardly looked at
min_length = 0              # words of a translation at the least ...
max_length = 0              # ... and at the most; 0: twice those of the source and ten
temperature = 0.0           # above 0 words are drawn at random, the penalties aside; 1: as the model says
top_k = 0                   # ... from so many of the likeliest; 0: from all
n_best = 1                  # translations shown of each sentence; more than one: with their scores
replace_unknown = True      # put the source word that attention looks at in place of <unk>
batch_size = 256            # sentences translated side by side
device = 'auto'             # auto, cpu, cuda, cuda:1, mps
dtype = 'auto'              # auto, float32, bfloat16, float16
# -----------------------------------------------------------------------------
# a model comes out of its checkpoint

FORMAT = 'nanoseq2seq 2'    # of a checkpoint: a new number when older ones can no longer be read

def read_checkpoint(path, device='cpu', spare=''):
    """
    The dict that train.py saved, or where the file is missing or damaged and there is a spare one, that;
    status 2 where there is none, or it is somebody else's.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')         # of torch, about a file that is no checkpoint
            saved = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        if os.path.exists(spare):
            return read_checkpoint(spare, device)
        fail(f'no checkpoint {path}: run  python train.py  first, or name the right one')
    except Exception:                               # over a damaged file torch may stumble anyhow
        if os.path.exists(spare):
            print(f'{path} is damaged: going on from {spare}, which is older', file=sys.stderr)
            return read_checkpoint(spare, device)
        fail(f'{path} is damaged or no checkpoint: name another, or train again with  python train.py')
    if not isinstance(saved, dict) or not str(saved.get('format')).startswith('nanoseq2seq '):
        fail(f'{path} is not a checkpoint of nanoseq2seq: name one that train.py wrote')
    if saved['format'] != FORMAT:
        fail(f'{path} is from a version whose parameters had other names: train again with  python train.py')
    return saved

def load(path, device='cpu'):
    """A checkpoint -> (model in evaluation mode, source vocabulary, target vocabulary)."""
    saved = read_checkpoint(path, device)
    try:
        model = build(Config(**saved['model_config'])).to(device)
        model.load_state_dict(saved['model'])
        vocabs = Vocabulary(saved['source_words']), Vocabulary(saved['target_words'])
        if [len(vocab) for vocab in vocabs] != [model.config.source_vocab, model.config.target_vocab]:
            raise ValueError
        return model.eval(), *vocabs
    except (KeyError, TypeError, ValueError, RuntimeError):
        fail(f'{path} lacks what a model needs: name another, or train again with  python train.py')

# -----------------------------------------------------------------------------
# beam search

def pad(sentences):
    """Lists of ids -> (B, longest), padded on the right, and the lengths (B,)."""
    rows = [torch.as_tensor(sentence, dtype=torch.long) for sentence in sentences]
    return pad_sequence(rows, batch_first=True, padding_value=PAD), torch.tensor([len(row) for row in rows])

def max_lengths(lengths, max_length=0, min_length=0):
    """How long translations may become, (B,), of sources that have so many words, their <eos> counted."""
    return torch.full_like(lengths, max_length) if max_length else (2 * lengths + 10).clamp(min_length + 1)

def length_penalised_score(score, length, alpha, norm='gnmt'):
    """Log-probability over the length penalty of Wu et al. 2016, eq. 14: else long translations never win."""
    return score / ((5 + length) / 6 if norm == 'gnmt' else length) ** alpha

def blockwise_topk(x, k, block=64):
    """
    x.topk(k) for x (R, V) in half its time: the k greatest of a row are in the k blocks with the greatest
    maxima, or in the columns behind the last whole block.
    """
    n = x.shape[1] // block
    if n <= k:
        return x.topk(k)
    maxima = x[:, :n * block].unflatten(1, (n, block)).amax(2)                              # (R, n)
    first = maxima.topk(k).indices[:, :, None] * block                                      # (R, k, 1)
    inside = (first + torch.arange(block, device=x.device)).flatten(1)                      # (R, k * block)
    behind = torch.arange(n * block, x.shape[1], device=x.device).expand(len(x), -1)        # (R, V % block)
    columns = torch.cat([inside, behind], dim=1)
    values, best = x.gather(1, columns).topk(k)                                             # (R, k) each
    return values, columns.gather(1, best)

def expand_beams(logits, live, k, banned):
    """
    The k most probable ways on for each sentence: logits (B * K, V) of the word after hypotheses with
    log-probabilities live (B, K) -> log-probabilities (B, k), and hypothesis * V + word (B, k). On a CPU 128
    rows at a time, so that what is worked on stays in its cache.
    """
    B, K = live.shape
    n = max(1, 128 // K) if logits.device.type == 'cpu' else B
    found = []
    for part, before in zip(logits.view(B, K, -1).split(n), live.split(n)):
        log_probs = part.float().log_softmax(dim=-1)                                        # (n, K, V)
        log_probs[:, :, banned] = float('-inf')
        found.append(blockwise_topk(log_probs.add_(before[:, :, None]).flatten(1), k))      # (n, k) each
    return [torch.cat(parts) for parts in zip(*found)]

@torch.inference_mode()
def beam_search(model, source, lengths, limit, beam_size=5, length_penalty=1.0, n_best=1, length_norm='gnmt',
                coverage_penalty=0.0, min_length=0, trace=None):
    """
    The most probable translations of a batch, searched with `beam_size` hypotheses a sentence (1: greedy).

    source (B, S) is padded; on the CPU lengths (B,) and limit (B,), the most words of a translation, its
    <eos> counted. Returns tokens (B, K, T), the best first, each with <eos> and padding behind it, and
    normalised scores (B, K), -inf where fewer than K ended. A hypothesis that ends leaves its place in the
    beam for good. A sentence is done, and leaves the batch, when none alive can still beat its n_best-th.
    trace, a list, is filled with what was considered at each step for a single sentence, twice as many
    hypotheses as there are beams, the best first: [(tokens, log-probability, whether it was kept)].
    """
    B, K = len(source), beam_size
    longest, limit = int(limit.max()), limit.to(source.device)
    all_tokens = source.new_full((B, K, longest), PAD)
    all_scores = torch.full((B, K), float('-inf'), device=source.device)
    memory = model.encode(source, lengths)
    state = model.init_decoder_state(memory, 1)
    sentence = torch.arange(B, device=source.device)            # (B,) which one a row of the batch is
    word, tokens = source.new_full((B, 1), BOS), all_tokens[:, :1]      # (B, K), (B, K, T) of those alive ...
    live = torch.zeros(B, 1, device=source.device)              # (B, K) ... at first one, and how probable
    attended = torch.zeros(B, 1, source.shape[1], device=source.device)     # (B, K, S) the sum over the steps
    ended_tokens, ended = all_tokens.clone(), all_scores.clone()    # (B, K, T), (B, K) those with an <eos>
    for t in range(1, longest + 1):
        logits, state, weights = model.decode_step(word.flatten(), state, memory)               # (R, V)
        width, V = live.shape[1], logits.shape[1]
        n_ended = (ended > float('-inf')).sum(1, keepdim=True)                                  # (B, 1)
        most = min(K - int(n_ended.min()), width * V)           # places that are open in any sentence
        wanted = most if trace is None else min(2 * K, width * V)
        live, best = expand_beams(logits, live, wanted, [PAD, BOS] + [EOS] * (t <= min_length))   # (B, K) each
        if trace is not None:
            considered = zip(live[0].tolist(), best[0].tolist())
            trace.append([(tokens[0, i // V, :t - 1].tolist() + [i % V], score, rank < K - n_ended.item())
                          for rank, (score, i) in enumerate(considered) if score > float('-inf')])
        parent, word = best // V, best % V                                                      # (B, K) each
        tokens = tokens.gather(1, parent[:, :, None].expand(-1, -1, longest))                   # (B, K, T)
        tokens[:, :, t - 1] = word
        # only those places are open that no ended hypothesis has left
        live = live.masked_fill(torch.arange(live.shape[1], device=live.device) >= K - n_ended, float('-inf'))
        # those that end now join the ones that did before, the best first
        ends = (word == EOS) | (limit[:, None] == t)                                            # (B, K)
        new = length_penalised_score(live, t, length_penalty, length_norm)                                  # (B, K)
        if coverage_penalty:
            attended = attended + weights.view(attended.shape)
            attended = attended.gather(1, parent[:, :, None].expand(-1, -1, attended.shape[2])) # (B, K, S)
            logs = attended.clamp(1e-4, 1).log().masked_fill(~memory.padding_mask[:, None], 0)          # (B, K, S)
            new = new + coverage_penalty * logs.sum(-1)         # the same equation's: at most 0
        new = new.masked_fill(~ends, float('-inf'))
        ended, order = torch.cat([ended, new], dim=1).topk(K)                                   # (B, K) each
        ended_tokens = torch.cat([ended_tokens, tokens], dim=1)                                 # (B, 2K, T)
        ended_tokens = ended_tokens.gather(1, order[:, :, None].expand(-1, -1, longest))        # (B, K, T)
        live = live.masked_fill(ends, float('-inf'))
        # log-probabilities only fall: whatever a live hypothesis becomes, it stays below this
        hope = length_penalised_score(live.amax(1), limit, length_penalty, length_norm)                     # (B,)
        done = hope <= ended[:, n_best - 1]                                                     # (B,)
        rows = torch.arange(len(live), device=live.device)[:, None] * width + parent            # (B, K)
        if done.any():
            all_scores[sentence[done]], all_tokens[sentence[done]] = ended[done], ended_tokens[done]
            if done.all():
                break
            on = (~done).nonzero().flatten()
            sentence, limit, live, word, tokens, rows, ended, ended_tokens, attended = (
                x[on] for x in (sentence, limit, live, word, tokens, rows, ended, ended_tokens, attended))
            memory = type(memory)(*(m.index_select(0, on) for m in memory))     # faster than m[on]
        state = {name: s.index_select(0, rows.flatten()) for name, s in state.items()}
    return all_tokens, all_scores

@torch.inference_mode()
def sample_tokens(model, source, lengths, limit, n, temperature=1.0, top_k=0, min_length=0):
    """
    n translations of each sentence, drawn a word at a time as probable as the model says they are, each taken
    to the power of 1 / temperature, among the top_k likeliest. Arguments and results as for beam_search.
    """
    B, longest = len(source), int(limit.max())
    memory = model.encode(source, lengths)
    state = model.init_decoder_state(memory, n)
    word, tokens = source.new_full((B * n,), BOS), source.new_full((B * n, longest), PAD)       # (R,), (R, T)
    scores, limit = torch.zeros(B * n, device=source.device), limit.to(source.device).repeat_interleave(n)
    on = torch.ones_like(scores, dtype=torch.bool)              # (R,) those that have not ended
    for t in range(longest):
        logits, state, _ = model.decode_step(word, state, memory)                               # (R, V)
        log_probs = logits.float().log_softmax(dim=-1)
        log_probs[:, [PAD, BOS] + [EOS] * (t < min_length)] = float('-inf')
        best, words = log_probs.topk(min(top_k or log_probs.shape[1], log_probs.shape[1]))      # (R, k) each
        drawn = (best / temperature).softmax(dim=-1).multinomial(1)                             # (R, 1)
        word = words.gather(1, drawn).squeeze(1)                                                # (R,)
        tokens[on, t] = word[on]
        scores[on] += best.gather(1, drawn).squeeze(1)[on]
        on = on & (word != EOS) & (t + 1 < limit)
        if not on.any():
            break
    n_words = (tokens != PAD).sum(1)                                                            # (R,)
    scores, order = length_penalised_score(scores, n_words, 1.0).view(B, n).sort(descending=True)           # (B, n)
    return tokens.view(B, n, -1).gather(1, order[:, :, None].expand(-1, -1, longest)), scores

def attention_weights(model, source, lengths, tokens):
    """What was looked at for each word of a translation: source (B, S), tokens (B, T) -> (B, T, S)."""
    memory, bos = model.encode(source, lengths), tokens.new_full((len(tokens), 1), BOS)
    words_in = torch.cat([bos, tokens[:, :-1]], dim=1)                                          # (B, T)
    return model.decode(words_in, memory, model.init_decoder_state(memory, 1))[1]

def replace_unknowns(model, source, lengths, tokens, source_words, target_vocab):
    """
    The target words of a batch as lists, <unk> replaced by the source word that had the greatest attention
    when it was written (Jean et al. 2015, 3.3): a rare one if there is any, else a word rather than a sign,
    since the unknown is hardly ever an article. source (B, S), tokens (B, T), source_words: B lists.
    """
    weights = attention_weights(model, source, lengths, tokens)                                 # (B, T, S)
    letter = regex.compile(r'[\p{L}\p{N}]')
    is_word = [[letter.search(word) is not None for word in words] + [False] for words in source_words]
    is_word = pad(is_word)[0].to(source.device)                                                 # (B, S)
    is_rare = is_word * ((source == UNK) | (source >= 100))     # ids are ranks: the first 100 are frequent
    looked_at = (weights.float() + (is_word + is_rare)[:, None]).argmax(-1).tolist()            # B lists of T
    return [[words[s] if i == UNK and s < len(words) else target_vocab.words[i] for i, s in zip(ids, at)]
            for ids, at, words in zip(tokens.tolist(), looked_at, source_words)]

def translate(texts, model, source_vocab, target_vocab, beam_size=5, n_best=1, replace_unknown=True,
              batch_size=256, max_length=0, min_length=0, temperature=0.0, top_k=0,
              dtype=torch.float32, **how):
    """
    Translate a list of sentences; `how` goes to beam_search. Returns a list for each, in their order: its
    n_best translations, the best first, as (text, normalised log-probability in nats). An empty sentence has
    an empty translation.
    """
    device, threads = next(model.parameters()).device, torch.get_num_threads()
    words = [split(normalise(text)) for text in texts]
    results = [[('', 0.0)] for _ in texts]

    @torch.inference_mode()                 # which like autocast holds for one thread
    def translate_batch(batch):
        source_words = [words[i] for i in batch]
        source, lengths = pad([source_vocab.look_up(ws) + [EOS] for ws in source_words])
        source = source.to(device)                                                              # (B, S)
        limit = max_lengths(lengths, max_length, min_length)
        with autocast(device.type, dtype):
            if temperature:
                tokens, scores = sample_tokens(model, source, lengths, limit, n_best, temperature, top_k,
                                            min_length)
            else:                                                               # (B, K, T), (B, K)
                tokens, scores = beam_search(model, source, lengths, limit, beam_size, n_best=n_best,
                                             min_length=min_length, **how)
            for rank in range(n_best):
                ids = tokens[:, rank]                                                           # (B, T)
                found = [[target_vocab.words[i] for i in row] for row in ids.tolist()]
                lacking = (ids == UNK).any(1).nonzero().flatten().tolist()
                if replace_unknown and model.config.attention != 'none' and lacking:
                    S, T = int(lengths[lacking].max()), int((ids[lacking] != PAD).sum(1).max())
                    replaced = replace_unknowns(model, source[lacking, :S], lengths[lacking],
                                                 ids[lacking, :T], [source_words[i] for i in lacking],
                                                 target_vocab)
                    for i, words_of_it in zip(lacking, replaced):
                        found[i] = words_of_it
                for i, target, score in zip(batch, found, scores[:, rank].tolist()):
                    if score > float('-inf'):
                        results[i][rank:] = [(to_text(target), score)]

    order = sorted((i for i in range(len(texts)) if words[i]), key=lambda i: -len(words[i]))
    # cores with a batch of their own need not wait for each other at every operation; four, as each takes
    # memory, and one where words are drawn, since random numbers come from one stream
    at_once = max(1, min(4, threads, len(order))) if device.type == 'cpu' and not temperature else 1
    batches, begin = [], 0
    while begin < len(order):
        # of sentences beyond 100 words fewer, so that memory has a bound
        n = at_once * max(1, 100 * batch_size // max(100, len(words[order[begin]])))
        part, begin = order[begin:begin + n], begin + n
        batches += [part[core::at_once] for core in range(min(at_once, len(part)))]     # as long to each
    with ThreadPoolExecutor(at_once, '', torch.set_num_threads, (threads // at_once,)) as pool:
        list(pool.map(translate_batch, batches))
    torch.set_num_threads(threads)          # the number is everybody's
    return results

# -----------------------------------------------------------------------------
# scores, as sacreBLEU computes them (Post 2018)

def tokenize_13a(text):
    """The tokenisation of mteval-v13a, NIST's script, by which WMT scores."""
    text = text.replace('<skipped>', '')
    for entity, sign in ('&quot;', '"'), ('&amp;', '&'), ('&lt;', '<'), ('&gt;', '>'):
        text = text.replace(entity, sign)
    text = regex.sub(r'([{-~\[-` -&(-+:-@/])', r' \1 ', f' {text} ')       # signs stand alone ...
    text = regex.sub(r'([^0-9])([.,])', r'\1 \2 ', text)           # ... stops and commas too, but in numbers
    text = regex.sub(r'([.,])([^0-9])', r' \1 \2', text)
    return regex.sub(r'([0-9])(-)', r'\1 \2 ', text).split()               # and a dash after a digit

def ngrams(items, n):
    return collections.Counter(zip(*(items[i:] for i in range(n))))

def bleu_counts(hypothesis, reference, lowercase=False):
    """What BLEU counts in a sentence: matches and totals of 1- to 4-grams, its length, the reference's."""
    if lowercase:
        hypothesis, reference = hypothesis.lower(), reference.lower()
    hypothesis, reference = tokenize_13a(hypothesis), tokenize_13a(reference)
    pairs = [(ngrams(hypothesis, n), ngrams(reference, n)) for n in (1, 2, 3, 4)]
    return [*(sum((found & true).values()) for found, true in pairs),
            *(sum(found.values()) for found, _ in pairs), len(hypothesis), len(reference)]

def bleu(hypotheses, references, lowercase=False):
    """
    Corpus BLEU in percent (Papineni et al. 2002, section 2.3): the geometric mean of the precisions of 1- to
    4-grams, each n-gram counted no more often than the reference has it, times a penalty for being short. One
    reference, 13a, and exponential smoothing: an n without a match has half of one, the next a quarter ...
    """
    counts = (bleu_counts(*pair, lowercase) for pair in zip(hypotheses, references))
    return bleu_from([sum(column) for column in zip(*counts)])

def bleu_from(counts):
    """The sums of bleu_counts over a corpus -> BLEU."""
    matches, totals, (length, wanted) = counts[:4], counts[4:8], counts[8:]
    if not matches[0] or not totals[3]:
        return 0.0
    half, precisions = 1.0, []
    for match, total in zip(matches, totals):
        half = half if match else half / 2
        precisions.append((match or half) / total)
    brevity = min(1.0, math.exp(1 - wanted / length))
    return 100 * brevity * math.exp(sum(map(math.log, precisions)) / 4)

def chrf(hypotheses, references):
    """
    chrF2 in percent (Popović 2015, eq. 1): the F-score of n-grams of 1 to 6 characters, without white space,
    recall counting beta = 2 times as much as precision; both are means over n.
    """
    counts = [[0, 0, 0] for _ in range(6)]                                 # found, true, matched
    for hypothesis, reference in zip(hypotheses, references):
        hypothesis, reference = ''.join(hypothesis.split()), ''.join(reference.split())
        for n in range(6):
            found, true = ngrams(hypothesis, n + 1), ngrams(reference, n + 1)
            counts[n][0] += sum(found.values()) if true else 0             # as sacreBLEU: no hope, no blame
            counts[n][1] += sum(true.values())
            counts[n][2] += sum((found & true).values())
    counts = [c for c in counts if c[0] and c[1]]
    if not any(matched for _, _, matched in counts):
        return 0.0
    precision = sum(matched / found for found, _, matched in counts) / len(counts)
    recall = sum(matched / true for _, true, matched in counts) / len(counts)
    return 100 * 5 * precision * recall / (4 * precision + recall)

def paired_bootstrap(hypotheses, baseline, references, samples=1000):
    """
    Paired bootstrap (Koehn 2004): in what share of test sets, drawn sentence by sentence with replacement
    from this one, the first has more BLEU than the second. From 0.95 on the difference is hardly chance.
    """
    ours, theirs = (torch.tensor([bleu_counts(*pair) for pair in zip(side, references)], dtype=torch.double)
                    for side in (hypotheses, baseline))                                 # (sentences, 10)
    generator, wins = torch.Generator().manual_seed(1), 0
    for _ in range(samples):
        drawn = torch.randint(len(ours), (len(ours),), generator=generator)
        often = torch.bincount(drawn, minlength=len(ours)).double()                     # (sentences,)
        wins += bleu_from((often @ ours).tolist()) > bleu_from((often @ theirs).tolist())
    return wins / samples

def print_scores(hypotheses, references):
    """One `key value` a line."""
    print(f'BLEU {bleu(hypotheses, references):.2f}')
    print(f'BLEU_lowercase {bleu(hypotheses, references, lowercase=True):.2f}')
    print(f'chrF2 {chrf(hypotheses, references):.2f}')
    print('BLEU_signature nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp')
    print('chrF2_signature nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no')

def print_scores_by_length(sources, hypotheses, references):
    """BLEU for the sentences of 1 to 10 source words, of 11 to 20, ..."""
    tens = collections.defaultdict(list)
    for source, *pair in zip(sources, hypotheses, references):
        tens[max(0, len(source.split()) - 1) // 10].append(pair)
    for ten, pairs in sorted(tens.items()):
        print(f'BLEU_{10 * ten + 1}-{10 * ten + 10}_words {bleu(*zip(*pairs)):.2f}')
        print(f'sentences_{10 * ten + 1}-{10 * ten + 10}_words {len(pairs)}')

# -----------------------------------------------------------------------------

def unknown_words(words, vocab):
    return [word.strip(JOINER) for word, i in zip(words, vocab.look_up(words)) if i == UNK]

SHADES = ' ░▒▓█'

def explain_beam_search(text, model, source_vocab, target_vocab, dtype, **how):
    """--explain: what the beam held at each step and what it dropped, then what was looked at."""
    device, words = next(model.parameters()).device, split(normalise(text))
    source, lengths = pad([source_vocab.look_up(words) + [EOS]])                                # (1, S), (1,)
    source, limit, trace = source.to(device), max_lengths(lengths, max_length, min_length), []
    print('unknown words:', ' '.join(unknown_words(words, source_vocab)) or 'none')
    with autocast(device.type, dtype):
        greedy, _ = beam_search(model, source, lengths, limit, 1, **how)                        # (1, 1, T)
        tokens, scores = beam_search(model, source, lengths, limit, beam_size, trace=trace, **how)
        tokens = tokens[:, 0, :int((tokens[0, 0] != PAD).sum())]                                # (1, T)
        greedy, winner = [word for word in greedy[0, 0].tolist() if word != PAD], tokens[0].tolist()
        parted = False
        for t, considered in enumerate(trace, 1):
            print(f'\nstep {t}')
            for ids, score, kept in considered:
                notes = {'pruned': not kept, 'ends': kept and ids[-1] == EOS, 'greedy': ids == greedy[:t],
                         'the winner': ids == winner[:t]}
                notes = ', '.join(note for note, true in notes.items() if true)
                print(f'  {score:8.3f}  {target_vocab.decode(ids)}' + (f'   ({notes})' if notes else ''))
            if not parted and greedy[:t] != winner[:t]:
                parted = True
                print('  here the search leaves what greedy decoding takes')
        output = [target_vocab.words[i] for i in winner]
        if replace_unknown and model.config.attention != 'none':
            output, = replace_unknowns(model, source, lengths, tokens, [words], target_vocab)
        print('\nbest     ', to_text(output), f'  ({scores[0, 0]:.4f})')
        print('greedy   ', target_vocab.decode(greedy))
        if model.config.attention != 'none':
            weights = attention_weights(model, source, lengths, tokens)[0].tolist()             # T lists of S
            rows = [word.strip(JOINER) or word for word in output]
            room = max(map(len, rows))
            print()
            for s, word in enumerate([*words, '<eos>']):
                print(' ' * room, ' │' * s, ' ┌ ', word.strip(JOINER) or word, sep='')
            for row, word in zip(weights, rows):
                print(f'{word:>{room}}', ''.join(2 * SHADES[round(4 * min(1.0, w))] for w in row))

def translate_file(lines, show):
    """
    From --input to --output, a part at a time. What is done lies in OUTPUT.part until all is; with --resume,
    the sentences whose translations are there already are not translated again.
    """
    total = sum(1 for _ in read_lines(input)) if os.path.isfile(input) else 0       # a pipe is read once
    done, bar, target = 0, Progress('translating', 'sentences'), output_path(output)
    part = f'{target}.part'
    if resume and os.path.exists(target) and not os.path.exists(part):
        return print(f'{output} is there already, and nothing to resume', file=sys.stderr)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if resume and os.path.exists(part):
            with open(part, 'rb+') as file:
                done = sum(1 for line in file if line.endswith(b'\n'))
                file.seek(0)
                file.truncate(sum(len(line) for line in file if line.endswith(b'\n')))     # half a line
        if sum(1 for _ in itertools.islice(lines, done)) < done:
            fail(f'{part} has more lines than {input}: it is of another input; leave --resume out')
        bar.begin = done
        with open(part, 'a' if done else 'w', encoding='utf-8', newline='\n') as file:
            while chunk := list(itertools.islice(lines, 20 * batch_size)):
                show(chunk, file)
                file.flush()
                done += len(chunk)
                bar.show(done, total and min(1.0, done / total))
        os.replace(part, target)
    except OSError as error:
        fail(f'cannot write {output}: {error.strerror}')
    bar.close()

def main(given):
    if hypotheses or references:
        if not (hypotheses and references):
            fail('--hypotheses and --references go together: translations, and what they should have been')
        ours, theirs = list(read_lines(hypotheses)), list(read_lines(references))
        if len(ours) != len(theirs) or not ours:
            fail(f'{hypotheses} has {len(ours)} lines, {references} has {len(theirs)}: line must match line')
        print_scores(ours, theirs)
        if baseline:
            others = list(read_lines(baseline))
            if len(others) != len(theirs):
                fail(f'{baseline} has {len(others)} lines, {references} has {len(theirs)}: line must match '
                     'line')
            print(f'BLEU_of_baseline {bleu(others, theirs):.2f}')
            print(f'paired_bootstrap {paired_bootstrap(ours, others, theirs):.3f}')
        return
    if baseline:
        fail('--baseline goes with --hypotheses and --references')
    if resume and not (input and output and n_best == 1):
        fail('--resume goes with --input and --output, and with one translation of each sentence')
    if bool(input) + bool(evaluate) + ('text' in given) > 1:
        fail('--text, --input and --evaluate: give one of them')
    if evaluate not in ('', 'valid', 'test'):
        fail(f'--evaluate takes valid or test, not {evaluate!r}')
    numbers = beam_size, n_best, batch_size, max(1, max_length), max(1, min_length)
    if not 1 <= min(numbers) <= max(numbers) <= 10000 or n_best > beam_size and not temperature:
        fail('--beam_size, --n_best, --batch_size and lengths are from 1 to 10000, and --n_best is at most '
             '--beam_size')
    if top_k and not temperature:
        fail('--top_k goes with --temperature')
    if length_penalty > 5 or 0 < temperature < 0.001:
        fail('--length_penalty is at most 5, and --temperature at least 0.001')
    if length_norm not in ('gnmt', 'words'):
        fail(f'--length_norm takes gnmt or words, not {length_norm!r}')
    if 0 < max_length < min_length:
        fail(f'--min_length={min_length} is more than --max_length={max_length}')
    if input and not os.path.exists(input):
        fail(f'there is no {input} to translate: name a text, a sentence a line')
    if os.path.isfile(input) and not os.path.getsize(input):
        fail(f'{input} is empty: there is nothing to translate')
    if input and output and any(os.path.exists(path) and os.path.samefile(input, path)
                                for path in (output, f'{os.path.realpath(output)}.part')):
        fail(f'{input} would be overwritten: name another --output')
    keep_freed_memory()
    where = choose_device(device)
    kind = choose_dtype(dtype, where)
    model, source_vocab, target_vocab = load(checkpoint, where)
    model.to(kind)                                  # once; autocast would do it anew at every word
    if coverage_penalty and model.config.attention == 'none':
        fail(f'--coverage_penalty is for a model with attention, which {checkpoint} has not')

    how = dict(length_penalty=length_penalty, length_norm=length_norm, coverage_penalty=coverage_penalty,
               min_length=min_length)

    def translated(texts):
        return translate(texts, model, source_vocab, target_vocab, beam_size, n_best, replace_unknown,
                         batch_size, max_length, temperature=temperature, top_k=top_k, dtype=kind,
                         **how)

    if explain:
        if 'text' not in given or not split(normalise(text)) or temperature:
            fail('--explain wants a sentence to search for: --text="...", and no --temperature')
        return explain_beam_search(text, model, source_vocab, target_vocab, kind, **how)

    def show(texts, file):
        for found in translated(texts):
            for target, score in (found + [('', -math.inf)] * n_best)[:n_best]:     # as many lines for each
                print(target if n_best == 1 else f'{score:.4f}\t{target}', file=file)

    if output:
        result = atomic_write(output, 'w', encoding='utf-8', newline='\n')
    else:
        result = contextlib.nullcontext(sys.stdout)
    if evaluate:
        meta = read_meta(data_dir)
        languages = meta['source_lang'], meta['target_lang']
        words = [read_vocabulary(data_dir, lang).words for lang in languages]
        if words != [source_vocab.words, target_vocab.words]:
            fail(f'{checkpoint} was trained with another vocabulary than that of {data_dir}/: name the '
                 f'--data_dir it was trained on, or train again with  python train.py --data_dir={data_dir}')
        sources, targets = (list(read_lines(f'{data_dir}/{evaluate}.{lang}')) for lang in languages)
        if len(sources) != len(targets) or not sources:
            fail(f'{data_dir}/{evaluate} is damaged: run  python prepare.py --data_dir={data_dir}  again')
        with result as file:                        # before the work, should it not be writable
            began = time.perf_counter()
            best = [found[0][0] for found in translated(sources)]
            seconds = time.perf_counter() - began
            if output:
                file.writelines(line + '\n' for line in best)
        print(f'{len(best):,} sentences in {seconds:.1f} s, {len(best) / seconds:,.0f} a second',
              file=sys.stderr)
        print_scores(best, targets)
        print_scores_by_length(sources, best, targets)
    elif 'text' in given:
        with result as file:
            show(text.split('\n'), file)
    elif input and output and n_best == 1:
        translate_file(read_lines(input), show)
    elif input or output or not sys.stdin.isatty():
        lines = read_lines(input) if input else decode_lines(sys.stdin.buffer, 'standard input')
        with result as file:
            while chunk := list(itertools.islice(lines, 100 * batch_size)):     # a part of the file at a time
                show(chunk, file)
    else:
        print('A sentence, then Enter; an empty line or Ctrl-D ends.')
        sys.stdin.reconfigure(encoding='utf-8', errors='replace')       # whatever the terminal's locale
        with contextlib.suppress(ImportError):
            import readline    # arrow keys, and what was typed before; Windows has its own
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while line := builtins.input('> '):
                show([line], sys.stdout)
                if unknown := unknown_words(split(normalise(line)), source_vocab):
                    print(f'(never seen, or too rarely: {" ".join(unknown)})')

if __name__ == '__main__':
    if hasattr(signal, 'SIGPIPE'):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)       # python sample.py ... | head
    interrupt_once()
    try:
        main(parse_command_line(globals()))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print('stopped' + '; with --resume it goes on' * bool(input and output and n_best == 1),
              file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        fail(f'cannot write {error.filename or "standard output"}: {error.strerror}')
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        fail(f'out of memory: halve --batch_size={batch_size}, or take a smaller --beam_size')
