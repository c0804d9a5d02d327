"""
From a corpus to data/: pairs of sentences that translate each other, downloaded, filtered and counted.

    python prepare.py                           WMT19 German-English; without a network the toy corpus
    python prepare.py --corpora=all --max_pairs=0       all of WMT19: 10.4 GB to download, 38.7 million pairs
    python prepare.py --source_lang=en --target_lang=fr --data_dir=data/en-fr
    python prepare.py --dataset=multi30k --target_lang=fr --data_dir=data/multi30k
    python prepare.py --dataset=tatoeba --source_lang=en --target_lang=de --data_dir=data/tatoeba
    python prepare.py --train_source=my.de.gz --train_target=my.en.gz --data_dir=data/my
    python prepare.py --train_source=my.tmx --data_dir=data/my

Writes data/{train,valid,test}.LANG, UTF-8 and one sentence a line, and data/meta.json: what was read, dropped
and kept. Downloads stay in data/downloads/: one that was interrupted is continued, one that is whole is used.
"""
import signal
if __name__ == '__main__':                          # until main() runs, Ctrl-C ends the script without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import collections, contextlib, glob, hashlib, heapq, html, importlib, io, itertools, json, os, pickle
import platform, random, shutil, sys, tarfile, tempfile, threading, time, zipfile

import numpy as np
import requests
import regex

from tokenizer import Progress, atomic_writes, checksum, config_of, exclusive_lock, fail, next_flags
from tokenizer import normalise, parallel_map, read_lines, run_script

# -----------------------------------------------------------------------------
# config
dataset = 'auto'            # wmt19 | multi30k | tatoeba | toy | files; auto: files if one is given, or wmt19
source_lang = 'de'          # translate from this language ...
target_lang = 'en'          # ... into this one
data_dir = 'data'           # the folder to fill
corpora = 'europarl,newscommentary'     # the corpora of wmt19 to train on, or how their names begin, or all
max_pairs = 2000000         # training pairs at most, a sample of all, 0: no limit; for toy by default 50,000
min_len = 1                 # words, split at spaces, that each side of a training pair has at least ...
max_len = 128               # ... and at most, 0: no limit
max_ratio = 2.5             # words of the longer side to words of the shorter, from 10 words on, 0: no limit
max_word = 40               # characters of a word at most, 0: no limit
min_latin = 0.5             # fraction of latin letters in what is neither digit nor space; de, en and fr only
drop_identical = True       # drop a pair whose sides are the same
drop_foreign = True         # drop a side of 5 words or more in another language; de, en and fr only
drop_duplicates = True      # drop a pair that occurred before, in whichever corpus
overlap = 'none'            # sentences of validation and test that training may have: none | targets | all
mirror = ''                 # a folder or an http address in which DATASET/FILE lies, tried before the origin
verify = True               # compare sizes and checksums where they are known
train_source = ''           # for files: a sentence a line, or .sgm, or .tsv, .tmx for both sides; .gz too
train_target = ''           # for files: the translation of train_source, line by line
valid_source = ''           # for files: without it, validation pairs are sampled from the training pairs
valid_target = ''           # for files: the translation of valid_source
test_source = ''            # for files: without it, test pairs are sampled from the training pairs
test_target = ''            # for files: the translation of test_source
columns = '1,2'             # for files: the columns of source and target in a .tsv
decode_entities = False     # for files: &amp; becomes &, as it does in TMX and in what is downloaded
workers = 0                 # processes that filter, 0: one for each core; the result is always the same
seed = 1337                 # of the toy corpus, and of whatever is sampled
# -----------------------------------------------------------------------------
# what there is. Each file: its origin, its bytes (0: unknown), its sha256 or md5 ('': unknown)

WMT19 = [
    ('https://www.statmt.org/europarl/v9/training/europarl-v9.de-en.tsv.gz', 204454328,
     'c2aef75d81bf06b22e4a9237319c1d53ba9668a13cb155c6b1361182cd3abc84'),
    ('https://data.statmt.org/news-commentary/v14/training/news-commentary-v14.de-en.tsv.gz', 39390551,
     '8aaa98a77d38bd39dcbdbcb775f3b6c633700e4c10fd915cf3dc6b9bfd0f2dca'),
    ('https://www.statmt.org/wmt13/training-parallel-commoncrawl.tgz', 918311367,
     'c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5'),
    ('https://data.statmt.org/wikititles/v1/wikititles-v1.de-en.tsv.gz', 17919359,
     '24b0222ee87b6b8b3142c92f1b6f3c49374503fb066c46f190f00bf717a67102'),
    ('https://s3-eu-west-1.amazonaws.com/tilde-model/rapid2019.de-en.zip', 111888392,
     'ed5a10e57092715020334b918f6e114e5b6c7206bee3e956f2a1e2937c59c2e7'),
    ('https://s3.amazonaws.com/web-language-models/paracrawl/release3/en-de.bicleaner07.tmx.gz', 9091373722,
     'fbeef288e4f1d294534be3afbf43469cf59938553436108d717873c1c50d34c7'),
    ('https://data.statmt.org/news-commentary/v14/training/news-commentary-v14.en-fr.tsv.gz', 0, ''),
    ('https://www.statmt.org/wmt13/training-parallel-europarl-v7.tgz', 657632379,
     '0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7'),
    ('https://data.statmt.org/wmt19/translation-task/dev.tgz', 38654961,
     '7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7'),
    ('https://data.statmt.org/wmt19/translation-task/test.tgz', 0, '84de7162d158e28403103b01aeefc39a')]
ORIGIN = 'https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw'
MULTI30K = {
    'train.de': '726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6',
    'train.en': 'd79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f',
    'train.fr': '622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c',
    'val.de': 'f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a',
    'val.en': '14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28',
    'val.fr': 'ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9',
    'test_2016_flickr.de': '9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8',
    'test_2016_flickr.en': '611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9',
    'test_2016_flickr.fr': '6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90',
    'train.cs': '', 'val.cs': '', 'test_2016_flickr.cs': ''}
FILES = {f'wmt19/{url.rpartition("/")[2]}': (url, size, digest) for url, size, digest in WMT19}
FILES |= {f'multi30k/{name}.gz': (f'{ORIGIN}/{name}.gz', 0, digest)
          for name, digest in MULTI30K.items()}
FILES |= {f'tatoeba/{name}': (f'https://www.manythings.org/anki/{name}', 0, '')     # these two grow
          for name in ('deu-eng.zip', 'fra-eng.zip')}

# the training corpora of wmt19: the file, and in an archive the member, whose name a language completes
CORPORA = {
    ('de', 'en'): {'europarl_v9': ('europarl-v9.de-en.tsv.gz', ''),
                   'paracrawl_v3': ('en-de.bicleaner07.tmx.gz', ''),
                   'commoncrawl': ('training-parallel-commoncrawl.tgz', 'commoncrawl.de-en.'),
                   'newscommentary_v14': ('news-commentary-v14.de-en.tsv.gz', ''),
                   'wikititles_v1': ('wikititles-v1.de-en.tsv.gz', ''),
                   'rapid_2019': ('rapid2019.de-en.zip', 'rapid2019.de-en.')},
    ('en', 'fr'): {'europarl_v7': ('training-parallel-europarl-v7.tgz', 'training/europarl-v7.fr-en.'),
                   'newscommentary_v14': ('news-commentary-v14.en-fr.tsv.gz', '')}}
# its validation and test sets, of years that no training corpus holds: the archive, and a member a language
NEWSTEST = {
    ('de', 'en'): [
        ('dev.tgz', {'de': 'dev/newstest2018-deen-src.de.sgm', 'en': 'dev/newstest2018-deen-ref.en.sgm'}),
        ('test.tgz', {'de': 'sgm/newstest2019-deen-src.de.sgm', 'en': 'sgm/newstest2019-deen-ref.en.sgm'})],
    ('en', 'fr'): [
        ('dev.tgz', {'en': 'dev/newstest2013.en', 'fr': 'dev/newstest2013.fr'}),
        ('dev.tgz', {'en': 'dev/newstest2014-fren-ref.en.sgm', 'fr': 'dev/newstest2014-fren-src.fr.sgm'})]}

# -----------------------------------------------------------------------------
# fetching: from the mirror, if there is one, else from the origin

HEADERS = {'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) nanoseq2seq',     # some servers refuse python's own
           'Accept-Encoding': 'identity'}                                   # a .gz has to stay packed
TIMEOUTS = 20, 60                                   # seconds to connect, and to wait for the next byte
NETWORK_ERRORS = requests.RequestException, requests.packages.urllib3.exceptions.HTTPError, ValueError

class Unreachable(Exception):
    """Says which file is not available, why, and what to do."""

def fetch(names):
    """
    Paths of files of the table, in their order: in the mirror, if that is a folder, else downloaded. Raises
    Unreachable, before anything is downloaded, if one of them is not available.
    """
    online = mirror.startswith(('http://', 'https://'))
    if mirror and not online and not os.path.isdir(mirror):
        fail(f'--mirror={mirror} is neither a folder nor an http address')
    paths, urls = {}, {}
    for name in names:
        mirrored, own = [f'{mirror.rstrip("/")}/{name}'] if mirror else [], f'{data_dir}/downloads/{name}'
        paths[name] = path = next(filter(os.path.isfile, [*mirrored, own]), own)
        if not os.path.isfile(path):
            urls[name] = [*mirrored, FILES[name][0]] if online else [FILES[name][0]]
        elif problem := verify_file(path, name):
            fail(f'{path}: {problem}. Delete or replace it, or use it as it is with --verify=false')
    answers = check_urls([first for first, *_ in urls.values()])
    answers |= check_urls([url for first, *others in urls.values() for url in others if answers[first][0]])
    problems = {url: problem for url, (problem, _) in answers.items()}
    for name in urls:
        if all(problems[url] for url in urls[name]):
            raise Unreachable(not_available(name, paths[name], urls[name], problems))
    sizes = {name: next(answers[url][1] for url in urls[name] if not problems[url]) for name in urls}
    print_download_size([(sizes[name] or FILES[name][1], f'{paths[name]}.part') for name in urls])
    if any(name.startswith('wmt19/') for name in urls) and not has_gpu():
        print(WITHOUT_GPU, flush=True)
    for name in urls:
        fetch_file(name, paths[name], urls[name], problems)
    return [paths[name] for name in names]

WITHOUT_GPU = '''no GPU was found here: for each million pairs of WMT19 two cores train two to five hours, and
that several times. What takes less (Ctrl-C ends this):
    --dataset=toy                         three minutes, and no download
    --dataset=multi30k                    ten minutes
    --dataset=wmt19 --max_pairs=200000    an hour'''

def has_gpu():
    """Whether torch is likely to find one: a guess, since to import torch takes seconds."""
    nvidia = glob.glob('/dev/nvidia[0-9]*') or shutil.which('nvidia-smi')
    return (platform.system(), platform.machine()) == ('Darwin', 'arm64') or os.path.exists('/dev/kfd') or \
        bool(nvidia) and os.environ.get('CUDA_VISIBLE_DEVICES') not in ('', '-1')

def check_urls(urls, seconds=15):
    """
    Ask for all urls at once. Returns {url: ('' or why it is not available, its bytes or 0)}. A thread that
    hangs in a firewall or a name server is left behind.
    """
    answers = {url: (f'no answer in {seconds} s', 0) for url in urls}
    def ask(url):
        try:
            response = requests.head(url, headers=HEADERS, timeout=seconds, allow_redirects=True)
            status, size = response.status_code, body_size(response)
            missing = 400 <= status < 500 and status not in (405, 429)      # if only busy, download() waits
            answers[url] = f'HTTP {status}' if missing else '', size
        except NETWORK_ERRORS as error:
            answers[url] = explain(error), 0
    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return dict(answers)

def body_size(response):
    """The bytes that a response announces, 0 if it does not or if what it says is no number."""
    size = response.headers.get('Content-Length', '').partition(',')[0]     # the same twice: '10, 10'
    return int(size) if regex.fullmatch('[0-9]{1,18}', size) else 0

def explain(error):
    """A network error in a few words."""
    causes = {'to resolve|name resolution|not known|getaddrinfo': 'host name not found',
              'refused': 'connection refused', 'proxy': 'the proxy refuses',
              'certificate': 'certificate not trusted', 'timed out': 'no answer',
              'unreachable|no route': 'no route to the host', 'connection': 'the connection broke'}
    for sign, cause in causes.items():
        if regex.search(sign, str(error), regex.IGNORECASE):
            return cause
    return type(error).__name__

def not_available(name, path, urls, problems):
    """The message where a file can be fetched from none of its urls."""
    why = [f'{url}: {problems[url]}' for url in urls]
    if os.path.isdir(mirror):
        why.insert(0, f'{mirror} does not have it')
    return (f'{name} is not available ({"; ".join(why)}). Run this again to continue, or fetch it by hand:  '
            f'curl -L --create-dirs -o {path} {FILES[name][0]}')

def print_download_size(downloads):
    """Say how much is left to download of [(bytes or 0, part), ...]; end where there is no room for it."""
    sizes = [size for size, _ in downloads]
    begun = sum(os.path.getsize(part) for size, part in downloads if size and os.path.exists(part))
    left, free = sum(sizes) - begun, shutil.disk_usage(data_dir).free
    if downloads:
        unknown = f' and {sizes.count(0)} files of unknown size' if 0 in sizes else ''
        print(f'to download: {left / 1e6:,.1f} MB{unknown}; {free / 1e6:,.0f} MB are free', flush=True)
    if left > free:
        fail(f'{data_dir}/ has no room for that: make some, or choose another disk with --data_dir=...')

def fetch_file(name, path, urls, problems):
    """Download a file from the first of its urls that gives it whole and right."""
    part = f'{path}.part'
    os.makedirs(os.path.dirname(path), exist_ok=True)
    for url in urls:
        problems[url] = problems.get(url) or download(url, part)
        if not problems[url]:
            problems[url] = verify_file(part, name)
            os.remove(f'{part}.tag')
            if not problems[url]:
                return os.replace(part, path)
            os.remove(part)
    fail(not_available(name, path, urls, problems))

def verify_file(path, name):
    """'' if a file has the size and the checksum that the table gives for it, else what is wrong."""
    _, size, digest = FILES[name]
    if verify and size and os.path.getsize(path) != size:
        return f'{os.path.getsize(path):,} bytes instead of {size:,}'
    if verify and digest and checksum(path, algorithm='md5' if len(digest) == 32 else 'sha256') != digest:
        return 'its checksum is wrong'
    return ''

def download(url, part, tries=5):
    """
    Fetch the url into the file `part`. Returns '' or why it is not whole, after so many tries that brought
    nothing new, with a growing wait between them.
    """
    print(f'fetching {url}', flush=True)
    failures, largest = 0, 0
    while failures < tries:
        time.sleep(2 ** failures - 1)
        try:
            problem = continue_download(url, part)
        except NETWORK_ERRORS as error:
            problem = explain(error)
        if not problem:
            return ''
        size = os.path.getsize(part) if os.path.exists(part) else 0
        failures, largest = 0 if size > largest else failures + 1, max(size, largest)
    return f'{problem}, {tries} times'

def continue_download(url, part):
    """Request what `part` lacks of the url. Returns '' once it is whole, or what is wrong."""
    tag = f'{part}.tag'                             # the server's name for this version of the file
    version = next(read_lines(tag), '') if os.path.exists(tag) and os.path.exists(part) else ''
    begin = os.path.getsize(part) if version else 0
    rest = {'Range': f'bytes={begin}-', 'If-Range': version} if begin else {}
    with requests.get(url, headers={**HEADERS, **rest}, stream=True, timeout=TIMEOUTS) as response:
        status, headers = response.status_code, response.headers
        if status == 416:                           # there is nothing after what we have: is that all?
            if headers.get('Content-Range') == f'bytes */{begin}':
                return ''
            os.remove(part)
        if status not in (200, 206 if begin else 200):
            return f'HTTP {status}'
        begin = begin if status == 206 else 0       # 200: the whole file comes
        size = body_size(response) and begin + body_size(response)
        etag = headers.get('ETag', 'W/')            # a weak one, W/, does not vouch for every byte
        bar = Progress(url.rpartition('/')[2], 'bytes', begin)
        with open(part, 'ab' if begin else 'wb') as file:
            with open(tag, 'w', encoding='utf-8') as tag_file:
                tag_file.write(headers.get('Last-Modified', '') if etag.startswith('W/') else etag)
            while block := response.raw.read(1 << 16, decode_content=False):
                file.write(block)
                bar.show(file.tell(), size and file.tell() / size)
        bar.close()
    return '' if not size or os.path.getsize(part) == size else 'the connection broke'

# -----------------------------------------------------------------------------
# reading: each layout as a stream of (source, target), with nothing unpacked to disk

class CountingFile(io.FileIO):
    """A file that counts, over all such files, the bytes there are and the bytes that have been read."""
    done = total = 0

    def __init__(self, path):
        super().__init__(path)
        CountingFile.total += os.path.getsize(path)

    def readinto(self, buffer):
        n = super().readinto(buffer)
        CountingFile.done += n
        return n

    @staticmethod
    def fraction():
        return CountingFile.done / max(CountingFile.total, 1)

def fail_corrupt(path, why):
    """Give up on a file that cannot be what it should be."""
    origin = next((FILES[name][0] for name in FILES if path.endswith(name)), '')
    why = ' '.join(str(why).split()) or type(why).__name__
    fail(f'{path} is damaged, or of a kind that Python cannot read ({why})'
         + f': replace it,  curl -L -o {path} {origin}' * bool(origin))

PACKED = {'.gz': 'gzip', '.tgz': 'gzip', '.bz2': 'bz2', '.xz': 'lzma'}      # endings and Python's modules
ARCHIVE = regex.compile(r'\.(tgz|tbz2?|txz|tar(\.\w+)?|zip|7z|rar|zst)$', regex.IGNORECASE)

@contextlib.contextmanager
def open_member(path, member):
    """A file, packed or not, or one member of an archive, to read bytes from."""
    if ARCHIVE.search(path) and not member:
        fail(f'{path} is an archive: unpack it, or give a .gz, .bz2 or .xz')
    with contextlib.ExitStack() as stack:
        file = packed = stack.enter_context(io.BufferedReader(CountingFile(path), 1 << 16))
        if module := PACKED.get(os.path.splitext(path)[1].lower()):
            file = packed = importlib.import_module(module).open(file)
        if path.endswith('.tgz'):
            archive = stack.enter_context(tarfile.open(fileobj=packed, mode='r|'))
            found = find_member(archive, member, os.path.getsize(path))
            file = found and archive.extractfile(found)
        elif path.endswith('.zip'):
            archive = stack.enter_context(zipfile.ZipFile(packed))
            found = next((name for name in archive.namelist() if name.rpartition('/')[2] == member), None)
            file = found and stack.enter_context(archive.open(found))
        yield file or fail_corrupt(path, f'it holds no {member}')
        while path.endswith('.tgz') and packed.read(1 << 20):
            pass                                    # to the end, where the checksum stands

def find_member(archive, member, size):
    """A member of a .tgz of `size` bytes, or None. To read what a header claims may take years."""
    for info in archive:
        if info.size > 1100 * size or info.issparse():      # gzip packs at most 1,032 bytes into one
            raise ValueError(f'a member of {info.size:,} bytes')
        if info.name.removeprefix('./') == member:
            return info

LINE, UNIT, SEGMENT = (regex.compile(end, regex.IGNORECASE) for end in (b'\n', b'</tu>', b'</seg *>'))

def read_member(path, member='', end=LINE):
    """
    The lines of a file, packed or not, or what else ends with `end`. One that is not UTF-8 has U+FFFD in it,
    for which its pair is dropped. Status 2 if more than one in 1,000 are, which means another encoding.
    """
    name, number, invalid = f'{path}:{member}' if member else path, 0, []
    def check_encoding(number):
        if 1000 * len(invalid) > number:
            fail(f'{name}, line {invalid[0]} is not UTF-8, nor are {len(invalid) - 1} more: convert it, as '
                 'with  iconv -f ITS_ENCODING -t utf-8')
    try:
        with open_member(path, member) as file:
            for number, record in enumerate(split_records(file, end), 1):
                record = record.replace(b'\0', b'\xff')     # half of UTF-16 is NUL, and text has none
                try:
                    text = record.decode()
                except UnicodeDecodeError:
                    text = record.decode(errors='replace')
                    invalid.append(number)
                    check_encoding(number + 10000)
                yield text
    except Exception as error:                      # a damaged archive raises whatever it leads to
        if getattr(error, 'strerror', None):
            fail(f'cannot read {path}: {error.strerror}')
        fail_corrupt(path, error)
    if not number:
        fail(f'{path} is empty')
    check_encoding(number)

def split_records(file, end):
    """What lies between one `end` and the next in a binary file."""
    rest = b''
    while block := file.read(max(1 << 16, len(rest))):
        *records, rest = end.split(rest + block)
        yield from records
        if len(rest) > 1 << 24:                     # another kind of file
            raise ValueError(f'16 MB without {end.pattern}')
    if rest:
        yield rest

def read_sgm(path, member=''):
    """The segments of an SGM file by a pattern, as sacreBLEU takes them, since it is not valid XML."""
    for text in read_member(path, member, SEGMENT):
        _, *segment = regex.split('<seg[^>]*>', text, flags=regex.IGNORECASE)
        yield from segment[-1:]                     # none after the last end

def zip_parallel(read, source, target):
    """Pairs of two files, (path,) or (archive, member), in which line n translates line n."""
    sources, targets = read(*source), read(*target)
    for number, pair in enumerate(itertools.zip_longest(sources, targets)):
        if pair[0] is None or pair[1] is None:
            n, m = (number + (side is not None) + sum(1 for _ in lines)
                    for side, lines in zip(pair, (sources, targets)))
            fail(f'{":".join(source)} has {n:,} lines and {":".join(target)} {m:,}: line must translate line')
        yield pair

def read_tsv(lines, source, target):
    """Pairs from two columns, numbered from 0, of lines. Without the csv module: a quote is only a quote."""
    for line in lines:
        cells = line.split('\t') + [''] * (source + target)
        yield cells[source], cells[target]

VARIANT = regex.compile(r"""[^>]*?lang\s*=\s*["']\s*(([a-z]+)[\w-]*)[^>]*>.*?<seg(?:\s[^>]*)?>(.*?)</seg""",
                        regex.DOTALL | regex.IGNORECASE)
# elements with code of another program in them go, of which <ph> and <ut> can stand between two words;
# of <hi>, which holds text, only the tags go
CODE = regex.compile(r'<(?:bpt|ept|it|(ph|ut))\b[^>]*(?:/>|>(?:(?!<(?:bpt|ept|ph|it|ut)\b).)*?</[beipu]\w+>)',
                     regex.DOTALL)
TAG = regex.compile(r'</?hi\b[^>]*>')

def read_tmx(path):
    """
    Pairs from the units of a TMX file, one unit at a time: as a tree it would not fit in memory. Of several
    variants in a language it takes the one that has the very code (en before en-GB), else the first.
    """
    unit, codes = '', [lang.lower() for lang in (source_lang, target_lang)]
    for unit in read_member(path, end=UNIT):
        texts = {}
        for variant in unit.split('<tuv')[1:]:      # either language can come first
            if found := VARIANT.match(variant):
                code, language, text = found.groups()
                texts.setdefault(code.lower(), text)
                texts.setdefault(f'{language.lower()}-*', text)
        if '<tuv' in unit:
            yield tuple(without_markup(texts.get(code) or texts.get(f'{regex.split("[-_]", code)[0]}-*', ''))
                        for code in codes)
    if '</tmx' not in unit:
        fail_corrupt(path, 'it has no end')

def without_markup(text):
    """'Press <ph>&lt;F1&gt;</ph> <hi>now</hi>.' -> 'Press   now.'"""
    found = '<' in text
    while found:                                    # from the inside out
        text, found = CODE.subn(lambda match: ' ' * bool(match[1]), text)
    return TAG.sub('', text)

ENTITY = regex.compile('& ?(apos|quot|lt|gt|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});|&([a-zA-Z]+);')

def unescape(pairs):
    """Decode entities, also those escaped twice or with a space inside: '&amp;lt;' and '& lt;' -> '<'"""
    def decode(match):
        known = match[1] or f'{match[2]};' in html.entities.html5
        return html.unescape(f'&{match[1] or match[2]};') if known else match[0]
    for pair in pairs:
        yield tuple(ENTITY.sub(decode, text.replace('&amp;', '&')) if '&' in text else text for text in pair)

# -----------------------------------------------------------------------------
# the data sets: each gives {corpus: training pairs}, validation pairs and test pairs

def check_languages(name, known):
    for lang in source_lang, target_lang:
        if lang not in known:
            fail(f'{name} has no {lang!r}: --source_lang and --target_lang can be {", ".join(known)}')

def wmt19():
    """Parliament, news and the web. German-English: newstest2018 and 2019; English-French: 2013 and 2014."""
    langs = tuple(sorted((source_lang, target_lang)))
    if langs not in CORPORA:
        fail('wmt19 has German-English and English-French: --source_lang and --target_lang can be de and en, '
             'or en and fr')
    known, chosen = CORPORA[langs], {}
    for name in corpora.split(','):
        matches = [corpus for corpus in known if name and corpus.startswith(name) or name == 'all']
        if not matches:
            fail(f'--corpora has no {name!r}: it can be all, or some of {",".join(known)}')
        chosen.update((corpus, known[corpus]) for corpus in matches)
    files = [file for file, _ in (*chosen.values(), *NEWSTEST[langs])]
    *paths, valid, test = fetch([f'wmt19/{file}' for file in files])
    train = {corpus: unescape(read_corpus(path, member, langs))
             for path, (corpus, (_, member)) in zip(paths, chosen.items())}
    (_, valid_members), (_, test_members) = NEWSTEST[langs]
    return train, read_newstest(valid, valid_members), read_newstest(test, test_members)

def read_corpus(path, member, langs):
    """The pairs of a training corpus of wmt19: a table, TMX, or two members of an archive."""
    if path.endswith('.tsv.gz'):
        return read_tsv(read_member(path), langs.index(source_lang), langs.index(target_lang))
    if path.endswith('.tmx.gz'):
        return read_tmx(path)
    return zip_parallel(read_member, (path, member + source_lang), (path, member + target_lang))

def read_newstest(path, members):
    """The pairs of a validation or test set of wmt19: SGM or plain text."""
    read = read_sgm if members[source_lang].endswith('.sgm') else read_member
    return zip_parallel(read, (path, members[source_lang]), (path, members[target_lang]))

def multi30k():
    """Captions of 31,014 photographs, one sentence for each: small, clean and easy."""
    check_languages('multi30k', ['de', 'en', 'fr', 'cs'])
    paths = fetch([f'multi30k/{split}.{lang}.gz' for split in ('train', 'val', 'test_2016_flickr')
                   for lang in (source_lang, target_lang)])
    pairs = zip(paths[::2], paths[1::2])
    train, valid, test = (zip_parallel(read_member, (source,), (target,)) for source, target in pairs)
    return {'multi30k': unescape(train)}, valid, test

def tatoeba():
    """Everyday sentences, short, many of them with several translations."""
    check_languages('tatoeba', ['en', 'de', 'fr'])
    if 'en' not in (source_lang, target_lang):
        fail('tatoeba pairs other languages with English only: --source_lang or --target_lang must be en')
    other = target_lang if source_lang == 'en' else source_lang
    code = {'de': 'deu', 'fr': 'fra'}[other]
    path, = fetch([f'tatoeba/{code}-eng.zip'])
    lines = read_member(path, f'{code}.txt')        # English, the other language, newer ones who wrote it
    pairs = list(read_tsv(lines, *((0, 1) if source_lang == 'en' else (1, 0))))
    return {'tatoeba': pairs}, *train_test_split(pairs)

def files():
    """The reader's own text."""
    given = {'train': (train_source, train_target), 'valid': (valid_source, valid_target),
             'test': (test_source, test_target)}
    check_own_files(given)
    splits = {split: read_own(*paths) for split, paths in given.items() if paths[0]}
    for split in splits:
        check_sides(split, *given[split])
    if len(splits) < 3:
        for split, sampled in zip(('valid', 'test'), train_test_split(read_own(*given['train']))):
            if split not in splits:
                splits[split] = sampled
                print(f'{split}: {len(sampled):,} pairs sampled from the training pairs')
    return {'files': splits['train']}, splits['valid'], splits['test']

def check_own_files(given):
    """Both sides of a split, or none; files that exist and that the result does not overwrite."""
    results = {os.path.realpath(f'{data_dir}/{split}.{lang}')
               for split, lang in itertools.product(given, (source_lang, target_lang))}
    if not regex.fullmatch('[1-9][0-9]?,[1-9][0-9]?', columns):
        fail(f'--columns={columns}: give the columns of source and target, as 1,2')
    for split, (source, target) in given.items():
        both = kind_of(source) in ('.tsv', '.tmx')
        if both and target:
            fail(f'{source} holds both sides: leave --{split}_target out')
        if bool(source) != bool(target or both) or split == 'train' and not source:
            fail(f'--dataset=files needs --{split}_source=... and --{split}_target=...')
        for path in filter(None, (source, target)):
            if not os.path.isfile(path):            # a pipe could be read only once
                fail(f'{path} is not a file')
            if os.path.realpath(path) in results:
                fail(f'{path} would be overwritten: choose another --data_dir, or another name for it')

def kind_of(path):
    """'corpus.TMX.gz' -> '.tmx'"""
    path, ending = os.path.splitext(path.lower())
    return os.path.splitext(path)[1] if ending in PACKED else ending

def read_own(source, target):
    """The pairs of two files, line by line or segment by segment, or of one table or TMX file."""
    def read_side(path):
        return (read_sgm if kind_of(path) in ('.sgm', '.sgml') else read_member)(path)
    if kind_of(source) == '.tmx':
        return unescape(read_tmx(source))
    if kind_of(source) == '.tsv':
        pairs = read_tsv(read_member(source), *(int(column) - 1 for column in columns.split(',')))
    else:
        pairs = zip_parallel(read_side, (source,), (target,))
    return unescape(pairs) if decode_entities else pairs

UNSPACED = regex.compile(r'[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]')

def check_sides(split, source, target):
    """By its first pairs: has a split its sides in the right places, and spaces between the words?"""
    with contextlib.closing(read_own(source, target)) as pairs:
        sides = list(zip(*normalise_pairs(itertools.islice(pairs, 1000))))
    if drop_foreign and [language_of(side) for side in sides] == [target_lang, source_lang]:
        fail(f'{source} looks like {target_lang} and {target or "its other side"} like {source_lang}: '
             f'they look swapped. Swap --{split}_source and --{split}_target (of a table --columns), or '
             '--source_lang and --target_lang')
    for path, texts in zip((source, target or source), sides):
        text = ' '.join(texts)
        letters, words = len(UNSPACED.findall(text)), sum(1 for _ in filter(UNSPACED.search, text.split(' ')))
        if letters > max(len(text) / 2, 6 * words):
            print(f'warning: {path} has no spaces between words, which a vocabulary of words needs: put some '
                  'there with a word segmenter', file=sys.stderr)

def language_of(texts):
    """Of de, en and fr the one whose function words are the most frequent, '' if even they are rare."""
    words = collections.Counter(itertools.chain.from_iterable(text.split(' ') for text in texts))
    hits = {lang: sum(words[word] for word in known) for lang, known in FUNCTION_WORDS.items()}
    return max(hits, key=hits.get) if 4 * max(hits.values()) > sum(words.values()) else ''

def toy():
    """Sentences of our own grammar, as many as one wants, without a network."""
    try:
        from lessons.grammar import LANGS, realise, sample_tree
    except ImportError:
        fail('the toy corpus needs lessons/grammar.py beside prepare.py: it is missing')
    check_languages('the toy corpus', LANGS)
    rng = random.Random(seed)
    trees = (sample_tree(rng) for _ in range(10 * max_pairs + 10000))   # ends even if the filter drops all
    pairs = ((realise(tree, source_lang), realise(tree, target_lang)) for tree in trees)
    valid, test = list(itertools.islice(pairs, 1000)), list(itertools.islice(pairs, 1000))
    return {'toy': pairs}, valid, test

def train_test_split(pairs):
    """
    Sample pairs for validation and test, a twentieth of all for each, at most 1,000, in one pass that holds
    20,000 pairs. They are good ones, in which no sentence occurs twice that training may not have.
    """
    rng, chosen, seen, reasons = random.Random(seed), [], set(), collections.Counter()
    bar = Progress('sampling', 'pairs')
    def watched():
        for number, pair in enumerate(pairs):
            yield pair
            if number % 10000 == 0:
                bar.show(number, CountingFile.fraction())
    sample = heapq.nsmallest(20 * 1000, watched(), key=lambda pair: rng.random())
    bar.close()
    for pair in normalise_pairs(sample):
        sentences, words = {pair[side] for side in HELD_OUT[overlap]}, [text.split(' ') for text in pair]
        reason = 'duplicate' if sentences & seen else rejection_reason(pair, words)
        reasons[reason] += 1
        if reason == 'kept':
            chosen.append(pair)
            seen |= sentences
    if len(chosen) < 2:
        fail_empty('good', [reasons])
    size = max(min(len(sample) // 20, len(chosen) // 2), 1)
    return chosen[:size], chosen[size:2 * size]

# -----------------------------------------------------------------------------
# filtering: six reasons to drop a pair. Each filter takes the two texts and the words of each

NO_LETTER = bytes(byte for byte in range(128) if not chr(byte).isalpha())
NO_LATIN, SIGN = regex.compile(r'\P{Latin}+'), regex.compile(r'[^\p{Latin}\p{N}\s]')
# a word of two languages stands in both lists, and so decides nothing: man, hat and son are English too
FUNCTION_WORDS = dict(
    de='''der die das den dem des ein eine einen einem einer eines und oder aber nicht nichts ist sind war
    waren was wird werden wurde wurden kann will hat hast haben hatte sich auch auf aus bei mit nach von vom
    zu zum zur in im an am über unter für durch ich er sie es wir ihr ihm ihn ihre du dir dich uns euch mir
    mich wer wo wenn als wie so all dass daß noch nur diese dieser dieses mehr sein seine sehr hier ja nein
    de la on plus je man tu her not mais these''',
    en='''the a an of and to is are was were be been am has have had that this these those it its it's he
    him she me they them we you i my your his her their not no with for from by in on at as so all but or if
    which who what there will would can could should do does did don't didn't than more into our how very
    die war de la plus man hat son pour''',
    fr='''le la les un une des du de et est sont a dans en pour pas que qui ne me se ce cette ces il elle
    ils nous vous tu je on avec sur par au aux mais ou où été être leur son sa ses plus hier c'est j'ai
    n'est qu'il es as mit but uns or an sein''')
FUNCTION_WORDS = {lang: {word for known in words.split() for word in (known, known.capitalize())}
                  for lang, words in FUNCTION_WORDS.items()}
OTHERS = {lang: set().union(*FUNCTION_WORDS.values()) - own for lang, own in FUNCTION_WORDS.items()}

def length_filter(texts, words):
    """Too short or too long, as in clean-corpus-n of Moses (Koehn et al. 2007), which is told the limits."""
    short, long = sorted(map(len, words))
    return not min_len <= short <= long <= (max_len or long)

def length_ratio_filter(texts, words):
    """One side much longer (Ng et al. 2019: 1.5 times), if not both are short: 'Hi.' is 'Grüß Gott!'"""
    short, long = sorted(map(len, words))
    return max_ratio and long >= 10 and long > max_ratio * short

def word_length_filter(texts, words):
    """An address, or words that lost their spaces (OpusFilter, but from 40 on: Aulamo et al. 2020)."""
    return max_word and max(map(len, itertools.chain(*words))) > max_word

def script_filter(texts, words):
    """
    A table, a formula, another script. In Bicleaner half of all characters had to be letters, which today are
    a tenth (Sánchez-Cartagena et al. 2018).
    """
    for text, lang in zip(texts, (source_lang, target_lang)):
        if len(text.encode('ascii', 'ignore').translate(None, NO_LETTER)) > min_latin * len(text):
            continue                                # most text, in a tenth of the time
        letters, signs = len(NO_LATIN.sub('', text)), len(SIGN.findall(text))
        if min_latin and lang in FUNCTION_WORDS and letters < min_latin * max(letters + signs, 1):
            return True

def identical_filter(texts, words):
    """Not translated: from such noise a model learns to copy (Khayrallah and Koehn 2018)."""
    return drop_identical and texts[0] == texts[1]

def language_filter(texts, words):
    """More function words of another language than of its own (after Grefenstette 1995: small words)."""
    for side, lang in zip(words, (source_lang, target_lang)):
        if drop_foreign and lang in FUNCTION_WORDS and len(side) >= 5 and not OTHERS[lang].isdisjoint(side):
            own, *others = (len(FUNCTION_WORDS[k].intersection(side)) for k in (lang, *FUNCTION_WORDS))
            if max(others) > own:
                return True

FILTERS = dict(length=length_filter, ratio=length_ratio_filter, word=word_length_filter,
               letters=script_filter, identical=identical_filter, language=language_filter)
OUTCOMES = ['kept', 'encoding', 'empty', *FILTERS, 'held out', 'duplicate', 'unsampled']  # of a pair
KEPT, DUPLICATE = OUTCOMES.index('kept'), OUTCOMES.index('duplicate')

# -----------------------------------------------------------------------------
# filtering on all cores: blocks of pairs go to the workers, and the good pairs come back in order

RECORD = np.dtype([('corpus', 'u1'), ('outcome', 'u1'), ('hash', 'u8'),
                   ('source', 'u4'), ('target', 'u4')])                 # these two are lengths in words
held_out = frozenset(), frozenset()                 # sources and targets of validation and test, in a worker
HELD_OUT = dict(none=(0, 1), targets=(0,), all=())  # for each overlap: the sides that hold a pair out

def init_worker(config, sentences):
    """Give a worker process our config, and the sentences of validation and test."""
    globals().update(config, held_out=sentences)

def normalise_pairs(pairs):
    """Pairs in the one form that every stage reads: NFC, single spaces, nothing invisible."""
    return ((normalise(source), normalise(target)) for source, target in pairs)

def rejection_reason(texts, words):
    """Why a pair is dropped, or 'kept'. Duplicates are found later, in the main process."""
    if '\ufffd' in texts[0] or '\ufffd' in texts[1]:
        return 'encoding'                           # of bytes that were not UTF-8, here or earlier
    if not all(texts):
        return 'empty'
    for reason, rejects in FILTERS.items():
        if rejects(texts, words):
            return reason
    if texts[0] in held_out[0] or texts[1] in held_out[1]:
        return 'held out'                           # the model must not see what it is tested on
    return 'kept'

def filter_block(block):
    """[(corpus, (source, target)), ...] -> a RECORD for each pair; the sources, the targets of good ones."""
    records, good = [], []
    for corpus, pair in block:
        source, target = map(normalise, pair)
        words = source.split(' '), target.split(' ')
        reason, digest = rejection_reason((source, target), words), b''
        if reason == 'kept':
            digest = hashlib.blake2b(f'{source}\n{target}'.encode(), digest_size=8).digest()
            good.append((source, target))
        outcome, number = OUTCOMES.index(reason), int.from_bytes(digest, 'little')
        records.append((corpus, outcome, number, *map(len, words)))
    return np.array(records, RECORD), *np.array(good, object).reshape(-1, 2).T

class HashSet:
    """
    64-bit numbers in 8 bytes each: sorted arrays, each at least four times as long as the next, so that a
    number is seldom moved (a log-structured merge tree: O'Neil et al. 1996).
    """
    def __init__(self):
        self.arrays = []

    def add(self, numbers):
        """Returns for each number whether it is new."""
        ordered, first = np.unique(numbers, return_index=True)
        new = np.ones(len(ordered), bool)
        for array in self.arrays:
            new &= array[np.minimum(np.searchsorted(array, ordered), len(array) - 1)] != ordered
        array = ordered[new]
        while self.arrays and len(self.arrays[-1]) < 4 * len(array):
            array = np.sort(np.concatenate([self.arrays.pop(), array]), kind='stable')  # two runs: a merge
        self.arrays += [array] * bool(len(array))
        is_new = np.zeros(len(numbers), bool)
        is_new[first[new]] = True
        return is_new

def filter_corpus(train, held_out, limit, counts):
    """
    Yield blocks of the good pairs, at most `limit` in all (0: no limit): [records, sources, targets]. Fills
    counts[corpus] with outcomes.
    """
    seen, n_good, n_read, bar = HashSet(), 0, 0, Progress('filtering', 'pairs')
    CountingFile.done = CountingFile.total = 0      # no training file has been opened yet
    stream = ((corpus, pair) for corpus, pairs in enumerate(train.values()) for pair in pairs)
    blocks = iter(lambda: list(itertools.islice(stream, 2000)), [])
    setup = init_worker, config_of(globals()), held_out
    with contextlib.closing(parallel_map(filter_block, blocks, workers, *setup)) as filtered:
        for records, *sides in filtered:
            good = np.flatnonzero(records['outcome'] == KEPT)
            is_new = seen.add(records['hash'][good]) if drop_duplicates else np.ones(len(good), bool)
            records['outcome'][good[~is_new]] = DUPLICATE
            good, *sides = (part[is_new] for part in (good, *sides))
            if limit and n_good + len(good) >= limit:       # what follows the last pair was never read
                good, *sides = (part[:limit - n_good] for part in (good, *sides))
                records = records[:good[-1] + 1]
            for (corpus, outcome), n in collections.Counter(records[['corpus', 'outcome']].tolist()).items():
                counts[list(train)[corpus]].update({'read': n, OUTCOMES[outcome]: n})
            n_good, n_read = n_good + len(good), n_read + len(records)
            yield [records[good], *sides]
            bar.show(n_read, max(CountingFile.fraction(), n_good / limit if limit else 0))
            if limit and n_good == limit:
                break
    bar.close()

def sample_pairs(blocks, limit):
    """
    Thin out the blocks of filter_corpus() to `limit` pairs (0: to all), each with the same probability, in
    their order: those with the smallest of random keys. What may be among them waits in a temporary file.
    """
    if not limit:
        yield from blocks
        return
    rng, keys, highest, n_blocks = np.random.default_rng(seed), [np.empty(0)], 1.0, 0
    with tempfile.TemporaryFile(dir=data_dir) as waiting:
        for n_blocks, block in enumerate(blocks, 1):
            new = rng.random(len(block[0]))
            keys.append(new[new <= highest])
            pickle.dump((keys[-1], [part[new <= highest] for part in block]), waiting)
            if sum(map(len, keys)) > 2 * limit:
                keys = [np.sort(np.concatenate(keys))[:limit]]
                highest = keys[0][-1]
        highest = np.sort(np.concatenate(keys))[:limit].max(initial=0)
        waiting.seek(0)
        for _ in range(n_blocks):
            new, block = pickle.load(waiting)
            yield [part[new <= highest] for part in block]

def count_kept(blocks, train, counts, lengths):
    """
    Pass on the sentences of blocks. Counts in lengths (2, words) how many have each length, and in
    counts[corpus] how many pairs are kept in the end.
    """
    kept = collections.Counter()
    for records, *sides in blocks:
        kept.update(records['corpus'].tolist())
        for row, side in zip(lengths, ('source', 'target')):
            row += np.bincount(np.minimum(records[side], len(row) - 1), minlength=len(row))
        yield sides
    for number, corpus in enumerate(train):
        counts[corpus]['unsampled'] = counts[corpus]['kept'] - kept[number]
        counts[corpus]['kept'] = kept[number]

def clean_heldout(pairs, count):
    """Validation and test pairs, without those that lack a side or have bytes that are not UTF-8."""
    pairs = list(normalise_pairs(pairs))
    readable = [pair for pair in pairs if '\ufffd' not in ''.join(pair)]
    whole = [pair for pair in readable if all(pair)]
    count.update(read=len(pairs), encoding=len(pairs) - len(readable), empty=len(readable) - len(whole),
                 kept=len(whole))
    return list(zip(*whole)) or [(), ()]            # sources, targets

# -----------------------------------------------------------------------------
# writing

def write_data(name, train, valid, test):
    """
    Fill data_dir; in the end all files take their names, or none. Returns {corpus or split: Counter} and the
    lengths of the training sentences.
    """
    counts = {part: collections.Counter() for part in (*train, 'valid', 'test')}
    lengths = np.zeros((2, 101), int)               # how many sentences have 0, 1, 2 ... words, 100 or more
    valid, test = clean_heldout(valid, counts['valid']), clean_heldout(test, counts['test'])
    held_out = [frozenset(valid[side] + test[side] if side in HELD_OUT[overlap] else ()) for side in (0, 1)]
    good = filter_corpus(train, held_out, max_pairs if name == 'toy' else 0, counts)
    chosen = count_kept(sample_pairs(good, max_pairs), train, counts, lengths)
    splits = dict(valid=[valid], test=[test], train=chosen)
    langs, written = (source_lang, target_lang), {}
    with contextlib.closing(good), atomic_writes() as create:
        meta_file = create(f'{data_dir}/meta.json')     # the first one gets its name last
        for split, blocks in splits.items():
            files = [create(f'{data_dir}/{split}.{lang}') for lang in langs]
            sentences, fingerprints = write_split(files, blocks)
            if not sentences:
                fail_empty(split, [counts[part] for part in (train if split == 'train' else [split])])
            for lang, fingerprint in zip(langs, fingerprints):
                written[f'{split}.{lang}'] = {'sentences': sentences, 'fingerprint': fingerprint}
        meta = {'dataset': name, 'source_lang': source_lang, 'target_lang': target_lang, 'files': written}
        meta['corpora'] = {corpus: {'read': counts[corpus]['read'],
                                    'dropped': {reason: counts[corpus][reason] for reason in OUTCOMES[1:]},
                                    'kept': counts[corpus]['kept']} for corpus in train}
        meta['config'] = config_of(globals())
        meta_file.write(json.dumps(meta, indent=1, ensure_ascii=False).encode())
    return counts, lengths

def write_split(files, blocks):
    """Write blocks of (sources, targets) into two files. Returns the number of pairs, and fingerprints."""
    number, digests = 0, [hashlib.sha256() for _ in files]
    for block in blocks:
        number += len(block[0])
        for file, digest, sentences in zip(files, digests, block):
            data = ''.join(f'{sentence}\n' for sentence in sentences).encode()
            file.write(data)
            digest.update(data)
    return number, [digest.hexdigest()[:16] for digest in digests]

def fail_empty(split, counts):
    """Nothing is left of a split: say why."""
    total = sum(counts, collections.Counter())
    reasons = {reason: total[reason] for reason in OUTCOMES[1:] if total[reason]}
    why = ', '.join(f'{n:,} {reason}' for reason, n in reasons.items()) or 'there were none'
    fail(f'no {split} pairs are left ({why}): {advice(max(reasons, key=reasons.get, default=""))}')

def advice(reason):
    """What to do where many pairs are dropped for a reason."""
    place = f', column {columns} (--columns),' if train_source and kind_of(train_source) == '.tsv' else ''
    question = f'is line n{place} in {source_lang} (--source_lang) and {target_lang} (--target_lang)? '
    keep = {'length': 'max_len=0', 'ratio': 'max_ratio=0', 'word': 'max_word=0', 'letters': 'min_latin=0',
            'identical': 'drop_identical=false', 'language': 'drop_foreign=false',
            'held out': 'overlap=targets, where many sources have the same target, or --overlap=all',
            'duplicate': 'drop_duplicates=false'}
    answer = f'--{keep[reason]} keeps them' if reason in keep else 'give more text'
    return question * (reason in ('encoding', 'empty', *FILTERS)) + answer

def print_report(counts, lengths):
    """What was read, dropped by reason and kept; how long the sentences are; three of the pairs."""
    total = sum(counts.values(), collections.Counter())
    shown = [outcome for outcome in ('read', *OUTCOMES[1:], 'kept') if total[outcome]]
    print(f'\ntaken for {source_lang} (--source_lang) and {target_lang} (--target_lang)\n')
    print(' ' * 18 + ''.join(f'{outcome:>11}' for outcome in shown))
    for part, count in counts.items():
        print(f'{part:<18}' + ''.join(f'{count[outcome]:>11,}' for outcome in shown))
    print(f'\nwords in a training sentence{source_lang:>12}{target_lang:>40}')
    begins = 1, 6, 11, 16, 21, 31, 41, 61, 81, 101
    for low, high in zip(begins, begins[1:]):
        fractions = lengths[:, low:high].sum(1) / lengths.sum(1)
        bars = ''.join(f'{fraction:6.1%}  {"█" * round(50 * fraction):<32}' for fraction in fractions)
        print(f'{low:>16}-{high - 1 if high < 101 else "":<6}{bars}'.rstrip())
    for part, count in counts.items():
        for reason in OUTCOMES[1:-1]:
            if 3 * count[reason] > count['read']:
                print(f'warning: {count[reason]:,} of the {count["read"]:,} pairs of {part} were dropped for '
                      f'one reason, {reason}: {advice(reason)}', file=sys.stderr)
    pairs = zip(*(read_lines(f'{data_dir}/train.{lang}') for lang in (source_lang, target_lang)))
    for source, target in itertools.islice(pairs, 0, 3000, 1000):
        print(f'\n  {source_lang}: {source}\n  {target_lang}: {target}')

def print_notice(reason):
    """In a frame, since the scores that follow are not those of WMT19."""
    print('#' * 90, 'WMT19 COULD NOT BE REACHED', reason,
          '--mirror=... takes a folder or an http address with wmt19/europarl-v9.de-en.tsv.gz in it',
          '--train_source=... --train_target=... take your own text',
          'THE BUILT-IN TOY CORPUS IS MADE INSTEAD', '#' * 90, sep='\n', file=sys.stderr)

def main(given):
    global max_pairs
    datasets = {'wmt19': wmt19, 'multi30k': multi30k, 'tatoeba': tatoeba, 'toy': toy, 'files': files}
    own = [flag for flag in given if flag.startswith(('train_', 'valid_', 'test_'))]
    name = dataset if dataset != 'auto' else 'files' if own else 'wmt19'
    if name not in datasets:
        fail(f'--dataset={dataset}: it can be auto, {", ".join(datasets)}')
    if own and name != 'files':
        fail(f'--{own[0]} is for --dataset=files, not for {name}')
    if overlap not in HELD_OUT:
        fail(f'--overlap={overlap}: it can be {", ".join(HELD_OUT)}')
    if source_lang == target_lang or not regex.fullmatch(r'[\w-]+/[\w-]+', f'{source_lang}/{target_lang}'):
        fail(f'--source_lang={source_lang} --target_lang={target_lang}: give two different language codes')
    with exclusive_lock(data_dir):
        try:
            splits = datasets[name]() if name != 'toy' else None
        except Unreachable as reason:
            if dataset != 'auto':
                fail(reason)
            print_notice(str(reason))
            name = 'toy'
        if name == 'toy':                           # which has no end
            max_pairs = max_pairs if max_pairs and 'max_pairs' in given else 50000
            splits = toy()
        print_report(*write_data(name, *splits))
    print(f'\nwrote {data_dir}/; next:  python tokenizer.py{next_flags(data_dir)}')

if __name__ == '__main__':
    run_script(main, globals(), 'stopped: the data is as it was, and a download is continued next time')
