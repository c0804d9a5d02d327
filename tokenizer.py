"""
From words to numbers: two vocabularies, one a language, and the sentences of data/ as memory-mapped ids.

    python tokenizer.py
    python tokenizer.py --data_dir=data/multi30k --max_source_vocab=10000

Reads what prepare.py wrote. Writes data/vocab.LANG.txt (word TAB count, a word's id is its line) and
data/{train,valid,test}.LANG.bin. The top of this file is also what all scripts share: the command line,
the one-line error, the file written beside and renamed. It needs no torch.
"""
import collections, contextlib, difflib, functools, hashlib, json, multiprocessing, os, sys, unicodedata

import numpy as np
import regex

# -----------------------------------------------------------------------------
# config
data_dir = 'data'           # the folder that prepare.py filled
max_source_vocab = 30000    # words of the source language at the most, the four special ones included
max_target_vocab = 25000    # words of the target language at the most: the output layer's cost
min_count = 2               # a word seen less often becomes <unk>, so that training sees unknown words
workers = 0                 # processes, 0: one for each core
# -----------------------------------------------------------------------------
# what every script shares

def fail(message):
    """End with one line on standard error and status 2: for everything that the user can mend."""
    print(message, file=sys.stderr)
    raise SystemExit(2)

def settings(script):
    """A script's config: its lower-case globals that are a number, a text or true or false."""
    return {k: v for k, v in script.items() if k[0].islower() and isinstance(v, (bool, int, float, str))}

def override(script):
    """
    Take the command line into a script's config, the globals of `script`, whose defaults give the types.
    --key=value, --key value and a bare --flag all work; --help prints each global, its default, its comment.
    Returns the names that were given.
    """
    config = settings(script)
    sys.stdout.reconfigure(encoding='utf-8')        # whatever the terminal's locale
    arguments, given = sys.argv[1:], []
    if '--help' in arguments or '-h' in arguments:
        source = open(script['__file__'], encoding='utf-8').read()
        comments = dict(regex.findall(r'^(\w+) = .*? # (.*)$', source, regex.MULTILINE))
        lines = [f'  --{k}={v!r}'.ljust(44) + '  ' + comments.get(k, '') for k, v in config.items()]
        print(script['__doc__'].strip(), '\n\nflags, with their defaults:\n' + '\n'.join(lines))
        raise SystemExit(0)
    while arguments:
        flag, equals, value = arguments.pop(0).partition('=')
        key = flag.lstrip('-').replace('-', '_')
        if not flag.startswith('--') or key not in config:
            near = difflib.get_close_matches(key, config, n=1)
            hint = f'did you mean --{near[0]}? ' if near else ''
            fail(f'unknown argument {flag}{equals}{value}: {hint}--help lists the flags')
        kind, words = type(config[key]), {'true': True, '1': True, 'false': False, '0': False}
        if not equals and kind is bool:
            value = arguments.pop(0) if arguments and arguments[0].lower() in words else 'true'
        elif not equals:
            if not arguments or arguments[0].startswith('--'):
                fail(f'--{key} needs a value: --{key}=...')
            value = arguments.pop(0)
        try:
            script[key] = words[value.lower()] if kind is bool else kind(value)
            if kind in (int, float) and not 0 <= script[key] < float('inf'):
                raise ValueError
        except (KeyError, ValueError):
            wanted = {bool: 'true or false', int: 'a whole number from 0', float: 'a number from 0'}[kind]
            fail(f'--{key} takes {wanted}, not {value!r}')
        if key.endswith('_dir') and not value:
            fail(f'--{key} needs the name of a folder')
        given.append(key)
    return given

@contextlib.contextmanager
def replacing(path, mode='wb', **how):
    """Open a file beside `path` that takes its name once it is whole: a kill leaves the old or the new."""
    path = os.path.realpath(path)                   # a link stays one
    if os.path.exists(path) and not os.path.isfile(path):
        fail(f'cannot write {path}: it is there, and no ordinary file')
    beside = f'{path}.{os.getpid()}.tmp'
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(beside, mode, **how) as file:
            yield file
        os.replace(beside, path)
    except OSError as error:
        fail(f'cannot write {path}: {error.strerror}')
    finally:
        if os.path.exists(beside):
            os.remove(beside)

def decode_lines(file, path):
    """A binary file's lines without their ends, split at b'\\n' alone: real text holds bare CR and U+2028."""
    try:
        for number, line in enumerate(file, 1):
            yield line.rstrip(b'\r\n').decode('utf-8')
    except UnicodeDecodeError:
        fail(f'{path}, line {number} is not UTF-8: convert it, as with  iconv -f ITS_ENCODING -t utf-8')

def read_lines(path):
    """The lines of a text file; status 2 where it cannot be read or is not UTF-8."""
    try:
        with open(path, 'rb') as file:
            yield from decode_lines(file, path)
    except OSError as error:
        fail(f'cannot read {path}: {error.strerror}')

def checksum(path, algorithm='sha256'):
    """A file's hash in hex digits."""
    digest = hashlib.new(algorithm)
    with open(path, 'rb') as file:
        for block in iter(functools.partial(file.read, 1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()

def fingerprint(path):
    """Half of a hash is enough to know whether a stage's input has changed."""
    return checksum(path)[:16]

def read_meta(data_dir):
    """data_dir/meta.json, prepare.py's record of what it wrote: languages, counts, fingerprints."""
    try:
        with open(f'{data_dir}/meta.json', encoding='utf-8') as file:
            meta = json.load(file)
        langs, splits = (meta['source_lang'], meta['target_lang']), ('train', 'valid', 'test')
        if not all(meta['files'][f'{split}.{lang}']['fingerprint'] for split in splits for lang in langs):
            raise ValueError
        return meta
    except OSError:
        fail(f'no data in {data_dir}/: run  python prepare.py --data_dir={data_dir}')
    except (ValueError, KeyError, TypeError):
        fail(f'{data_dir}/meta.json is damaged: run  python prepare.py --data_dir={data_dir}  again')

# -----------------------------------------------------------------------------
# a sentence is split into words so that it can be put together again: a mark says where there was no space

JOINER = '￭'                # U+FFED, as in OpenNMT's tokenizer: "hard-hat!" -> hard ￭-￭ hat ￭!
LETTERS = r'\p{L}\p{M}\p{N}_'
WORD = f'[{LETTERS}]'
CLITIC = rf"(?<=[\p{{L}}{JOINER}])['’](?:s|re|ve|ll|d|m|t)(?!{WORD})"       # man's, don't, geht's
ELISION = r"(?<=\p{L})['’](?=\p{L})"                                        # l'homme, o'clock
NUMBER = r'(?<=\p{N})[.,:](?=\p{N})'                                        # 1,000.50 and 10:30 stay whole
SIGNS = rf'([^{LETTERS}\s])(?<!\1\1)\1*'                               # one sign, or a whole run of the same
LEFT = regex.compile(rf'(?<=\S)(?:{CLITIC}|(?!{ELISION}|{NUMBER}){SIGNS})', regex.IGNORECASE)
RIGHT = regex.compile(rf'(?!{CLITIC}|{NUMBER}){SIGNS}(?={WORD})', regex.IGNORECASE)
INVISIBLE = regex.compile(rf'[\p{{Cc}}\p{{Zl}}\p{{Zp}}]|([\u00ad\u200b\u200e\u200f\ufeff{JOINER}])')

def normalise(text):
    """Unicode NFC, single spaces, no control or zero-width characters: 'a\\u00a0 b\\u00ad' -> 'a b'."""
    if not text.isprintable() or JOINER in text:
        text = INVISIBLE.sub(lambda match: '' if match[1] else ' ', text)
    if not text.isascii():
        text = unicodedata.normalize('NFC', text)
    return ' '.join(text.split())

def split(text):
    """'The man\\'s hat.' -> ['The', 'man', '￭\\'s', 'hat', '￭.'], which join() undoes."""
    text = LEFT.sub(rf' {JOINER}\g<0>', text)
    return RIGHT.sub(rf'\g<0>{JOINER} ', text).split()

def join(words):
    """The inverse of split()."""
    text = ' '.join(words)
    return text.replace(f' {JOINER}', '').replace(f'{JOINER} ', '').replace(JOINER, '')

# -----------------------------------------------------------------------------
# the vocabulary: the most frequent words, after four that are none

SPECIAL = ['<pad>', '<unk>', '<bos>', '<eos>']
PAD, UNK, BOS, EOS = range(4)

class Vocabulary:
    """A list of words; a word's id is its place. Everything not in the list is <unk>."""

    def __init__(self, words):
        self.words = list(words)
        self.ids = {word: i for i, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def look_up(self, words):
        return [self.ids.get(word, UNK) for word in words]

    def encode(self, text):
        """A sentence to ids, without <bos> and <eos>."""
        return self.look_up(split(normalise(text)))

    def decode(self, ids):
        """Ids to natural text."""
        return to_text(self.words[i] for i in ids)

def to_text(words):
    """join(), in which <pad>, <bos> and <eos> leave no trace."""
    return join(word for word in words if word not in SPECIAL or word == SPECIAL[UNK])

def read_vocabulary(data_dir, lang):
    path = f'{data_dir}/vocab.{lang}.txt'
    if not os.path.exists(path):
        fail(f'no vocabulary in {data_dir}/: run  python tokenizer.py --data_dir={data_dir}')
    return Vocabulary(line.split('\t')[0] for line in read_lines(path))

def build_vocabulary(counts, size, min_count):
    """Counter of words -> [(word, count)], the special ones first, then by count, ties by the alphabet."""
    kept = sorted((w for w, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))
    kept = kept[:size - len(SPECIAL)]
    unknown = sum(counts.values()) - sum(counts[w] for w in kept)
    return [(word, unknown if word == '<unk>' else 0) for word in SPECIAL] + [(w, counts[w]) for w in kept]

# -----------------------------------------------------------------------------
# the ids on disk: a header, where each sentence begins, then all ids in one row

MAGIC = b'nanoseq1'
HEADER = np.dtype([('magic', 'S8'), ('sentences', '<i8'), ('tokens', '<i8'), ('bytes_per_id', '<i8'),
                   ('text', 'S16'), ('vocab', 'S16')])   # text and vocab: fingerprints

def write_ids(path, blocks, text, vocab, size):
    """Write blocks of (ids, lengths) and the fingerprints of the text and of its vocabulary, `size` words."""
    ids, lengths = (np.concatenate(parts) for parts in zip(*blocks))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype('<i8')
    ids = ids.astype('<u2' if size <= 1 << 16 else '<u4')
    header = np.array([(MAGIC, len(lengths), len(ids), ids.itemsize, text, vocab)], HEADER)
    with replacing(path) as file:
        for part in (header, offsets, ids):
            part.tofile(file)

def read_ids(data_dir, split, lang, meta):
    """
    Memory-map data_dir/SPLIT.LANG.bin.

    Returns ids (all of them in one row) and offsets (sentence i is ids[offsets[i]:offsets[i + 1]]).
    Ends with status 2 where the file is missing, damaged, or made from another text or vocabulary.
    """
    path, again = f'{data_dir}/{split}.{lang}.bin', f'run  python tokenizer.py --data_dir={data_dir}'
    if not os.path.exists(path) or not os.path.exists(f'{data_dir}/vocab.{lang}.txt'):
        fail(f'{path} or its vocabulary is missing: {again}')
    header = np.fromfile(path, HEADER, 1).tolist()
    magic, n, tokens, width, text, vocab = header[0] if header else [b''] + 5 * [0]
    if magic != MAGIC or os.path.getsize(path) != HEADER.itemsize + 8 * (n + 1) + width * tokens:
        fail(f'{path} is damaged: {again}')
    if text.decode() != meta['files'][f'{split}.{lang}']['fingerprint']:
        fail(f'{path} was made from an older {split}.{lang}: {again}')
    if vocab.decode() != fingerprint(f'{data_dir}/vocab.{lang}.txt'):
        fail(f'{path} was made with another vocabulary: {again}')
    offsets = np.memmap(path, '<i8', 'r', HEADER.itemsize, (n + 1,))
    ids = np.memmap(path, f'<u{width}', 'r', HEADER.itemsize + 8 * (n + 1), (tokens,))
    return ids, offsets

# -----------------------------------------------------------------------------
# over the cores: blocks of whole lines go out, counts and ids come back in order

def blocks_of_lines(path, size=1 << 20):
    with open(path, 'rb') as file:
        while block := file.read(size):
            yield (block + file.readline()).decode('utf-8')

def count_words(block):
    return collections.Counter(split(block))

def share_vocabulary(words):
    """Give a worker process the vocabulary once, not with every block."""
    global shared
    shared = Vocabulary(words)

def encode_block(block):
    sentences = [shared.look_up(split(line)) for line in block.split('\n')[:-1]]
    lengths = np.array([len(s) for s in sentences], np.int64)
    return np.fromiter((i for s in sentences for i in s), np.uint32, lengths.sum()), lengths

def print_coverage(lang, counts, vocab, sizes=(5000, 10000, 20000, 30000, 50000)):
    """What a vocabulary of each size would know of the running words."""
    running, ordered = sum(counts.values()), sorted(counts.values(), reverse=True)
    print(f'\n{lang}: {running:,} running words, {len(counts):,} different ones; {len(vocab):,} kept, '
          f'{vocab[UNK][1] / running:.2%} of the running words unknown')
    known = np.cumsum(ordered)
    table = [f'{size:,}: {known[size - 1] / running:.2%}' for size in sizes if size < len(ordered)]
    print('running words known by size:  ' + '  '.join([*table, f'all {len(ordered):,}: 100%']))

def main():
    if min(max_source_vocab, max_target_vocab) <= len(SPECIAL):
        fail('--max_source_vocab and --max_target_vocab are at least 5, since 4 words are special')
    meta = read_meta(data_dir)
    for name, file in meta['files'].items():
        path = f'{data_dir}/{name}'
        if not os.path.exists(path) or fingerprint(path) != file['fingerprint']:
            fail(f'{path} is missing or not as prepare.py wrote it: run  python prepare.py  again '
                 '(your own files go in with --dataset=files)')
    n_workers = workers or os.cpu_count()
    for lang, size in (meta['source_lang'], max_source_vocab), (meta['target_lang'], max_target_vocab):
        with multiprocessing.Pool(n_workers) as pool:
            counts = collections.Counter()
            for part in pool.imap_unordered(count_words, blocks_of_lines(f'{data_dir}/train.{lang}')):
                counts.update(part)
        vocab = build_vocabulary(counts, size, min_count)
        path = f'{data_dir}/vocab.{lang}.txt'
        with replacing(path, 'w', encoding='utf-8', newline='\n') as file:
            file.writelines(f'{word}\t{n}\n' for word, n in vocab)
        print_coverage(lang, counts, vocab)
        with multiprocessing.Pool(n_workers, share_vocabulary, ([word for word, _ in vocab],)) as pool:
            for part in 'train', 'valid', 'test':
                blocks = pool.imap(encode_block, blocks_of_lines(f'{data_dir}/{part}.{lang}'))
                text = meta['files'][f'{part}.{lang}']['fingerprint']
                write_ids(f'{data_dir}/{part}.{lang}.bin', blocks, text, fingerprint(path), len(vocab))
    print(f'\nwrote the vocabularies and ids to {data_dir}/; next:  python train.py'
          + (f' --data_dir={data_dir}' if data_dir != 'data' else ''))

if __name__ == '__main__':
    override(globals())
    main()
