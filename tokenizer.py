"""
From text to ids: split sentences into words, keep the most frequent ones as two vocabularies, one for each
language, and write the sentences of data/ as ids.

    python tokenizer.py
    python tokenizer.py --data_dir=data/multi30k --max_source_vocab=10000

Reads what prepare.py wrote. Writes data/vocab.LANG.txt (word TAB count; a word's id is its line number, from
0) and data/{train,valid,test}.LANG.bin, which train.py maps into memory. The end of this file is what all
scripts share: command line, errors, files, processes. It needs no torch.
"""
import signal
if __name__ == '__main__':                          # until main() runs, Ctrl-C ends the script without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import array, collections, contextlib, difflib, functools, hashlib, heapq, itertools, json, multiprocessing
import os, signal, sys, tempfile, threading, time, unicodedata, zlib
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
try:
    import fcntl
except ImportError:                                 # windows: there, two runs in one folder are not prevented
    fcntl = None

import numpy as np
import regex

# -----------------------------------------------------------------------------
# config
data_dir = 'data'           # the folder that prepare.py filled
max_source_vocab = 30000    # size of the source vocabulary at most, its four special words included
max_target_vocab = 25000    # size of the target vocabulary at most: it sets the cost of the output layer
min_count = 2               # a word seen less often becomes <unk>, so that training sees unknown words
workers = 0                 # processes; 0: one for each core
# -----------------------------------------------------------------------------
# words: a sentence is split so that it can be joined again exactly; a mark says where there was no space

JOINER = '￭'                # U+FFED, as in OpenNMT's tokenizer: "hard-hat!" -> hard ￭-￭ hat ￭!
LETTERS = r'\p{L}\p{M}\p{N}_\u200c\u200d'         # the last two are inside Persian and Hindi words
WORD = f'[{LETTERS}]'
CLITIC = rf"(?<=[\p{{L}}{JOINER}])['’](?:s|re|ve|ll|d|m|t)(?!{WORD})"       # man's, don't, geht's
ELISION = r"(?<=\p{L})['’](?=\p{L})"                                        # l'homme, o'clock
NUMBER = r'(?<=\p{N})[.,:](?=\p{N})'                                        # 1,000.50 and 10:30 stay whole
PUNCTUATION = rf'([^{LETTERS}\s])(?<!\1\1)\1*'                               # one sign, or a run of the same
LEFT = regex.compile(rf'(?<=\S)(?:{CLITIC}|(?!{ELISION}|{NUMBER}){PUNCTUATION})', regex.IGNORECASE)
RIGHT = regex.compile(rf'(?!{CLITIC}|{NUMBER}){PUNCTUATION}(?={WORD})', regex.IGNORECASE)
BIDIRECTIONAL = '\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069'
INVISIBLE = regex.compile(rf'[\p{{Cc}}\p{{Zl}}\p{{Zp}}]|([\u00ad\u200b\u2060\ufeff{BIDIRECTIONAL}{JOINER}])')

def normalise(text):
    """Unicode NFC, single spaces, no control or zero-width characters: 'a\\u00a0 b\\u00ad' -> 'a b'."""
    if not text.isprintable() or JOINER in text:
        text = INVISIBLE.sub(lambda match: '' if match[1] else ' ', text)
    if not text.isascii():
        text = unicodedata.normalize('NFC', text)
    return ' '.join(text.split())

def split(text):
    """'The man\\'s hat.' -> ['The', 'man', '￭\\'s', 'hat', '￭.'], which join() undoes."""
    return list(itertools.chain.from_iterable(map(split_chunk, text.split())))

@functools.lru_cache(1 << 17)                       # few chunks make up most of all text
def split_chunk(chunk):
    """split() for the text between two spaces."""
    chunk = LEFT.sub(rf' {JOINER}\g<0>', chunk)
    return RIGHT.sub(rf'\g<0>{JOINER} ', chunk).split()

def join(words):
    """The inverse of split()."""
    text = ' '.join(words)
    return text.replace(f' {JOINER}', '').replace(f'{JOINER} ', '').replace(JOINER, '')

# -----------------------------------------------------------------------------
# the vocabulary: the most frequent words, after four special ones

SPECIAL = ['<pad>', '<unk>', '<bos>', '<eos>']
PAD, UNK, BOS, EOS = range(4)

class Vocabulary:
    """A list of words; a word's id is its index in the list. Any other word is <unk>."""

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

def build_vocabulary(counts, size, min_count):
    """
    From (word, count) for every word of the text: the vocabulary, [(word, count)], the special words first,
    then by count, ties in alphabetical order; and the counts of all words, the greatest first.
    """
    all_counts = array.array('q')
    def frequent():
        for word, n in counts:
            all_counts.append(n)
            if n >= min_count:
                yield -n, word
    kept = [(word, -n) for n, word in heapq.nsmallest(size - len(SPECIAL), frequent())]
    n_unknown = sum(all_counts) - sum(n for _, n in kept)
    special = [(word, n_unknown if word == '<unk>' else 0) for word in SPECIAL]
    return special + kept, np.sort(all_counts)[::-1]

# -----------------------------------------------------------------------------
# the ids on disk: a header, the offset of each sentence, then the ids of all sentences in one row

SPLITS, SIDES = ('train', 'valid', 'test'), ('source_lang', 'target_lang')      # meta.json's names
MAGIC = b'nanoseq2'
HEADER = np.dtype([('magic', 'S8'), ('sentences', '<i8'), ('tokens', '<i8'), ('bytes_per_id', '<i8'),
                   ('text', 'S16'), ('vocabularies', 'S16'),        # fingerprints
                   ('crc_offsets', '<u4'), ('crc_ids', '<u4')])

def write_ids(file, sentences, blocks, text, vocabularies, size):
    """
    Write blocks of (ids, lengths), `sentences` sentences in all, one after the other, and the fingerprints of
    the text and of the vocabularies; the file's own has `size` words.
    """
    kind, done, tokens = np.dtype('<u2' if size <= 1 << 16 else '<u4'), 0, 0
    first_offset, first_id = HEADER.itemsize, HEADER.itemsize + 8 * (sentences + 1)
    crc_offsets, crc_ids = zlib.crc32(bytes(8)), 0  # the first offset is 0, like all that is not written
    for ids, lengths in blocks:
        offsets, ids = (tokens + np.cumsum(lengths)).astype('<i8'), ids.astype(kind)
        file.seek(first_offset + 8 * (done + 1))
        file.write(offsets)
        file.seek(first_id + kind.itemsize * tokens)
        file.write(ids)
        crc_offsets, crc_ids = zlib.crc32(offsets, crc_offsets), zlib.crc32(ids, crc_ids)
        done, tokens = done + len(offsets), tokens + len(ids)
    header = MAGIC, done, tokens, kind.itemsize, text, vocabularies, crc_offsets, crc_ids
    file.seek(0)
    file.write(np.array([header], HEADER))

def read_ids(data_dir, split, lang, meta):
    """
    Memory-map data_dir/SPLIT.LANG.bin: the ids of all sentences in one row, and offsets, so that sentence i
    is ids[offsets[i]:offsets[i + 1]]. Status 2 if the file is missing, damaged, or made from another text or
    with other vocabularies.
    """
    path, again = f'{data_dir}/{split}.{lang}.bin', f'run  python tokenizer.py --data_dir={data_dir}'
    if not os.path.exists(path):
        fail(f'{path} is missing: {again}')
    header = np.fromfile(path, HEADER, 1).tolist()
    magic, n, tokens, width, text, vocabularies, *crcs = header[0] if header else [b''] + 7 * [0]
    if magic != MAGIC or os.path.getsize(path) != HEADER.itemsize + 8 * (n + 1) + width * tokens:
        fail(f'{path} is damaged, or of an older version: {again}')
    if text != meta['files'][f'{split}.{lang}']['fingerprint'].encode():
        fail(f'{path} was made from an older {split}.{lang}: {again}')
    if vocabularies != fingerprint(*(f'{data_dir}/vocab.{meta[side]}.txt' for side in SIDES)).encode():
        fail(f'{path} was made with another vocabulary: {again}')
    offsets = np.memmap(path, '<i8', 'r', HEADER.itemsize, (n + 1,))
    ids = np.memmap(path, f'<u{width}', 'r', HEADER.itemsize + 8 * (n + 1), (tokens,))
    if crcs != [zlib.crc32(offsets), zlib.crc32(ids)]:
        fail(f'{path} is damaged: {again}')
    return ids, offsets

def read_vocabulary(data_dir, lang):
    return Vocabulary(line.split('\t')[0] for line in read_lines(f'{data_dir}/vocab.{lang}.txt'))

def read_split(data_dir, split, meta):
    """The source and the target sentences of data_dir/SPLIT.*, as prepare.py wrote them, else status 2."""
    for side in SIDES:
        check_text(data_dir, f'{split}.{meta[side]}', meta)
    return [list(read_lines(f'{data_dir}/{split}.{meta[side]}')) for side in SIDES]

def check_text(data_dir, name, meta):
    path = f'{data_dir}/{name}'
    if not os.path.exists(path) or fingerprint(path) != meta['files'][name]['fingerprint']:
        fail(f'{path} is missing or not as prepare.py wrote it: run  python prepare.py  again, which '
             'overwrites it (use your own files with --dataset=files)')

def read_meta(data_dir):
    """data_dir/meta.json, in which prepare.py wrote down languages, counts and fingerprints."""
    try:
        with open(f'{data_dir}/meta.json', encoding='utf-8') as file:
            meta = json.load(file)
        files = [meta['files'][f'{split}.{meta[side]}'] for split in SPLITS for side in SIDES]
        if not all(len(file['fingerprint']) == 16 and file['sentences'] > 0 for file in files):
            raise ValueError
        return meta
    except OSError:
        fail(f'no data in {data_dir}/: run  python prepare.py --data_dir={data_dir}')
    except (ValueError, KeyError, TypeError):
        fail(f'{data_dir}/meta.json is damaged: run  python prepare.py --data_dir={data_dir}  again')

# -----------------------------------------------------------------------------
# counting and encoding, a block of lines at a time, on all cores

def map_blocks(title, function, path, setup=None, *arguments):
    """Yield function(block) for each block of lines of a file; its first result is the block's size."""
    bar, done = Progress(title, 'bytes'), 0
    with open(path, 'rb') as file:
        for n_bytes, *result in parallel_map(function, blocks_of_lines(file), workers, setup, *arguments):
            yield result
            done += n_bytes
            bar.show(done, done / os.path.getsize(path))
    bar.close()

def count_words(block):
    """How often each word occurs. Each different chunk is split once, however often it occurs."""
    counts = collections.Counter()
    for chunk, n in collections.Counter(block.decode('utf-8').split()).items():
        for word in split_chunk(chunk):
            counts[word] += n
    return len(block), counts

def add_counts(parts, folder, most=1 << 21):
    """
    Sum up Counters: yields (word, count) for every word, in alphabetical order. Beyond `most` different words
    the counts are moved to temporary files of sorted lines, which are merged at the end.
    """
    counts, runs = collections.Counter(), []
    with contextlib.ExitStack() as files:
        for part, in parts:
            counts.update(part)
            if len(counts) > most:
                run = tempfile.TemporaryFile('w+', encoding='utf-8', newline='\n', dir=folder)
                runs.append(files.enter_context(run))
                run.writelines(f'{word}\t{n}\n' for word, n in sorted(counts.items()))
                run.seek(0)
                counts.clear()
        lines = [(line.rstrip('\n').split('\t') for line in run) for run in runs]
        merged = heapq.merge(*lines, sorted(counts.items()), key=lambda item: item[0])
        bar = Progress('merging the counts', 'words')
        for number, (word, group) in enumerate(itertools.groupby(merged, key=lambda item: item[0])):
            yield word, sum(int(n) for _, n in group)
            if number % 100000 == 0:
                bar.show(number, 0)
        bar.close()

def init_encoding(words):
    """Give a worker process the vocabulary once, not with every block."""
    global ids_of
    look_up = Vocabulary(words).look_up
    ids_of = functools.lru_cache(1 << 17)(lambda chunk: look_up(split_chunk.__wrapped__(chunk)))

def encode_block(block):
    """A block of lines -> its size, the ids of all its words in one row, the length of each sentence."""
    flat = itertools.chain.from_iterable
    sentences = [list(flat(map(ids_of, line.split()))) for line in block.decode('utf-8').split('\n')[:-1]]
    lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
    return len(block), np.fromiter(flat(sentences), np.uint32, lengths.sum()), lengths

def print_coverage(lang, vocab, counts, sizes=(5000, 10000, 20000, 30000, 50000)):
    """How many of the running words a vocabulary of each size covers; counts: of all words, sorted."""
    running, known = counts.sum(), np.cumsum(counts)
    print(f'\n{lang}: {running:,} running words, {len(counts):,} different ones; {len(vocab):,} kept, '
          f'{vocab[UNK][1] / running:.2%} of the running words unknown')
    for size in [*(size for size in sizes if size < len(counts)), len(counts)]:
        coverage = known[size - 1] / running
        print(f'  the {size:>10,} most frequent cover {coverage:7.2%}  {"█" * round(50 * coverage)}')

def main(given):
    if min(max_source_vocab, max_target_vocab) <= len(SPECIAL):
        fail('--max_source_vocab and --max_target_vocab are at least 5, since 4 words are special')
    meta = read_meta(data_dir)                      # before a mistyped name becomes a folder
    with exclusive_lock(data_dir), atomic_writes() as create:
        for name in meta['files']:
            check_text(data_dir, name, meta)
        vocabs, texts = [], hashlib.sha256()
        for side, size in zip(SIDES, (max_source_vocab, max_target_vocab)):
            lang = meta[side]
            counters = map_blocks(f'counting words, {lang}', count_words, f'{data_dir}/train.{lang}')
            vocab, counts = build_vocabulary(add_counts(counters, data_dir), size, min_count)
            print_coverage(lang, vocab, counts)
            lines = ''.join(f'{word}\t{n}\n' for word, n in vocab).encode()
            create(f'{data_dir}/vocab.{lang}.txt').write(lines)
            texts.update(lines)
            vocabs.append(vocab)
        for (side, vocab), split in itertools.product(zip(SIDES, vocabs), SPLITS):
            name = f'{split}.{meta[side]}'
            blocks = map_blocks(f'encoding {name}', encode_block, f'{data_dir}/{name}', init_encoding,
                                [word for word, _ in vocab])
            write_ids(create(f'{data_dir}/{name}.bin'), meta['files'][name]['sentences'], blocks,
                      meta['files'][name]['fingerprint'], texts.hexdigest()[:16], len(vocab))
    unknown = max(vocab[UNK][1] / max(1, sum(n for _, n in vocab)) for vocab in vocabs)
    if unknown > 0.3:
        print(f'warning: {unknown:.0%} of the running words of a language are unknown: --min_count=1 keeps '
              'those that occur once, and more text helps', file=sys.stderr)
    out_dir = '' if data_dir == 'data' else f'checkpoints/{os.path.basename(os.path.abspath(data_dir))}'
    print(f'\nwrote vocabularies and ids to {data_dir}/; next:  python train.py'
          + next_flags(data_dir, out_dir))

# -----------------------------------------------------------------------------
# what all scripts share

def fail(message):
    """End with one line on standard error and status 2: for everything that the user can mend."""
    print(message, file=sys.stderr)
    raise SystemExit(2)

def config_of(script):
    """A script's config: its lower-case globals that are a number, a string or a boolean."""
    return {k: v for k, v in script.items() if k[0].islower() and isinstance(v, (bool, int, float, str))}

# flags of earlier versions, and what to do without them
RETIRED = {'lexicon': 'since it was worth 0.03 BLEU; --replace_unknown copies the source word',
           'lexicon_pairs': 'since the lexicon of rare words was worth 0.03 BLEU',
           'average': 'since averaged weights were no better',
           'length_norm': 'since the other norm was within 0.1 BLEU',
           'min_length': 'since it brought no BLEU',
           'top_k': 'since no lesson needed it: --temperature samples from all words',
           'toy_pairs': 'since --max_pairs does it for every data set'}

def parse_command_line(script):
    """
    Set a script's config, the globals `script`, from the command line; their defaults give the types.
    --key=value, --key value and a bare --flag all work, and --help prints each global with its default and
    its comment. Returns the names that were given.
    """
    config, arguments, given = config_of(script), sys.argv[1:], []
    if '--help' in arguments or '-h' in arguments:
        source = source_of(script['__file__'])
        comments = dict(regex.findall(r'^(\w+) = .*? # (.*)$', source, regex.MULTILINE))
        lines = [f'  --{k}={v!r}'.ljust(44) + '  ' + comments.get(k, '') for k, v in config.items()]
        print(script['__doc__'].strip(), '\n\nflags, with their defaults:\n' + '\n'.join(lines))
        raise SystemExit(0)
    while arguments:
        flag, equals, value = argument = arguments.pop(0).partition('=')
        key = flag.lstrip('-').replace('-', '_')
        if not flag.startswith('--') or key not in config:
            fail(f'unknown argument {"".join(argument)}: {hint(flag, key, given, script)}')
        kind, words = type(config[key]), {'true': True, '1': True, 'false': False, '0': False}
        if not equals and kind is bool:
            value = arguments.pop(0) if arguments and arguments[0].lower() in words else 'true'
        elif not equals:
            if not arguments or arguments[0].startswith('--'):
                fail(f'--{key} needs a value: --{key}=...')
            value = arguments.pop(0)
        try:
            script[key] = words[value.lower()] if kind is bool else kind(value)
            if kind in (int, float) and not 0 <= script[key] < LARGEST:
                raise ValueError
        except (KeyError, ValueError):
            wanted = {bool: 'true or false', int: 'a whole number from 0', float: 'a number from 0'}[kind]
            fail(f'--{key} takes {wanted}{f" to {LARGEST:g}" * (kind is not bool)}, not {value[:40]!r}')
        if key.endswith('_dir') and not value:
            fail(f'--{key} needs the name of a folder')
        if any('\ud800' <= sign <= '\udfff' for sign in value):
            fail(f'--{key} is not UTF-8')
        given.append(key)
    return given

LARGEST = 10 ** 12          # of all numbers on a command line: within every range of torch and numpy

def hint(flag, key, given, script):
    """What may have been meant by an argument that is no flag of the script."""
    config = config_of(script)
    if not flag.startswith('-') and given and isinstance(config[given[-1]], str):
        return f'put quotes around a text with spaces: --{given[-1]}="..."'
    if key in RETIRED:
        return f'this flag is gone, {RETIRED[key]}'
    initials = {''.join(part[0] for part in name.split('_')): name for name in config if '_' in name}
    near = [name for name in config if key in name.split('_')]
    near += [initials[key]] if key in initials else difflib.get_close_matches(key, config, n=1)
    if near:
        return f'did you mean --{near[0]}? --help lists the flags'
    for other in 'prepare', 'tokenizer', 'train', 'sample', 'plot':
        path = f'{os.path.dirname(os.path.abspath(script["__file__"]))}/{other}.py'
        if os.path.exists(path) and f'\n{key} = ' in source_of(path):
            return f'this is a flag of {other}.py'
    return '--help lists the flags'

def source_of(path):
    with open(path, encoding='utf-8') as file:
        return file.read()

def next_flags(data_dir, out_dir=''):
    """The flags that a hint at the next command needs, so that it goes on with this data and this run."""
    out_dir = f' --out_dir={out_dir}' if out_dir not in ('', 'checkpoints') else ''
    return (f' --data_dir={data_dir}' if data_dir != 'data' else '') + out_dir

def run_script(main, script, stopped='stopped'):
    """
    How every script is started: the command line, then main(given). The first Ctrl-C ends it in one line and
    status 130, whatever it was doing; so does an error of the system, with status 2.
    """
    for name, mode in ('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w'):
        if getattr(sys, name) is None:              # closed by whoever started the script
            setattr(sys, name, open(os.devnull, mode))
    sys.stdout.reconfigure(encoding='utf-8')        # whatever the terminal's locale
    interrupt_once()
    try:
        main(parse_command_line(script))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        raise SystemExit(130)
    except OSError as error:
        if not error.filename:                      # standard output: python 3.14 writes it again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):      # the reader has left, as head does
            raise SystemExit(141)
        fail(f'{error.filename or "standard output"}: {error.strerror or error}')

def interrupt_once():
    """From now on the first Ctrl-C is a KeyboardInterrupt; later ones must not disturb what it began."""
    def interrupt(*_):
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt
    def swallowed(error):                           # by a __del__, as regex has: it comes again
        nonlocal interrupted
        if error.exc_type is not KeyboardInterrupt:
            return sys.__unraisablehook__(error)
        interrupted = False
        send = getattr(signal, 'pthread_kill', lambda _, n: signal.raise_signal(n))     # windows has none
        threading.Timer(0.01, send, [threading.main_thread().ident, signal.SIGINT]).start()
    interrupted, sys.unraisablehook = False, swallowed
    signal.signal(signal.SIGINT, interrupt)

@contextlib.contextmanager
def exclusive_lock(folder, refusal=''):
    """
    Only one process at a time writes into a folder: a second one waits, or is refused. The lock ends with its
    process, however that ends.
    """
    os.makedirs(folder, exist_ok=True)
    with open(f'{folder}/.lock', 'a') as lock:
        if fcntl:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if refusal:
                    fail(refusal)
                print(f'another run is writing to {folder}/: waiting until it ends', flush=True)
                fcntl.lockf(lock, fcntl.LOCK_EX)
            for name in os.listdir(folder):         # left behind by a run that was killed
                if regex.fullmatch(rf'.+\.\d+{regex.escape(UNFINISHED)}', name):
                    os.remove(f'{folder}/{name}')
        yield

UNFINISHED = '.nanoseq2seq.tmp'                     # the end of a file's name while it is written

def output_path(path):
    """The file to write, with links followed; status 2 if something else than a file has that name."""
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        fail(f'cannot write {path}: it exists and is not a regular file')
    return path

@contextlib.contextmanager
def atomic_writes():
    """
    Yields create(path), which opens a file beside `path`. At the end all of them are on the disk and get
    their names, the first one last; after an error or Ctrl-C none does.
    """
    files = []
    def create(path, mode='wb', **options):
        path = output_path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.append((open(f'{path}.{os.getpid()}{UNFINISHED}', mode, **options), path))
        return files[-1][0]
    try:
        yield create
        for file, _ in files:
            file.flush()
            os.fsync(file.fileno())                 # else a power cut may leave the name without the text
            file.close()
        with defer_interrupts():
            for file, path in reversed(files):
                os.replace(file.name, path)
    except OSError as error:
        fail(f'cannot write {error.filename or files[-1][1]}: {error.strerror}')
    finally:
        for file, _ in files:
            with contextlib.suppress(OSError):
                file.close()
            with contextlib.suppress(OSError):
                os.remove(file.name)

@contextlib.contextmanager
def atomic_write(path, mode='wb', **options):
    """A file that gets its name when it is complete: a kill leaves the old file or the new one."""
    with atomic_writes() as create:
        yield create(path, mode, **options)

def decode_lines(file, path):
    """The lines of a binary file, which end with '\\n' alone: real text contains CR, U+0085 and U+2028."""
    for number, line in enumerate(file, 1):
        try:
            yield line.decode().removesuffix('\n').removesuffix('\r')
        except UnicodeDecodeError:
            fail(f'{path}, line {number} is not UTF-8: convert it, as with  iconv -f ITS_ENCODING -t utf-8')

def blocks_of_lines(file, size=1 << 20):
    """A binary file in blocks of whole lines, of at least `size` bytes except for the last."""
    while block := file.read(size):
        yield block + file.readline()

def read_lines(path):
    """The lines of a text file; status 2 if it cannot be read or is not UTF-8."""
    try:
        with open(path, 'rb') as file:
            yield from decode_lines(file, path)
    except OSError as error:
        fail(f'cannot read {path}: {error.strerror}')

class Progress:
    """The progress line of a long task: rewritten on a terminal, elsewhere printed every ten seconds."""

    def __init__(self, title, unit, begin=0):
        self.title, self.unit, self.begin, self.width = title, unit, begin, 0
        self.terminal, self.start = sys.stdout.isatty(), time.monotonic()
        self.shown = self.start + (1 if self.terminal else -8)       # the first after 1 or 2 seconds

    def show(self, done, fraction):
        """`done` units are done, a `fraction` of the whole from 0 to 1 (0: unknown)."""
        now = time.monotonic()
        if now - self.shown < (0.2 if self.terminal else 10):
            return
        speed = (done - self.begin) / max(now - self.start, 0.001)
        left = (done / fraction - done) / max(speed, 1e-9) if fraction else 0
        bar = f'[{"#" * int(20 * fraction):<20}] {fraction:4.0%}  ' if fraction else ''
        line = f'{self.title}  {bar}{self.amount(done)}, {self.amount(speed)}/s'
        line += f', {left // 3600:.0f}:{left % 3600 // 60:02.0f}:{left % 60:02.0f} left' if fraction else ''
        print(f'{line:<{self.width}}', end='\r' if self.terminal else '\n', flush=True)
        self.shown, self.width = now, len(line) * self.terminal

    def amount(self, n):
        return f'{n / 1e6:,.1f} MB' if self.unit == 'bytes' else f'{n:,.0f} {self.unit}'

    def close(self):
        """Clear the line, so that what is printed next takes its place."""
        print(' ' * self.width, end='\r' * bool(self.width), flush=True)

def checksum(*paths, algorithm='sha256'):
    """The hash of files, one after the other, in hex digits."""
    digest = hashlib.new(algorithm)
    for path in paths:
        bar = Progress(f'checking {path}', 'bytes')
        with open(path, 'rb') as file:
            for block in iter(functools.partial(file.read, 1 << 20), b''):
                digest.update(block)
                bar.show(file.tell(), file.tell() / os.path.getsize(path))
        bar.close()
    return digest.hexdigest()

def fingerprint(*paths):
    """Half of a hash, enough to know whether a stage's input has changed."""
    return checksum(*paths)[:16]

def parallel_map(function, tasks, workers, setup=None, *arguments):
    """
    Yield function(task) for each task, in order, computed by `workers` processes (0: one for each core), each
    of which has called setup(*arguments). Only as many tasks as keep them busy are taken in advance.
    """
    workers, waiting = workers or os.cpu_count(), collections.deque()
    try:
        with ProcessPoolExecutor(workers, initializer=start_worker, initargs=(setup, arguments)) as pool:
            for task in tasks:
                with defer_interrupts():
                    waiting.append(pool.submit(function, task))
                if len(waiting) > 3 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool:
        fail('a worker process was killed; if memory was short:  --workers=1')

@contextlib.contextmanager
def defer_interrupts():
    """Ctrl-C waits until this ends: in the middle of a fork it would be lost, or kill the child."""
    if hasattr(signal, 'pthread_sigmask'):          # not on windows, which does not fork
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if hasattr(signal, 'pthread_sigmask'):
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

def start_worker(setup, arguments):
    def end_with_parent():                          # kill -9 of the main process leaves no orphans
        multiprocessing.parent_process().join()
        os._exit(1)
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # Ctrl-C is for the main process
    if setup:
        setup(*arguments)

# -----------------------------------------------------------------------------

if __name__ == '__main__':
    run_script(main, globals(), 'stopped: what was written before is as it was')
