"""
From a corpus to data/: pairs of sentences that translate each other, fetched, cleaned and counted.

    python prepare.py                           WMT19 German-English; without a network the toy corpus
    python prepare.py --corpora=all --max_pairs=0       all of it: 10.4 GB to fetch, 38.7 million pairs
    python prepare.py --source_lang=en --target_lang=fr --data_dir=data/en-fr
    python prepare.py --dataset=multi30k --target_lang=fr --data_dir=data/multi30k
    python prepare.py --dataset=tatoeba --source_lang=en --target_lang=de --data_dir=data/tatoeba
    python prepare.py --dataset=files --train_source=my.de.gz --train_target=my.en.gz

Writes data/{train,valid,test}.LANG, UTF-8 and one sentence a line, and data/meta.json: what was read, dropped
and kept. Downloads stay in data/downloads/: one that was cut off goes on, one that is whole is not repeated.
"""
import collections, contextlib, gzip, hashlib, heapq, html, io, itertools, json, os, queue, random, shutil
import sys, tarfile, textwrap, threading, time, zipfile, zlib

import numpy as np
import requests
import regex

from tokenizer import Progress, checksum, fail, run_stage, normalise, parallel_map, parse_command_line
from tokenizer import read_lines, atomic_write, config_of, decode_lines

# -----------------------------------------------------------------------------
# config
dataset = 'auto'            # auto (wmt19, without a network toy) | wmt19 | multi30k | tatoeba | toy | files
source_lang = 'de'          # translate from this language ...
target_lang = 'en'          # ... into this one
data_dir = 'data'           # the folder to fill
corpora = 'europarl,newscommentary'     # the parts of wmt19 to train on, by how their names begin, or all
max_pairs = 2000000         # training pairs at the most, 0: no limit
min_len = 1                 # words, by white space, that each side of a training pair has at least ...
max_len = 128               # ... and at the most
max_ratio = 2.5             # words of the longer side to words of the shorter, judged from 10 words on
max_word = 40               # characters of a word at the most
min_latin = 0.5             # latin letters in what is neither digit nor space; de, en and fr only
drop_identical = True       # drop a pair whose sides are the same
drop_foreign = True         # drop a side of 5 words or more in another language; de, en and fr only
drop_duplicates = True      # drop a pair that was there before, in whichever corpus
toy_pairs = 50000           # training pairs of the toy corpus
mirror = ''                 # a folder or an http address in which DATASET/FILE lies, tried before the origin
verify = True               # compare sizes and checksums where they are known
train_source = ''           # for files: one sentence a line, .gz allowed
train_target = ''           # for files: the translation of train_source, line by line
valid_source = ''           # for files: if not given, validation pairs are drawn from the training pairs
valid_target = ''           # for files: the translation of valid_source
test_source = ''            # for files: if not given, test pairs are drawn from the training pairs
test_target = ''            # for files: the translation of test_source
workers = 0                 # processes that filter, 0: one for each core; the result is always the same
seed = 1337                 # of everything that is drawn
# -----------------------------------------------------------------------------
# what there is: each file's origin, its bytes and its sha256 (or md5), where these are known

FILES = {
    'wmt19/europarl-v9.de-en.tsv.gz': (
        'https://www.statmt.org/europarl/v9/training/europarl-v9.de-en.tsv.gz', 204454328,
        'c2aef75d81bf06b22e4a9237319c1d53ba9668a13cb155c6b1361182cd3abc84'),
    'wmt19/news-commentary-v14.de-en.tsv.gz': (
        'https://data.statmt.org/news-commentary/v14/training/news-commentary-v14.de-en.tsv.gz', 39390551,
        '8aaa98a77d38bd39dcbdbcb775f3b6c633700e4c10fd915cf3dc6b9bfd0f2dca'),
    'wmt19/training-parallel-commoncrawl.tgz': (
        'https://www.statmt.org/wmt13/training-parallel-commoncrawl.tgz', 918311367,
        'c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5'),
    'wmt19/wikititles-v1.de-en.tsv.gz': (
        'https://data.statmt.org/wikititles/v1/wikititles-v1.de-en.tsv.gz', 17919359,
        '24b0222ee87b6b8b3142c92f1b6f3c49374503fb066c46f190f00bf717a67102'),
    'wmt19/rapid2019.de-en.zip': (
        'https://s3-eu-west-1.amazonaws.com/tilde-model/rapid2019.de-en.zip', 111888392,
        'ed5a10e57092715020334b918f6e114e5b6c7206bee3e956f2a1e2937c59c2e7'),
    'wmt19/en-de.bicleaner07.tmx.gz': (
        'https://s3.amazonaws.com/web-language-models/paracrawl/release3/en-de.bicleaner07.tmx.gz',
        9091373722,
        'fbeef288e4f1d294534be3afbf43469cf59938553436108d717873c1c50d34c7'),
    'wmt19/news-commentary-v14.en-fr.tsv.gz': (
        'https://data.statmt.org/news-commentary/v14/training/news-commentary-v14.en-fr.tsv.gz', 0, ''),
    'wmt19/training-parallel-europarl-v7.tgz': (
        'https://www.statmt.org/wmt13/training-parallel-europarl-v7.tgz', 657632379,
        '0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7'),
    'wmt19/dev.tgz': (
        'https://data.statmt.org/wmt19/translation-task/dev.tgz', 38654961,
        '7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7'),
    'wmt19/test.tgz': (
        'https://data.statmt.org/wmt19/translation-task/test.tgz', 0, '84de7162d158e28403103b01aeefc39a'),
    'tatoeba/deu-eng.zip': ('https://www.manythings.org/anki/deu-eng.zip', 0, ''),     # these two grow
    'tatoeba/fra-eng.zip': ('https://www.manythings.org/anki/fra-eng.zip', 0, '')}
# wmt19's corpora by their two languages: the file, and of an archive the member without its language
CORPORA = {
    ('de', 'en'): {'europarl_v9': ('europarl-v9.de-en.tsv.gz', ''),
                   'paracrawl_v3': ('en-de.bicleaner07.tmx.gz', ''),
                   'commoncrawl': ('training-parallel-commoncrawl.tgz', 'commoncrawl.de-en'),
                   'newscommentary_v14': ('news-commentary-v14.de-en.tsv.gz', ''),
                   'wikititles_v1': ('wikititles-v1.de-en.tsv.gz', ''),
                   'rapid_2019': ('rapid2019.de-en.zip', 'rapid2019.de-en')},
    ('en', 'fr'): {'europarl_v7': ('training-parallel-europarl-v7.tgz', 'training/europarl-v7.fr-en'),
                   'newscommentary_v14': ('news-commentary-v14.en-fr.tsv.gz', '')}}
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
FILES.update({
    f'multi30k/{name}.gz': (
        f'https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/{name}.gz', 0, digest)
    for name, digest in MULTI30K.items()})

# -----------------------------------------------------------------------------
# fetching: from the mirror, if there is one, else from the origin

HEADERS = {'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) nanoseq2seq',     # some refuse requests' own
           'Accept-Encoding': 'identity'}                                   # a .gz shall come as it is
TIMEOUTS = 20, 60                                   # seconds to connect, and without a byte
NETWORK_ERRORS = requests.RequestException, requests.packages.urllib3.exceptions.HTTPError

class Unreachable(Exception):
    """Says what cannot be had, why, and how to help."""

def explain(error):
    """A network error in a few words."""
    signs = {'resol|not known|getaddrinfo': 'host name not found', 'refused': 'connection refused',
             'roxy': 'the proxy refuses', 'CERTIFICATE': 'certificate not trusted', 'timed out': 'no answer',
             'nreachable|No route': 'no way there', 'onnection': 'the connection broke'}
    for sign, meaning in signs.items():
        if regex.search(sign, str(error)):
            return meaning
    return type(error).__name__

def check_urls(choices, seconds=15):
    """
    Ask for all urls at once, until it is clear for each list of `choices` which is the first that can be had.
    Returns {url: '' or why it is not to be had, None if nobody waited for it} and {url: bytes, 0 if unknown}.
    The threads are left behind where a firewall that drops packets or a hanging name server holds them up.
    """
    answers, deadline = queue.Queue(), time.monotonic() + seconds
    heard = dict.fromkeys(sum(choices, []))
    sizes = dict.fromkeys(heard, 0)
    def ask(url):
        try:
            answer = requests.head(url, headers=HEADERS, timeout=seconds, allow_redirects=True)
            status, sizes[url] = answer.status_code, int(answer.headers.get('Content-Length', 0))
            there = status < 400 or status >= 500 or status in (405, 429)   # if only busy, download() waits
            answers.put((url, '' if there else f'HTTP {status}'))
        except NETWORK_ERRORS as error:
            answers.put((url, explain(error)))
    for url in heard:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    def open_still(urls):                           # the first of those that have not failed has not answered
        return next((heard[url] for url in urls if not heard[url]), '') is None
    while any(map(open_still, choices)):
        try:
            heard.update([answers.get(timeout=max(deadline - time.monotonic(), 0))])
        except queue.Empty:
            heard = {url: f'no answer in {seconds} s' if why is None else why for url, why in heard.items()}
    return heard, sizes

def download(url, part, tries=5):
    """
    Fetch what the file `part` still lacks of the url; returns '' or why it is not whole. It gives up after
    `tries` that brought nothing new, with a growing wait between them.
    """
    print(f'fetching {url}', flush=True)
    tag = f'{part}.tag'                             # the server's name for this version of the file
    attempt, furthest = 0, 0
    while attempt < tries:
        time.sleep(2 ** attempt - 1)
        version = next(read_lines(tag), '') if os.path.exists(tag) and os.path.exists(part) else ''
        begin = os.path.getsize(part) if version else 0
        rest = {'Range': f'bytes={begin}-', 'If-Range': version} if begin else {}
        try:
            with requests.get(url, headers={**HEADERS, **rest}, stream=True, timeout=TIMEOUTS) as response:
                status, got = response.status_code, response.headers
                why_not = f'HTTP {status}'
                if status == 416:                   # there is nothing after what we have: is that all?
                    if got.get('Content-Range') == f'bytes */{begin}':
                        return ''
                    os.remove(part)
                elif status in (200, 206):
                    begin = begin if status == 206 else 0       # 200: no rest alone, the whole file comes
                    size = begin + int(got['Content-Length']) if 'Content-Length' in got else 0
                    etag = got.get('ETag', 'W/')                # W/: one that does not vouch for every byte
                    bar = Progress(url.rpartition('/')[2], 'bytes', begin)
                    with open(part, 'ab' if begin else 'wb') as file:
                        with open(tag, 'w') as tag_file:
                            tag_file.write(got.get('Last-Modified', '') if etag.startswith('W/') else etag)
                        while block := response.raw.read(1 << 16, decode_content=False):
                            file.write(block)
                            bar.show(file.tell(), size and file.tell() / size)
                    bar.close()
                    if not size or os.path.getsize(part) == size:
                        return ''
                    why_not = 'the connection broke'
                elif status < 500 and status != 429:
                    return why_not
        except NETWORK_ERRORS as error:
            why_not = explain(error)
        came = os.path.getsize(part) if os.path.exists(part) else 0
        attempt, furthest = 0 if came > furthest else attempt + 1, max(came, furthest)
    return f'{why_not}, {tries} times'

def verify_file(path, size, digest):
    """'' if a file has the size and the checksum that it should have, else what is wrong."""
    if verify and size and os.path.getsize(path) != size:
        return f'{os.path.getsize(path):,} bytes instead of {size:,}'
    if verify and digest and checksum(path, 'md5' if len(digest) == 32 else 'sha256') != digest:
        return 'its checksum is wrong'
    return ''

def fetch(names):
    """
    Paths of files of the table, in their order: in the mirror, if that is a folder, else downloaded.
    Raises Unreachable, before anything is downloaded, where one of them can be had nowhere.
    """
    online = mirror.startswith(('http://', 'https://'))
    if mirror and not online and not os.path.isdir(mirror):
        fail(f'--mirror={mirror} is neither a folder nor an http address')
    paths, urls = {}, {}
    for name in names:
        origin, size, digest = FILES[name]
        mirrored, own = [f'{mirror.rstrip("/")}/{name}'] if mirror else [], f'{data_dir}/downloads/{name}'
        paths[name] = path = next(filter(os.path.isfile, mirrored + [own]), own)
        if not os.path.isfile(path):
            urls[name] = mirrored * online + [origin]
        elif wrong := verify_file(path, size, digest):
            fail(f'{path}: {wrong}. Delete or replace it, or take it as it is with --verify=false')
    heard, sizes = check_urls(list(urls.values()))
    def could_not(name):
        reasons = [f'{mirror} has no {name}'] * bool(mirror and not online)
        reasons += [f'{url}: {heard[url]}' for url in urls[name]]
        return (f'could not fetch {"; ".join(reasons)}. Run this again to go on, or fetch it by hand:  '
                f'curl -L --create-dirs -o {paths[name]} {FILES[name][0]}')
    for name in urls:
        if all(heard[url] for url in urls[name]):
            raise Unreachable(could_not(name))
    sizes = [next(sizes[url] for url in urls[name] if not heard[url]) or FILES[name][1] for name in urls]
    begun = [f'{paths[name]}.part' for name in urls]
    sizes = [size and max(size - os.path.getsize(part), 1) if os.path.exists(part) else size
             for size, part in zip(sizes, begun)]
    print_download_size(sizes, [path for path in (*paths.values(), *begun) if os.path.exists(path)])
    for name, choice in urls.items():
        path, part, (origin, size, digest) = paths[name], f'{paths[name]}.part', FILES[name]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for url in choice:
            heard[url] = heard[url] or download(url, part)
            if not heard[url]:                      # it is whole, but is it right?
                heard[url] = verify_file(part, size, digest)
                os.remove(f'{part}.tag')
                if not heard[url]:
                    os.replace(part, path)
                    break
                os.remove(part)
        else:
            fail(could_not(name))
    return [paths[name] for name in names]

def print_download_size(sizes, there):
    """Say how much is to fetch, `sizes` in bytes (0: unknown), and what it will be on disk in the end."""
    fetched, free = sum(sizes), shutil.disk_usage(data_dir).free
    packed = fetched + sum(map(os.path.getsize, there))
    text = min(3 * packed, 330 * (max_pairs or packed))         # as Europarl packs; bytes of one of its pairs
    total = fetched + 4 / 3 * text                              # ids take a third of the text
    unknown = f' and {sizes.count(0)} files of unknown size' if 0 in sizes else ''
    what = f'{fetched / 1e6:,.1f} MB{unknown}' if sizes else 'nothing'
    print(f'to fetch: {what}; in the end, with text and ids, about {total / 1e6:,.0f} MB on disk, '
          f'where {free / 1e6:,.0f} MB are free', flush=True)
    if fetched > free:
        fail(f'{data_dir}/ has no room for that: make some, or take another disk with --data_dir=...')

# -----------------------------------------------------------------------------
# reading: each layout as a stream of (source, target), with nothing unpacked to disk

class Measured(io.FileIO):
    """A file, and how much of all such files has been read."""
    done = total = 0

    def __init__(self, path):
        super().__init__(path)
        Measured.total += os.path.getsize(path)

    def readinto(self, buffer):
        n = super().readinto(buffer)
        Measured.done += n
        return n

    @staticmethod
    def share():
        return Measured.done / max(Measured.total, 1)

def fail_corrupt(path, why):
    """Give up on a file that cannot be what it should be."""
    origin = next((FILES[name][0] for name in FILES if path.endswith(name)), '')
    fail(f'{path} is damaged ({why})' + f': replace it,  curl -L -o {path} {origin}' * bool(origin))

@contextlib.contextmanager
def open_member(path, member):
    """A file, a .gz, or one member of an archive, to read bytes from."""
    if path.endswith(('.tgz', '.tar.gz', '.zip')) and not member:
        fail(f'{path} is an archive: unpack it, or give a .gz')
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(io.BufferedReader(Measured(path), 1 << 16))
        packed = gzip.GzipFile(fileobj=raw) if path.endswith(('.gz', '.tgz')) else raw
        if path.endswith('.tgz'):
            archive = stack.enter_context(tarfile.open(fileobj=packed, mode='r|'))
            found = next((info for info in archive if info.name == member), None)
            file = found and archive.extractfile(found)
        elif path.endswith('.zip'):
            archive = stack.enter_context(zipfile.ZipFile(raw))
            found = next((name for name in archive.namelist() if name.rpartition('/')[2] == member), None)
            file = found and stack.enter_context(archive.open(found))
        else:
            file = packed
        yield file or fail_corrupt(path, f'it holds no {member}')
        while path.endswith('.tgz') and packed.read(1 << 20):
            pass                                    # to the end, where the checksum stands

def read_member(path, member=''):
    """The lines of a file, packed or not."""
    try:
        with open_member(path, member) as file:
            lines = decode_lines(io.BufferedReader(file, 1 << 16), f'{path}:{member}' if member else path)
            first = next(lines, None)
            if first is None:
                fail(f'{path} is empty')
            yield from itertools.chain([first], lines)
    except (EOFError, RuntimeError, UnicodeDecodeError,
            gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        fail_corrupt(path, error)
    except OSError as error:
        fail(f'cannot read {path}: {error.strerror}')

def read_sgm(path, member):
    """The segments of an SGM file, as sacrebleu takes them: no XML parser, since it is no valid XML."""
    for line in read_member(path, member):
        if line.startswith('<seg '):
            yield regex.sub(r'<seg.*?>(.*)</seg>.*?', r'\1', line)

def read_tsv(lines, langs):
    """Pairs from lines of which column n is langs[n]. Not with csv, since a quote here is only a quote."""
    source, target = langs.index(source_lang), langs.index(target_lang)
    for line in lines:
        cells = line.split('\t') + ['']
        yield cells[source], cells[target]

ENTITY = regex.compile('& ?(apos|quot|lt|gt|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});')

def unescape(text):
    """Entities as ParaCrawl has them: escaped twice, or with a space inside. '&amp;lt;' and '& lt;' -> '<'"""
    if '&' in text:
        text = ENTITY.sub(lambda match: html.unescape(f'&{match[1]};'), text.replace('&amp;', '&'))
    return text

def read_tmx(path):
    """Pairs of a TMX file's units, in which either language may come first. It is too large to be a tree."""
    lines = []
    for line in read_member(path):
        lines.append(line)
        if len(lines) > 10000:
            fail_corrupt(path, 'a unit without an end')
        if '</tu>' not in line:
            continue
        *units, rest = '\n'.join(lines).split('</tu>')
        lines = [rest]
        for unit in units:
            side, (before, *segments) = {}, unit.split('<seg>')
            for segment in segments:
                _, known, lang = before.rpartition('xml:lang="')
                side[known and lang[:2].lower()] = segment.partition('</seg>')[0]
                before = segment
            yield unescape(side.get(source_lang, '')), unescape(side.get(target_lang, ''))

def zip_parallel(read, source, target):
    """Pairs of two files, (path,) or (archive, member), in which line n translates line n."""
    sources, targets = read(*source), read(*target)
    for number, pair in enumerate(itertools.zip_longest(sources, targets)):
        if pair[0] is None or pair[1] is None:
            n, m = (number + (side is not None) + sum(1 for _ in lines)
                    for side, lines in zip(pair, (sources, targets)))
            fail(f'{":".join(source)} has {n:,} lines and {":".join(target)} {m:,}: line must translate line')
        yield pair

# -----------------------------------------------------------------------------
# the data sets: each gives {corpus: training pairs}, validation pairs and test pairs

def need_languages(name, known):
    for lang in source_lang, target_lang:
        if lang not in known:
            fail(f'{name} has no {lang!r}: --source_lang and --target_lang can be {", ".join(known)}')

def read_corpus(path, member, langs):
    """The pairs of a corpus of wmt19 by its layout: a table, TMX, or two members of an archive."""
    if path.endswith('.tsv.gz'):
        return read_tsv(read_member(path), langs)
    if path.endswith('.tmx.gz'):
        return read_tmx(path)
    return zip_parallel(read_member, *((path, f'{member}.{lang}') for lang in (source_lang, target_lang)))

# validation and test, years that no training corpus holds: archive, member without its language, its sides
NEWSTEST = {
    ('de', 'en'): [('dev.tgz', 'dev/newstest2018-deen-{}.sgm', dict(de='src.de', en='ref.en')),
                   ('test.tgz', 'sgm/newstest2019-deen-{}.sgm', dict(de='src.de', en='ref.en'))],
    ('en', 'fr'): [('dev.tgz', 'dev/newstest2013.{}', dict(en='en', fr='fr')),
                   ('dev.tgz', 'dev/newstest2014-fren-{}.sgm', dict(fr='src.fr', en='ref.en'))]}

def wmt19():
    """Parliament, news and the web. German-English: newstest2018 and 2019; English-French: 2013 and 2014."""
    pair = tuple(sorted((source_lang, target_lang)))
    if pair not in CORPORA:
        fail('wmt19 has German-English and English-French: --source_lang and --target_lang can be de and en, '
             'or en and fr')
    known, chosen = CORPORA[pair], {}
    for name in corpora.split(','):
        begins = [corpus for corpus in known if name and corpus.startswith(name) or name == 'all']
        if not begins:
            fail(f'--corpora has no {name!r}: it can be all, or some of {",".join(known)}')
        chosen.update((corpus, known[corpus]) for corpus in begins)
    names = [file for file, *_ in (*chosen.values(), *NEWSTEST[pair])]
    paths = fetch([f'wmt19/{name}' for name in names])
    train = {corpus: read_corpus(path, member, pair)
             for path, (corpus, (_, member)) in zip(paths, chosen.items())}
    def newstest(path, member, sides):
        source, target = ((path, member.format(sides[lang])) for lang in (source_lang, target_lang))
        return zip_parallel(read_sgm if member.endswith('.sgm') else read_member, source, target)
    return train, *(newstest(path, *how) for path, (_, *how) in zip(paths[-2:], NEWSTEST[pair]))

def multi30k():
    """What can be seen in 31,014 photographs, a sentence each: small, clean and easy."""
    need_languages('multi30k', ['de', 'en', 'fr', 'cs'])
    paths = fetch([f'multi30k/{split}.{lang}.gz' for split in ('train', 'val', 'test_2016_flickr')
                   for lang in (source_lang, target_lang)])
    pairs = zip(paths[::2], paths[1::2])
    train, valid, test = (zip_parallel(read_member, (source,), (target,)) for source, target in pairs)
    return {'multi30k': train}, valid, test

def tatoeba():
    """Everyday sentences, short, many of them with several translations."""
    need_languages('tatoeba', ['en', 'de', 'fr'])
    if 'en' not in (source_lang, target_lang):
        fail('tatoeba pairs other languages with English only: --source_lang or --target_lang must be en')
    other = target_lang if source_lang == 'en' else source_lang
    code = {'de': 'deu', 'fr': 'fra'}[other]
    path, = fetch([f'tatoeba/{code}-eng.zip'])
    pairs = list(read_tsv(read_member(path, f'{code}.txt'), ['en', other]))
    return {'tatoeba': pairs}, *train_test_split(pairs)

def files():
    """The reader's own text."""
    given = {'train': (train_source, train_target), 'valid': (valid_source, valid_target),
             'test': (test_source, test_target)}
    results = {os.path.realpath(f'{data_dir}/{split}.{lang}')
               for split, lang in itertools.product(given, (source_lang, target_lang))}
    for split, (source, target) in given.items():
        if bool(source) != bool(target) or split == 'train' and not source:
            fail(f'--dataset=files needs --{split}_source=... and --{split}_target=...')
        for path in filter(None, (source, target)):
            if not os.path.isfile(path):            # a pipe could be read only once
                fail(f'{path} is no file: name one')
            if os.path.realpath(path) in results:
                fail(f'{path} would be overwritten: take another --data_dir, or another name for it')
    def pairs(split):
        source, target = given[split]
        return zip_parallel(read_member, (source,), (target,))
    splits = {split: pairs(split) for split, (source, target) in given.items() if source}
    if len(splits) < 3:
        for split, drawn in zip(('valid', 'test'), train_test_split(pairs('train'))):
            if split not in splits:
                splits[split] = drawn
                print(f'{split}: {len(drawn):,} pairs drawn from the training pairs')
    return {'files': splits['train']}, splits['valid'], splits['test']

def toy():
    """Sentences of our own grammar, as many as one likes, without a network."""
    try:
        from lessons.grammar import LANGS, realise, sample_tree
    except ImportError:
        fail('the toy corpus needs lessons/grammar.py beside prepare.py: it is missing, get it from the repository')
    need_languages('the toy corpus', LANGS)
    if toy_pairs < 1:
        fail('--toy_pairs is at least 1')
    rng = random.Random(seed)
    trees = (sample_tree(rng) for _ in range(10 * toy_pairs + 10000))      # an end, whatever the filter drops
    pairs = ((realise(tree, source_lang), realise(tree, target_lang)) for tree in trees)
    valid, test = list(itertools.islice(pairs, 1000)), list(itertools.islice(pairs, 1000))
    return {'toy': pairs}, valid, test

def train_test_split(pairs):
    """
    Draw pairs for validation and test: a twentieth of all for each, 1,000 at the most, no sentence twice, in
    one pass that holds 20,000 pairs. The filter then drops what shares a sentence with them from training.
    """
    draw, taken, seen, bar = random.Random(seed).random, [], set(), Progress('drawing', 'pairs')
    def watched():
        for number, pair in enumerate(pairs):
            yield pair
            if number % 10000 == 0:
                bar.show(number, Measured.share())
    drawn = heapq.nsmallest(20 * 1000, watched(), key=lambda pair: draw())
    bar.close()
    for source, target in normalise_pairs(drawn):
        if source and target and not {source, target} & seen:
            taken.append((source, target))
            seen |= {source, target}
    size = max(len(drawn) // 20, 1)
    return taken[:size], taken[size:2 * size]

# -----------------------------------------------------------------------------
# filtering: what speaks against a pair. Each function takes its two texts and their words

def length_filter(texts, words):
    """Too short or too long: clean-corpus-n of Moses (Koehn et al. 2007)."""
    short, long = sorted(map(len, words))
    return not min_len <= short <= long <= (max_len or long)

def length_ratio_filter(texts, words):
    """One side much longer (Ng et al. 2019); but not 'Hi.' and 'Grüß Gott!', of which nothing follows."""
    short, long = sorted(map(len, words))
    return max_ratio and long >= 10 and long > max_ratio * short

def word_length_filter(texts, words):
    """An address, or a row of words that lost its spaces (OpusFilter: Aulamo et al. 2020)."""
    return max_word and max(map(len, itertools.chain(*words))) > max_word

def script_filter(texts, words):
    """A table, a formula, another script (the hard rules of Bicleaner: Sánchez-Cartagena et al. 2018)."""
    for text, lang in zip(texts, (source_lang, target_lang)):
        if len(text.encode('ascii', 'ignore').translate(None, NO_LETTER)) > min_latin * len(text):
            continue                                # most text, in a tenth of the time
        letters, signs = len(NO_LATIN.sub('', text)), len(SIGN.findall(text))
        if min_latin and lang in FUNCTION_WORDS and letters < min_latin * max(letters + signs, 1):
            return True

def identical_filter(texts, words):
    """Not translated: of all kinds of noise the one that harms most (Khayrallah and Koehn 2018)."""
    return drop_identical and texts[0] == texts[1]

def language_filter(texts, words):
    """More function words of another language than of its own (Grefenstette 1995)."""
    for side, lang in zip(words, (source_lang, target_lang)):
        if drop_foreign and lang in FUNCTION_WORDS and len(side) >= 5 and not OTHERS[lang].isdisjoint(side):
            own, *others = (len(FUNCTION_WORDS[k].intersection(side)) for k in (lang, *FUNCTION_WORDS))
            if max(others) > own:
                return True

NO_LETTER = bytes(byte for byte in range(128) if not chr(byte).isalpha())
NO_LATIN, SIGN = regex.compile(r'\P{Latin}+'), regex.compile(r'[^\p{Latin}\p{N}\s]')
# what is a word of two languages stands in both lists, and so decides nothing
FUNCTION_WORDS = dict(
    de='''der die das den dem des ein eine einen einem einer eines und oder aber nicht nichts ist sind war
    waren was wird werden wurde wurden kann will hat hast haben hatte sich auch auf aus bei mit nach von vom
    zu zum zur in im an am über unter für durch ich er sie es wir ihr ihm ihn ihre du dir dich uns euch mir
    mich wer wo wenn als wie so all dass daß noch nur diese dieser dieses mehr sein seine sehr hier ja nein
    de la on plus je man''',
    en='''the a an of and to is are was were be been am has have had that this these those it its it's he
    him she me they them we you i my your his her their not no with for from by in on at as so all but or if
    which who what there will would can could should do does did don't didn't than more into our how very
    die war de la plus''',
    fr='''le la les un une des du de et est sont a dans en pour pas que qui ne me se ce cette ces il elle
    ils nous vous tu je on avec sur par au aux mais ou où été être leur son sa ses plus hier c'est j'ai
    n'est qu'il''')
FUNCTION_WORDS = {lang: {word for known in words.split() for word in (known, known.capitalize())}
                  for lang, words in FUNCTION_WORDS.items()}
OTHERS = {lang: set().union(*FUNCTION_WORDS.values()) - own for lang, own in FUNCTION_WORDS.items()}
FILTERS = dict(length=length_filter, ratio=length_ratio_filter, word=word_length_filter, letters=script_filter, identical=identical_filter,
               language=language_filter)
FATES = ['kept', 'empty', *FILTERS, 'held out', 'duplicate']     # what may become of a pair

# -----------------------------------------------------------------------------
# over the cores: blocks of pairs go out to be judged, what is good of them comes back in order

JUDGED = np.dtype([('corpus', 'u1'), ('fate', 'u1'), ('hash', 'u8'), ('source', 'u4'), ('target', 'u4')])

def normalise_pairs(pairs):
    """Pairs in the one form that every stage reads: NFC, single spaces, nothing invisible."""
    return ((normalise(source), normalise(target)) for source, target in pairs)

def share_settings(config, held_out):
    """What a worker process has to know: our settings, and the sentences of validation and test."""
    globals().update(config, held_source=held_out[0], held_target=held_out[1])

def rejection_reason(texts, words):
    """Why a pair is dropped, or 'kept'; whether it is a duplicate only the main process can tell."""
    if not all(texts):
        return 'empty'
    for reason, speaks_against in FILTERS.items():
        if speaks_against(texts, words):
            return reason
    if texts[0] in held_source or texts[1] in held_target:
        return 'held out'                           # the model must not have seen what it is asked later
    return 'kept'

def filter_block(block):
    """A block of (corpus, pairs) -> a row of JUDGED for each pair, and the sides of those kept, as lines."""
    rows, sources, targets = [], [], []
    for corpus, (source, target) in ((corpus, pair) for corpus, pairs in block for pair in pairs):
        texts = source, target = normalise(source), normalise(target)
        words = source.split(' '), target.split(' ')
        fate, digest = rejection_reason(texts, words), b''
        if fate == 'kept':
            digest = hashlib.blake2b(f'{source}\n{target}'.encode(), digest_size=8).digest()
            sources.append(source)
            targets.append(target)
        rows.append((corpus, FATES.index(fate), int.from_bytes(digest, 'little'), *map(len, words)))
    return np.array(rows, JUDGED), '\n'.join(sources), '\n'.join(targets)

LENGTHS = 1, 6, 11, 16, 21, 31, 41, 61, 81, 101     # words, where the bars of the report begin

class Seen:
    """
    Which 64-bit numbers there were before, in 8 bytes each: sorted rows, each at least four times as long as
    the next, so that a number moves seldom (a log-structured merge tree: O'Neil et al. 1996).
    """
    def __init__(self):
        self.rows = []

    def add(self, numbers):
        """Returns for each whether it is new."""
        ordered, first = np.unique(numbers, return_index=True)
        new = np.ones(len(ordered), bool)
        for row in self.rows:
            new &= row[np.minimum(np.searchsorted(row, ordered), len(row) - 1)] != ordered
        row = ordered[new]
        while self.rows and len(self.rows[-1]) < 4 * len(row):
            row = np.sort(np.concatenate([self.rows.pop(), row]), kind='stable')    # two runs: a merge
        self.rows += [row] * bool(len(row))
        is_new = np.zeros(len(numbers), bool)
        is_new[first[new]] = True
        return is_new

def interleave(train):
    """(corpus's number, ten of its pairs), by turns from each corpus, so that max_pairs takes of all."""
    streams = {number: iter(pairs) for number, pairs in enumerate(train.values())}
    while streams:
        for number in list(streams):
            pairs = list(itertools.islice(streams[number], 10))
            if pairs:
                yield number, pairs
            else:
                del streams[number]

def filter_corpus(train, held_out, limit, counts, lengths):
    """
    Yield lists of good source and target sentences, `limit` pairs at the most (0: no limit). counts[corpus]
    tells what became of all, lengths (2, words) how many of the kept sentences have so many words.
    """
    seen, n_kept, n_read, bar = Seen(), 0, 0, Progress('filtering', 'pairs')
    Measured.done = Measured.total = 0              # nothing of train has been opened yet
    stream = interleave(train)
    blocks = iter(lambda: list(itertools.islice(stream, 200)), [])
    for judged, *sides in parallel_map(filter_block, blocks, workers, share_settings, config_of(globals()), held_out):
        kept = np.flatnonzero(judged['fate'] == FATES.index('kept'))
        new = seen.add(judged['hash'][kept]) if drop_duplicates else np.ones(len(kept), bool)
        judged['fate'][kept[~new]] = FATES.index('duplicate')
        kept, sides = kept[new], [list(itertools.compress(side.split('\n'), new)) for side in sides]
        if limit and n_kept + len(kept) >= limit:   # what comes after the last that is taken was never read
            kept, sides = kept[:limit - n_kept], [side[:limit - n_kept] for side in sides]
            judged = judged[:kept[-1] + 1]
        for (corpus, fate), n in collections.Counter(judged[['corpus', 'fate']].tolist()).items():
            counts[list(train)[corpus]].update({'read': n, FATES[fate]: n})
        for row, side in zip(lengths, ('source', 'target')):
            row += np.bincount(np.minimum(judged[side][kept], len(row) - 1), minlength=len(row))
        n_kept, n_read = n_kept + len(kept), n_read + len(judged)
        yield sides
        bar.show(n_read, max(Measured.share(), n_kept / limit if limit else 0))
        if limit and n_kept == limit:
            break
    bar.close()

def clean_heldout(pairs, count):
    """Validation and test pairs stay as they are, but for those with an empty side."""
    pairs = list(normalise_pairs(pairs))
    whole = [pair for pair in pairs if all(pair)]
    count.update(read=len(pairs), empty=len(pairs) - len(whole), kept=len(whole))
    return whole

# -----------------------------------------------------------------------------
# writing

def write_data(name, train, valid, test, limit):
    """
    Fill data_dir; in the end all files take their names, or none. Returns {corpus or split: Counter} and the
    lengths of the training sentences.
    """
    counts = {part: collections.Counter() for part in (*train, 'valid', 'test')}
    lengths = np.zeros((2, 101), int)               # how many sentences have so many words, 100 or more
    valid, test = clean_heldout(valid, counts['valid']), clean_heldout(test, counts['test'])
    held_out = [frozenset(side) for side in zip(*valid, *test)] or [frozenset()] * 2
    splits = dict(valid=[list(zip(*valid))], test=[list(zip(*test))],
                  train=filter_corpus(train, held_out, limit, counts, lengths))
    with contextlib.ExitStack() as stack:           # what was opened first is renamed last: meta.json
        def create(file):
            return stack.enter_context(atomic_write(f'{data_dir}/{file}'))
        meta_file, written = create('meta.json'), {}
        for split, blocks in splits.items():
            sides, number = [(lang, create(f'{split}.{lang}'), hashlib.sha256())
                             for lang in (source_lang, target_lang)], 0
            for block in blocks:
                number += len(block[0]) if block else 0
                for (_, file, digest), sentences in zip(sides, block):
                    data = '\n'.join([*sentences, '']).encode()
                    file.write(data)
                    digest.update(data)
            if not number:
                parts = train if split == 'train' else [split]
                fates = sum((counts[part] for part in parts), collections.Counter())
                fates = ', '.join(f'{n:,} {why}' for why, n in fates.items() if n) or 'there were none'
                fail(f'no {split} pairs are left ({fates}): give more text, or loosen the filter')
            for lang, _, digest in sides:
                written[f'{split}.{lang}'] = {'sentences': number, 'fingerprint': digest.hexdigest()[:16]}
        meta = {'dataset': name, 'source_lang': source_lang, 'target_lang': target_lang, 'files': written}
        meta['corpora'] = {corpus: {'read': counts[corpus]['read'],
                                    'dropped': {reason: counts[corpus][reason] for reason in FATES[1:]},
                                    'kept': counts[corpus]['kept']} for corpus in train}
        meta['config'] = config_of(globals())
        meta_file.write(json.dumps(meta, indent=1, ensure_ascii=False).encode())
    return counts, lengths

def print_report(counts, lengths):
    """What was read, dropped by reason and kept; how long the sentences are; three of the pairs."""
    shown = [fate for fate in ['read', *FATES[1:], 'kept'] if any(count[fate] for count in counts.values())]
    print('\n' + ' ' * 18 + ''.join(f'{column:>11}' for column in shown))
    for part, count in counts.items():
        print(f'{part:<18}' + ''.join(f'{count[column]:>11,}' for column in shown))
    print(f'\nwords in a training sentence{source_lang:>12}{target_lang:>40}')
    for low, high in zip(LENGTHS, LENGTHS[1:]):
        shares = lengths[:, low:high].sum(1) / lengths.sum(1)
        bars = ''.join(f'{share:6.1%}  {"█" * round(50 * share):<32}' for share in shares)
        print(f'{low:>16}-{high - 1 if high < 101 else "":<6}{bars}'.rstrip())
    pairs = zip(*(read_lines(f'{data_dir}/train.{lang}') for lang in (source_lang, target_lang)))
    for source, target in itertools.islice(pairs, 0, 3000, 1000):
        print(f'\n  {source_lang}: {source}\n  {target_lang}: {target}')

def print_notice(reason):
    """In a frame, since the scores that follow are not those of WMT19."""
    lines = ['WMT19 COULD NOT BE REACHED', '',
             *textwrap.wrap(reason, 90, break_long_words=False, break_on_hyphens=False), '',
             '--mirror=...     takes a folder or an http address with wmt19/europarl-v9.de-en.tsv.gz in it',
             '--dataset=files  takes your own text (python prepare.py --help)', '',
             'THE BUILT-IN TOY CORPUS IS MADE INSTEAD']
    rule = '#' * (max(map(len, lines)) + 4)
    print(rule, *(f'# {line:<{len(rule) - 4}} #' for line in lines), rule, sep='\n', file=sys.stderr)

def main():
    datasets = {'wmt19': wmt19, 'multi30k': multi30k, 'tatoeba': tatoeba, 'toy': toy, 'files': files}
    name = 'wmt19' if dataset == 'auto' else dataset
    if name not in datasets:
        fail(f'--dataset={dataset}: it can be auto, {", ".join(datasets)}')
    if source_lang == target_lang or not regex.fullmatch(r'[\w-]+/[\w-]+', f'{source_lang}/{target_lang}'):
        fail(f'--source_lang={source_lang} --target_lang={target_lang}: take two different language codes')
    try:
        train, valid, test = datasets[name]()
    except Unreachable as reason:
        if dataset != 'auto':
            fail(reason)
        print_notice(str(reason))
        name = 'toy'
        train, valid, test = toy()
    print_report(*write_data(name, train, valid, test, toy_pairs if name == 'toy' else max_pairs))
    print(f'\nwrote {data_dir}/; next:  python tokenizer.py'
          + (f' --data_dir={data_dir}' if data_dir != 'data' else ''))

if __name__ == '__main__':
    parse_command_line(globals())
    run_stage(main, data_dir, f'stopped: {data_dir}/ is as it was, and a download goes on next time')
