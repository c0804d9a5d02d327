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
# the toy grammar: parallel sentences in German, English and French, without a download. draw(rng) invents
# what is said, once; realise(tree, lang) says it in 'de', 'en' or 'fr' by rule, and all three say the same

# nouns by what they are: German with article and plural ending (" umlaut, + in the singular's cases too,
# = the whole plural), English, French; a/b is an irregular plural
NOUNS = '''
human: der Lehrer - teacher le professeur | das Mädchen - girl la fille | das Kind er child/children le enfant
  der Bäcker - baker le boulanger | der Student +en student le étudiant | die Sängerin nen singer la chanteuse
  die Frau en woman/women la femme | der Nachbar +n neighbour le voisin | der Gärtner - gardener le jardinier
  der Künstler - artist le artiste | der Dieb e thief/thieves le voleur | der Ritter - knight le chevalier
  der Bauer +n farmer le fermier | der Maler - painter le peintre | die Königin nen queen la reine
  der Arzt "e doctor le médecin | der Mann "er man/men le homme | der Pirat +en pirate le pirate
  der Koch "e chef le cuisinier | der Schüler - pupil le élève | der Pilot +en pilot le pilote
  der Richter - judge le juge | der Dichter - poet le poète | die Hexe n witch la sorcière
  der Junge +n boy le garçon | der Freund e friend le ami | der Gast "e guest le invité
  der König e king le roi
kin: der Bruder " brother le frère | die Schwester n sister la sœur | die Mutter " mother la mère
  der Vater " father le père | der Onkel - uncle le oncle | die Tante n aunt la tante
  der Sohn "e son le fils
animal: der Hund e dog le chien | die Katze n cat le chat | die Kuh "e cow la vache | der Bär +en bear le ours
  die Maus "e mouse/mice la souris | der Wolf "e wolf/wolves le loup | der Elefant +en elephant le éléphant
  das Huhn "er chicken la poule | die Schlange n snake le serpent | der Drache +n dragon le dragon
  das Pferd e horse le cheval | der Vogel " bird le oiseau | der Affe +n monkey le singe
  der Fuchs "e fox le renard | der Löwe +n lion le lion
food: der Kuchen - cake le gâteau | die Tomate n tomato la tomate | die Banane n banana la banane
  der Apfel " apple la pomme | die Birne n pear la poire | das Ei er egg le œuf
mass: der Käse - cheese le fromage | die Butter - butter le beurre | die Schokolade - chocolate le chocolat
  das Brot - bread le pain | der Reis - rice le riz | der Fisch - fish le poisson | die Suppe - soup la soupe
drink: das Wasser - water la eau | der Kaffee - coffee le café | der Tee - tea le thé | der Wein - wine le vin
  die Milch - milk le lait | das Bier - beer la bière
text: der Brief e letter la lettre | die Zeitung en newspaper le journal | die Geschichte n story la histoire
  das Buch "er book le livre | der Roman e novel le roman | das Gedicht e poem le poème
thing: das Messer - knife/knives le couteau | das Bild er picture le tableau | die Krone n crown la couronne
  der Schlüssel - key la clé | die Blume n flower la fleur | das Schwert er sword la épée
  die Lampe n lamp la lampe | der Ball "e ball le ballon | die Puppe n doll la poupée
  der Ring e ring la bague
box: die Flasche n bottle la bouteille | der Koffer - suitcase la valise | das Fenster - window la fenêtre
  die Tasche n bag le sac | die Tür en door la porte
clothes: die Jacke n jacket la veste | das Hemd en shirt la chemise | der Schuh e shoe la chaussure
  der Hut "e hat le chapeau | das Kleid er dress la robe | der Rock "e skirt la jupe
vehicle: das Auto s car la voiture | das Fahrrad "er bicycle le vélo | das Flugzeug e plane le avion
  der Bus se bus le bus | der Zug "e train le train | das Boot e boat la barque | das Taxi s taxi le taxi
music: das Klavier e piano le piano | die Gitarre n guitar la guitare | die Geige n violin le violon
place: der Garten " garden le jardin | die Kirche n church la église | das Krankenhaus "er hospital le hôpital
  der Park s park le parc | die Schule n school la école | der Zoo s zoo le zoo | der Wald "er forest la forêt
  das Museum =Museen museum le musée | das Theater - theatre le théâtre | das Schloss "er castle le château
  die Küche n kitchen la cuisine | der Bahnhof "e station la gare | das Dorf "er village le village
  das Haus "er house la maison | der Laden " shop le magasin | der Hafen " harbour le port
  die Stadt "e city la ville | das Hotel s hotel le hôtel | das Kino s cinema le cinéma
  die Bank en bank la banque
idea: die Idee n idea la idée | der Plan "e plan le plan | die Regel n rule la règle | der Film e film le film
  das Problem e problem le problème | die Frage n question la question | die Antwort en answer la réponse
  der Fehler - mistake la erreur | der Witz e joke la blague | das Lied er song la chanson
'''
# verbs by who does it and to what: infinitive/participle or past/present of one/of many, where no rule gives
# them; * takes sein and être, + separates, _ begins what does not inflect: a preposition, with its case :D or
# :A behind it
VERBS = '''
human,animal nothing: schlafen/geschlafen/schläft sleep/slept dormir/dormi/dort/dorment | tanzen dance danser
  spielen play jouer | *springen/gesprungen/springt jump sauter | *fallen/gefallen/fällt fall/fell *tomber
  human nothing: lachen laugh rire/ri/rit/rient | weinen cry pleurer | singen/gesungen/singt sing/sang chanter
  arbeiten work travailler | kochen cook cuisiner | *ab+reisen depart *partir/parti/part/partent
  lächeln smile sourire/souri/sourit/sourient | *an+kommen/gekommen/kommt arrive *arriver
  human,animal to: *rennen/gerannt/rennt run/ran courir/couru/court/courent
  *gehen/gegangen/geht go/went *aller/allé/va/vont | human to: *zurück+kehren return *retourner
  *kommen/gekommen/kommt come/came *venir/venu/vient/viennent
  human,animal food,mass: essen/gegessen/isst eat/ate manger
  human drink: trinken/getrunken/trinkt drink/drank boire/bu/boit/boivent
  human food,mass,drink: probieren taste goûter | human food,mass: vor+bereiten prepare préparer
  human text: schreiben/geschrieben/schreibt write/wrote écrire/écrit/écrit/écrivent
  lesen/gelesen/liest read/read lire/lu/lit/lisent
  human food,thing,box,clothes,vehicle,music,text: kaufen buy/bought acheter//achète
  verkaufen sell/sold vendre | human thing,box,clothes,vehicle,music,human,animal: suchen look_for chercher
  finden/gefunden/findet find/found trouver | human,animal human,animal,vehicle: hören hear/heard entendre
  sehen/gesehen/sieht see/saw voir/vu/voit/voient | human human,animal: beobachten watch observer
  hassen hate détester | retten rescue sauver | *folgen_:D follow suivre/suivi/suit/suivent
  lieben love aimer | human human: ein+laden/geladen/lädt invite inviter | helfen/geholfen/hilft_:D help aider
  treffen/getroffen/trifft meet/met rencontrer | antworten_:D reply_to répondre_à | küssen kiss embrasser
  an+rufen/gerufen/ruft call appeler//appelle | warten_auf:A wait_for attendre
  human vehicle,music: reparieren repair réparer
  human thing,clothes,vehicle: verlieren/verloren/verliert lose/lost perdre
  human text,thing,box,clothes,idea: vergessen/vergessen/vergisst forget/forgot oublier
  human thing,text,box: weg+werfen/geworfen/wirft throw/threw_away jeter//jette
  auf+heben/gehoben/hebt pick_up ramasser | mit+bringen/gebracht/bringt bring/brought apporter
  human box: öffnen/geöffnet/öffnet open ouvrir/ouvert/ouvre/ouvrent
  schließen/geschlossen/schließt close fermer | human clothes: tragen/getragen/trägt wear/wore porter
  human clothes,vehicle: waschen/gewaschen/wäscht wash laver | human animal: füttern feed/fed nourrir
  human,animal animal: jagen chase chasser | fangen/gefangen/fängt catch/caught attraper
  human place: putzen clean nettoyer//nettoie | human idea: erklären explain expliquer
  verstehen/verstanden/versteht understand/understood comprendre/compris/comprend/comprennent
  human thing,text,food,clothes+human: geben/gegeben/gibt give/gave donner | zeigen show montrer
  schicken send/sent envoyer//envoie | human that: sagen say/said dire/dit/dit/disent | träumen dream rêver
  wissen/gewusst/weiß know/knew savoir/su/sait/savent | behaupten claim prétendre | bemerken notice remarquer
  hoffen hope espérer//espère | zu+geben/gegeben/gibt admit/admitted admettre/admis/admet/admettent
  glauben believe croire/cru/croit/croient
'''
# adjectives by what they can be said of; < stands before its noun in French
ADJECTIVES = '''
human,animal,thing,box,clothes,vehicle,text,place: schön beautiful <beau/belle/bel
  alt old <vieux/vieille/vieil | human,animal,thing,box,vehicle,place,idea: klein small <petit
  groß big <grand | thing,box,clothes,vehicle,text,place,idea,music: neu new <nouveau/nouvelle/nouvel
  food,mass,drink,text,idea: gut good <bon/bonne | schlecht bad <mauvais | human,animal: hungrig hungry affamé
  jung young <jeune | schwach weak faible | ruhig calm calme | durstig thirsty assoiffé | wütend angry furieux
  stark strong fort | müde tired fatigué | glücklich happy heureux | faul lazy paresseux | dumm stupid stupide
  gefährlich dangerous dangereux | traurig sad triste | mutig brave courageux | krank ill malade
  human: klug clever intelligent | reich rich riche | arm poor pauvre | höflich polite poli | stolz proud fier
  berühmt famous célèbre | freundlich friendly aimable | einsam lonely solitaire | elegant elegant élégant
  ehrlich honest honnête | nervös nervous nerveux | schüchtern shy timide | blind blind aveugle
  animal: wild wild sauvage | treu faithful fidèle | animal,vehicle: schnell fast rapide | langsam slow lent
  thing,box,clothes,vehicle: gelb yellow jaune | schwarz black noir | braun brown brun | schmutzig dirty sale
  rot red rouge | blau blue bleu | grün green vert | grau grey gris | nass wet mouillé
  thing,clothes,vehicle,music: teuer/teur expensive cher | kaputt broken cassé
  thing,box,vehicle: schwer heavy lourd | text,idea: interessant interesting intéressant | lustig funny drôle
  wichtig important important | einfach simple simple | lang long <long/longue | kurz short court
  place: modern modern moderne | dunkel/dunkl dark sombre | riesig huge énorme | winzig tiny minuscule
  leer empty vide | food: frisch fresh frais/fraîche | food,mass: köstlich delicious délicieux
  drink: kalt cold froid | warm warm chaud | süß sweet sucré
'''
# determiners: German, the names of its endings and of those of the adjective, English, French (le and la)
DETERMINERS = '''
one: d the weak the le la | ein mixed own a un une | mein mixed own my mon ma
  unser mixed own our notre notre | dies strong weak this ce cette | jed strong weak every chaque chaque
many: d the weak the les les | _ none strong _ des des | mein mixed own my mes mes
  unser mixed own our nos nos | zwei none strong two deux deux | dies strong weak these ces ces
  drei none strong three trois trois | all strong weak all_the tous_les toutes_les
  einig strong strong some quelques quelques | viel strong strong many beaucoup_de beaucoup_de
mass: _ none strong _ de_le de_la | d the weak the le la
'''
# phrases by when they can be said, and small words; capitals stand for one of that list, or for a number
PHRASES = '''
past: gestern yesterday hier | letzte_Woche last_week la_semaine_dernière | letzten_DAY last_DAY DAY_dernier
  am_DATE._MONTH on_DATE_MONTH le_DATE_MONTH | vor_COUNT_Tagen COUNT_days_ago il_y_a_COUNT_jours
  im_Jahr_YEAR in_YEAR en_YEAR
future: morgen tomorrow demain | nächste_Woche next_week la_semaine_prochaine
  nächsten_DAY next_DAY DAY_prochain | in_COUNT_Tagen in_COUNT_days dans_COUNT_jours
  in_COUNT_Wochen in_COUNT_weeks dans_COUNT_semaines
any: heute today aujourd'hui | um_HOUR_Uhr at_HOUR_o'clock à_HOUR_heures | am_Abend in_the_evening le_soir
  am_Wochenende at_the_weekend le_week-end | im_MONTH in_MONTH en_MONTH
present: jeden_Tag every_day tous_les_jours | jeden_DAY every_DAY chaque_DAY | im_Sommer in_summer en_été
  im_Winter in_winter en_hiver | im_Herbst in_autumn en_automne | im_Frühling in_spring au_printemps
comment: leider unfortunately malheureusement | zum_Glück luckily heureusement | natürlich of_course bien_sûr
often past: oft often souvent | endlich finally enfin | plötzlich suddenly soudain
  heimlich secretly secrètement
often present: oft often souvent | immer always toujours | manchmal sometimes parfois | selten rarely rarement
join past: weil because parce_que | als when quand | sobald as_soon_as dès_que
join present: weil because parce_que | wenn if si | während while pendant_que | auch_wenn even_if même_si
join future: weil because parce_que | wenn if si | auch_wenn even_if même_si
modal: kann/können can/can peut/peuvent | muss/müssen must/must doit/doivent | wird/werden will/will va/vont
  will/wollen wants_to/want_to veut/veulent
have: hat/haben did/did a/ont | is: ist/sind did/did est/sont
be present: ist/sind is/are est/sont | be past: war/waren was/were était/étaient
pronoun: er he il | sie she elle | sie they ils | sie they elles
MONTH: Januar January janvier | Februar February février | März March mars | April April avril | Mai May mai
  Juni June juin | Juli July juillet | August August août | September September septembre
  Oktober October octobre | November November novembre | Dezember December décembre
DAY: Montag Monday lundi | Dienstag Tuesday mardi | Mittwoch Wednesday mercredi | Donnerstag Thursday jeudi
  Freitag Friday vendredi | Samstag Saturday samedi | Sonntag Sunday dimanche
COUNT: drei three trois | vier four quatre | fünf five cinq | sechs six six
  sieben seven sept | acht eight huit
'''
MEN = '''Paul Peter Thomas Martin David Simon Oskar Felix Lukas Max Leo Tom Daniel Robert Victor
  Bruno Jan Karl Boris Ben'''.split()
WOMEN = '''Anna Maria Julia Laura Eva Emma Sofia Clara Nina Marie Lisa Lena Sarah Rosa Vera
  Olga Diana Mia Ida'''.split()
TOWNS = '''Berlin Paris Hamburg Madrid Lyon Boston Oslo Stuttgart Dresden Leipzig Chicago Bonn Bordeaux
  Amsterdam Dublin Budapest Rotterdam Zagreb Nantes Toulouse Manchester Toronto Sydney
  Bristol Liverpool Dallas Denver Grenoble Dortmund Potsdam Weimar Ulm Oxford Cambridge Bergen Porto Riga
  Kiel Metz Lille'''.split()
SYLLABLES = '''bal bo bren da dor fal fen ga gor ka kel lan lo mar mi mor na nor pel ra ren ro sal sel so
  tal tor ve vil za zel dru kra sto bri gra ple tri flo vas'''.split()
# German endings in the nominative, accusative and dative, each for der, die, das and the plural; _ is none
ENDINGS = '''
the: er ie as ie | en ie as ie | em er em en
none: _ _ _ _ | _ _ _ _ | _ _ _ _
mixed: _ e _ e | en e _ e | em er em en
strong: er e es e | en e es e | em er em en
weak: e e e en | en e e en | en en en en
own: er e es en | en e es en | en en en en
'''
# forms that follow a rule: the first pattern that matches is replaced
RULES = r'''
de past: ieren$>iert ^((?:be|ver|er).*t)en$>\1et ^((?:be|ver|er).*?)e?n$>\1t ^(.*t)en$>ge\1et ^(.*?)e?n$>ge\1t
de now: ([dt])en$>\1et e?n$>t
en past: ([^aeiou])y$>\1ied e$>ed $>ed
en now: ([^aeiou])y$>\1ies (s|x|ch|sh|[gt]o)$>\1es $>s
fr past: er$>é ir$>i re$>u
fr now: er$>e ir$>it re$>
fr they: e$>ent it$>issent $>ent
fr plural: al$>aux eau$>eaux ([sxz])$>\1 $>s
fr feminine: e$>e eux$>euse f$>ve er$>ère $>e
'''
# word order: the slots of a clause, those that are empty left out
ORDER = '''
de: front finite subject time often recipient object not is where rest
de sub: which subject time often recipient object not is where rest finite
en: which front subject finite not often rest object recipient is where time
en ask: finite subject not often rest object recipient is where time
fr: which front subject ne finite not often rest object recipient is where time
'''
# what neighbours do to each other: im and zum; a and an; l', du and au
SOUNDS = dict(de=[(r'\b(i)n dem ', r'\1m '), (r'\b(vo|zu)n? dem ', r'\1m '), (r'\bzu der ', 'zur ')],
              en=[(r'\ba (?=[aeio]|un|um)', 'an ')],
              fr=[(r'\bde (des|de l[ea]) ', 'de '), (r'\bsi (?=ils?\b)', "s'"),
                  (r'\bma (?=[aeiouhéèêâîôœ])', 'mon '),
                  (r'\bce (?=[aeiouhéèêâîôœ])', 'cet '),
                  (r'\b(l|d|n|qu)[ea] (?=[aeiouhéèêâîôœAEIO])', r"\1'"),
                  (r'\bde le ', 'du '), (r'\bde les ', 'des '), (r'\bà le ', 'au '), (r'\bà les ', 'aux ')])

# -----------------------------------------------------------------------------
# from the tables to the forms of every word, once

def rows(table):                            # a heading and the fields of a row, one after the other
    for row in regex.split(r' \| |\n', table.strip()):
        head, row = row.split(': ') if ': ' in row else (head, row)
        yield head, row.split()

def lists(table, make=lambda *fields: [field.replace('_', ' ').strip() for field in fields]):
    found = {}
    for heads, fields in rows(table):
        for head in heads.split(','):
            found.setdefault(head, []).append(make(*fields))
    return found

def inflect(word, rule):
    for pattern, end in RULES[rule]:
        if regex.search(pattern, word):
            return regex.sub(pattern, end, word, count=1)
    return word

def make_noun(article, de, plural, en, le, fr):
    many = regex.sub('(au|[aouAOU])(?=[^aouAOU]*$)', lambda m: UMLAUTS[m[1]], de) if '"' in plural else de
    many = plural[1:] if plural[0] == '=' else many + plural.strip('-+"')
    one, (en, _, ens), (fr, _, frs) = many if plural[0] == '+' else de, en.partition('/'), fr.partition('/')
    return dict(gender=['der', 'die', 'das'].index(article), fem=le == 'la',
                en=[en, ens or inflect(en, 'en now')], fr=[fr, frs or inflect(fr, 'fr plural')],
                de=[[de, one, one], [many, many, many if many[-1] in 'ns' else many + 'n']])

def make_adjective(de, en, fr):
    (de, _, stem), (m, f, vowel) = de.partition('/'), (fr.lstrip('<').split('/') + ['', ''])[:3]
    f = f or inflect(m, 'fr feminine')
    return dict(de=de, stem=stem or de.rstrip('e'), en=en, before=fr[0] == '<', vowel=vowel or m,
                fr=[[m, f], [inflect(m, 'fr plural'), f + 's']])

def make_verb(*words):                      # for each language the forms, and what goes with them
    verb = {}
    for lang, word in zip(LANGS, words):
        core, _, prep = word.lstrip('*').partition('_')
        (prep, _, case), (prefix, _, core) = prep.partition(':'), core.rpartition('+')
        inf, past, one, many = (core.split('/') + ['', '', ''])[:4]
        past, one = past or inflect(inf, lang + ' past'), one or inflect(inf, lang + ' now')
        many = many or (inflect(one, 'fr they') if lang == 'fr' else inf)
        verb[lang] = dict(inf=prefix + inf, past=prefix + past, now=[one, many], go=word[0] == '*',
                          prefix=prefix, prep=prep.replace('_', ' '), case='NAD'.index(case or 'A'))
    return verb

def make_frames(table):                     # (subject, kind of object) -> [(objects, verb)]
    frames = collections.defaultdict(list)
    for head, fields in rows(table):
        subjects, objects = head.split()
        kind = objects if objects in ('nothing', 'to', 'that') else 'give' if '+' in objects else 'object'
        for subject in subjects.split(','):
            frames[subject, kind].append((objects.split('+')[0].split(','), make_verb(*fields)))
    return frames

def headed(table):                          # a dict of the lines 'head: body'
    return dict(regex.findall('(.+): (.+)', table))

def one_many(row):                          # ['kann/können', ...] -> {'de': ['kann', 'können'], ...}
    return {lang: forms.split('/') for lang, forms in zip(LANGS, row)}

LANGS = 'de', 'en', 'fr'
UMLAUTS = dict(a='ä', o='ö', u='ü', au='äu', A='Ä', O='Ö', U='Ü')
RULES = {head: [rule.split('>') for rule in body.split()] for head, body in headed(RULES).items()}
ORDER = {head: body.split() for head, body in headed(ORDER).items()}
ENDINGS = {head: [case.replace('_', '').split(' ') for case in body.split(' | ')]
           for head, body in headed(ENDINGS).items()}
NOUNS, ADJECTIVES, FRAMES = lists(NOUNS, make_noun), lists(ADJECTIVES, make_adjective), make_frames(VERBS)
DETERMINERS, PHRASES = lists(DETERMINERS), lists(PHRASES)
PHRASES.update(DATE=[[str(n)] * 3 for n in range(2, 29)], HOUR=[[str(n)] * 3 for n in range(2, 13)],
               YEAR=[[str(n)] * 3 for n in range(1900, 2025)])
MODALS = [one_many(row) for row in PHRASES['modal']]
HAVE = [one_many(PHRASES[head][0]) for head in ('have', 'is')]
BE = {tense: one_many(PHRASES['be ' + tense][0]) for tense in ('present', 'past')}
BEING = dict.fromkeys(LANGS, dict(inf='', prefix='', prep='', case=1, go=False))

# -----------------------------------------------------------------------------
# draw: what is said

def pick(rng, things):
    return things[int(rng.random() * len(things))]

def name(rng, known, ends):                 # a few are invented, so that there are words to be unknown
    if rng.random() > 0.04:
        return [pick(rng, known)] * 3
    word = ''.join(pick(rng, SYLLABLES) for _ in range(pick(rng, [2, 2, 3])))
    return [word.rstrip('aeiou').capitalize() + pick(rng, ends)] * 3

def person(rng):
    fem = rng.random() < 0.5
    text = name(rng, WOMEN, ['a', 'ina', 'ika']) if fem else name(rng, MEN, ['o', 'an', 'us', 'ek'])
    return dict(text=text, cls='human', fem=fem, many=0, he=int(fem))

def pronoun(who, fem):                      # 0 he, 1 she, 2 they
    text = PHRASES['pronoun'][who + (who == 2 and fem)]
    return dict(text=text, cls='human', fem=fem, many=int(who == 2), he=who)

def phrase(rng, kind):                      # a phrase in three languages, its MONTH, DAY ... filled in
    chosen = pick(rng, PHRASES[kind])
    for slot in regex.findall('[A-Z]{3,}', chosen[0]):
        chosen = [text.replace(slot, word) for text, word in zip(chosen, pick(rng, PHRASES[slot]))]
    return chosen

def noun_phrase(rng, classes, size=0, subject=False):
    cls = pick(rng, classes)
    if cls == 'human' and rng.random() < 0.3:
        return person(rng)
    family = cls == 'human' and rng.random() < 0.2
    noun = pick(rng, NOUNS['kin' if family else cls])
    single = cls in ('mass', 'drink', 'place') or noun['en'][0] in ('mother', 'father')
    many = int(not single and rng.random() < (0.1 if family else 0.3))
    dets = DETERMINERS['mass' if cls in ('mass', 'drink') else 'many' if many else 'one']
    choices = len(dets) - (not subject and not many)        # the last of one is every, for subjects only
    det = pick(rng, dets[2:4]) if family else dets[int(choices * rng.random() ** 2)]
    if cls == 'human' and not family and det in dets[2:4]:          # my aunt, but no: my woman
        det = dets[0]
    np = dict(noun=noun, cls=cls, det=det, many=many, fem=noun['fem'], gender=3 if many else noun['gender'])
    if family and rng.random() < 0.4:       # the sister of Paul
        np.update(det=dets[0], of=person(rng))
    elif rng.random() < 0.4 and cls in ADJECTIVES:
        one, two = pick(rng, ADJECTIVES[cls]), pick(rng, ADJECTIVES[cls])
        np['adjectives'] = [one, two] if one['before'] > two['before'] and rng.random() < 0.5 else [one]
    if cls == 'human' and (many or noun['gender'] < 2):
        np['he'] = 2 if many else noun['gender']
    if size:
        np['clause'] = relative(rng, np, size)
    return np

def relative(rng, np, size):                # the man who reads, the book that the man reads
    if np['cls'] in ('human', 'animal'):
        return clause(rng, size, dict(np, which=True))
    objects, verb = pick(rng, [f for f in FRAMES['human', 'object'] if np['cls'] in f[0]])
    return dict(subject=noun_phrase(rng, ['human']), verb=verb, object=dict(np, which=True), tense='past')

def clause(rng, size, subject=None, tense=None, main=False):
    """A verb and all that belongs to it, as a dict; size: how many clauses it may be, itself included."""
    c, size = {}, size - 1
    tense = c['tense'] = tense or pick(rng, ['past', 'past', 'present', 'future'])
    cls = subject['cls'] if subject else 'animal' if rng.random() < 0.15 else 'human'
    kind = pick(rng, ['nothing', 'to', 'object', 'object', 'object', 'give', 'be'])
    if kind == 'give' and cls == 'animal' or kind == 'be' and tense == 'future':
        kind = 'object'
    if size and cls == 'human' and rng.random() < 0.45:
        kind = 'that'
    if not subject:
        spend = int(main and size > 1 and rng.random() < 0.3)
        size -= spend
        if kind == 'be':
            cls = pick(rng, 'human human animal thing vehicle place text idea box clothes'.split())
        subject = noun_phrase(rng, [cls], spend, True)
        if cls == 'human' and not spend and rng.random() < 0.1:
            subject = pick(rng, [pronoun(0, False), pronoun(1, True), pronoun(2, False)])
    c['subject'] = subject
    if kind == 'be':
        c.update(verb=BEING, aux=BE[tense], adjective=pick(rng, ADJECTIVES[cls]))
    else:
        objects, c['verb'] = pick(rng, FRAMES[cls, kind])
        if tense == 'present' and c['verb']['en']['past'] == c['verb']['en']['inf']:
            tense = c['tense'] = 'past'     # they read: now or then?
        if tense == 'future':
            c['aux'] = pick(rng, MODALS)
    if kind in ('object', 'give'):
        spend = size if kind == 'object' and rng.random() < 0.5 else 0
        c['object'], size = noun_phrase(rng, objects, spend), size - spend
    if kind == 'give':
        c['recipient'] = noun_phrase(rng, ['human'])
    if kind == 'that':
        c['that'], size = clause(rng, size, tense='past' if tense == 'past' else None), 0
    heavy = 'that' in c or 'clause' in c.get('object', ())
    if kind == 'to' or not heavy and kind != 'be' and rng.random() < (0.5 if kind == 'nothing' else 0.25):
        c['where'] = where(rng, kind == 'to')
    dets = [np['det'][0] for np in (subject, c.get('object', {})) if 'det' in np]
    vague = {'', 'ein', 'einig', 'viel', 'jed', 'all'}.intersection(dets)
    if tense != 'future' and not vague and rng.random() < 0.15:     # not, where it is clear what it denies
        c['not'] = ['nicht', 'not', 'pas']
    elif tense != 'future' and kind != 'be' and rng.random() < 0.15:
        c['often'] = phrase(rng, 'often ' + tense)
    if rng.random() < 0.4:
        time = phrase(rng, tense if rng.random() < 0.5 else 'any')
        if main and (heavy or rng.random() < 0.5):
            c['front'] = phrase(rng, 'comment') if rng.random() < 0.2 else time
        elif not heavy:
            c['time'] = time
    if size:
        c['join'] = phrase(rng, 'join ' + tense)
        c['first'] = main and 'front' not in c and rng.random() < 0.35
        same = 'he' in subject and not c['first'] and rng.random() < 0.6
        c['side'] = clause(rng, size, pronoun(subject['he'], subject['fem']) if same else None,
                           'past' if tense == 'past' else None if c['join'][0] == 'weil' else 'present')
    return c

def where(rng, to):
    if rng.random() < 0.3:
        town = dict(text=name(rng, TOWNS, ['sund', 'burg', 'feld', 'ville', 'grad']))
        return ['nach', 'to', 'à'] if to else ['in', 'in', 'à'], town
    return ['zu', 'to', 'à'] if to else ['in', 'in', 'dans'], noun_phrase(rng, ['place'])

def draw(rng):
    """What a sentence says: a dict of one main clause or two; realise(draw(rng), 'de') puts it into words."""
    size, more = 1, 0.8 if rng.random() < 0.03 else 0.25
    while rng.random() < more and size < 13:
        size += 1
    if size > 1 and rng.random() < 0.2:
        left = 1 + int(rng.random() * (size - 1))
        join = pick(rng, [['und', 'and', 'et'], ['aber', 'but', 'mais']])
        return dict(clauses=[clause(rng, left, main=True), clause(rng, size - left, main=True)], join=join)
    c = clause(rng, size, main=True)
    plain = 'front' not in c and not c.get('first') and c.get('aux') is not MODALS[3]
    return dict(clauses=[c], ask=plain and rng.random() < 0.1)

# -----------------------------------------------------------------------------
# realise: how it is said in German, English or French

def say(np, lang, case=0):
    """A noun phrase; case: 0 nominative, 1 accusative, 2 dative."""
    if 'text' in np:
        return np['text'][LANGS.index(lang)]
    many, fem, german, chosen = np['many'], np['fem'], lang == 'de', np.get('adjectives', ())
    if 'which' in np:
        who = ('whom' if case else 'who') if np['cls'] == 'human' else 'that'
        return dict(de='d' + ENDINGS['the'][case][np['gender']], en=who, fr='que' if case else 'qui')[lang]
    article, its, adj, en, *fr = np['det']
    noun = np['noun'][lang][many]
    if german:
        gender = np['gender']
        words = [article + ENDINGS[its][case][gender]]
        words += [a['stem'] + ENDINGS[adj][case][gender] for a in chosen]
        words.append(noun[case])
    elif lang == 'en':
        words = [en, *[a['en'] for a in chosen], noun]
    else:
        vowel = not many and not fem and noun[0] in 'aeiouhéèêâîôœ'
        forms = [(a['vowel'] if vowel and a['before'] else a['fr'][many][fem], a['before']) for a in chosen]
        before, after = [form for form, b in forms if b], [form for form, b in forms if not b]
        words = ['de' if before and fr[0] == 'des' else fr[fem], *before, noun, *after]
    if 'of' in np:
        words += [dict(de='von', en='of', fr='de')[lang], say(np['of'], lang)]
    if 'clause' in np and case == 0:
        words += [',' * german, tell(np['clause'], lang, 'sub'), ',' * german]
    return ' '.join(filter(None, words))

def tell(c, lang, kind=''):
    """A clause: its slots filled by the rules of the language, and put in order; kind: '', sub or ask."""
    verb, subject, many, past = c['verb'][lang], c['subject'], c['subject']['many'], c['tense'] == 'past'
    s = {slot: c[slot][LANGS.index(lang)] for slot in ('not', 'often', 'time', 'front') if slot in c}
    if 'aux' in c:
        s['finite'], s['rest'] = c['aux'][lang][many], verb['inf']
    elif lang == 'en' and ('not' in c or kind == 'ask'):
        s['finite'], s['rest'] = 'did' if past else ['does', 'do'][many], verb['inf']
    elif lang == 'en':
        s['rest'] = verb['past'] if past else verb['now'][many]
    elif past:
        s['finite'], s['rest'] = HAVE[verb['go']][lang][many], verb['past']
    elif kind == 'sub':
        s['finite'] = verb['prefix'] + verb['now'][many]
    else:
        s['finite'], s['rest'] = verb['now'][many], verb['prefix']
    s['subject'], s['object'] = say(subject, lang), verb['prep']
    if 'object' in c:
        text = say(c['object'], lang, verb['case'] if lang == 'de' else 1)
        if 'which' in c['object']:
            s['which'] = text
        else:
            s['object'] = (verb['prep'] + ' ' + text).strip()
    if 'recipient' in c:
        s['recipient'] = dict(de='', en='to ', fr='à ')[lang] + say(c['recipient'], lang, 2)
    if 'where' in c:
        s['where'] = c['where'][0][LANGS.index(lang)] + ' ' + say(c['where'][1], lang, 2)
    if 'adjective' in c:
        s['is'] = c['adjective'][lang] if lang != 'fr' else c['adjective']['fr'][many][subject['fem']]
    if lang == 'fr':
        agree = subject if verb['go'] else c['object'] if 'which' in s else None
        if past and agree and 'aux' not in c:                   # elles sont venues, la lettre qu'il a lue
            s['rest'] += 'e' * agree['fem'] + 's' * (agree['many'] and (agree['fem'] or s['rest'][-1] != 's'))
        s['ne'] = 'ne' if 'not' in c else ''
        s['front'] = 'est-ce que' if kind == 'ask' else s.get('front', '')
    comma, after = ', ' if lang == 'de' else '', []
    if 'front' in c and lang != 'de':
        s['front'] += ' ,'
    if 'clause' in c.get('object', ()):
        after = [comma, tell(c['object']['clause'], lang, 'sub')]
    if 'that' in c:
        after = [comma, dict(de='dass', en='that', fr='que')[lang], tell(c['that'], lang, 'sub')]
    if 'side' in c:
        side = c['join'][LANGS.index(lang)] + ' ' + tell(c['side'], lang, 'sub')
        if c['first']:
            s['front'] = side + ' ,'
        else:
            after += [comma, side]
    if lang == 'de' and kind == '' and 'front' not in s:
        s['front'] = s.pop('subject')
    slots = ORDER.get(lang + ' ' + kind) or ORDER[lang]
    return ' '.join(filter(None, [s.get(slot) for slot in slots] + after))

def realise(tree, lang):
    """A sentence in 'de', 'en' or 'fr'."""
    ask = tree.get('ask')
    text = tell(tree['clauses'][0], lang, 'ask' if ask else '')
    if 'join' in tree:
        text += ' , ' + tree['join'][LANGS.index(lang)] + ' ' + tell(tree['clauses'][1], lang)
    for pattern, replacement in SOUNDS[lang]:
        text = regex.sub(pattern, replacement, text)
    text = regex.sub('[ ,]*,', ',', text).replace('  ', ' ').rstrip(', ')
    return text[0].upper() + text[1:] + (' ' * (lang == 'fr') + '?' if ask else '.')

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
    need_languages('the toy corpus', LANGS)
    if toy_pairs < 1:
        fail('--toy_pairs is at least 1')
    rng = random.Random(seed)
    trees = (draw(rng) for _ in range(10 * toy_pairs + 10000))      # an end, whatever the filter drops
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
