"""
From a corpus to data/: pairs of sentences that translate each other, fetched, cleaned and counted.

    python prepare.py                           WMT19 German-English; without a network the toy corpus
    python prepare.py --dataset=multi30k --target_lang=fr --data_dir=data/multi30k
    python prepare.py --dataset=tatoeba --source_lang=en --target_lang=de --data_dir=data/tatoeba
    python prepare.py --dataset=files --train_source=my.de.gz --train_target=my.en.gz

Writes data/{train,valid,test}.LANG, UTF-8 and one sentence a line, and data/meta.json: what was read, dropped
and kept. Downloads stay in data/downloads/: one that was cut off goes on, one that is whole is not repeated.
"""
import collections, contextlib, gzip, heapq, itertools, json, os, queue, random, sys, tarfile
import threading, time, urllib.parse, zipfile, zlib

import requests
import regex

from tokenizer import checksum, decode_lines, fail, fingerprint, normalise, override, read_lines, replacing
from tokenizer import settings

# -----------------------------------------------------------------------------
# config
dataset = 'auto'            # auto (wmt19, without a network toy) | wmt19 | multi30k | tatoeba | toy | files
source_lang = 'de'          # translate from this language ...
target_lang = 'en'          # ... into this one
data_dir = 'data'           # the folder to fill
corpora = 'europarl_v9,newscommentary_v14'  # the parts of wmt19 to train on, or all
max_pairs = 2000000         # training pairs at the most, 0: no limit
min_len = 1                 # words, by white space, that each side of a training pair has at least ...
max_len = 128               # ... and at the most
max_ratio = 2.5             # words of the longer side to words of the shorter, judged from 10 words on
toy_pairs = 50000           # training pairs of the toy corpus
mirror = ''                 # a folder or an http address in which DATASET/FILE lies, tried before the origin
verify = True               # compare sizes and checksums where they are known
train_source = ''           # for files: one sentence a line, .gz allowed
train_target = ''           # for files: the translation of train_source, line by line
valid_source = ''           # for files: if not given, validation pairs are drawn from the training pairs
valid_target = ''           # for files: the translation of valid_source
test_source = ''            # for files: if not given, test pairs are drawn from the training pairs
test_target = ''            # for files: the translation of test_source
seed = 1337                 # of everything that is drawn
# -----------------------------------------------------------------------------
# what there is: each file's origin, its bytes and its sha256 (or md5), where these are known

CORPORA = {'europarl_v9': 'europarl-v9.de-en.tsv.gz',
           'newscommentary_v14': 'news-commentary-v14.de-en.tsv.gz'}
FILES = {
    'wmt19/europarl-v9.de-en.tsv.gz': (
        'https://www.statmt.org/europarl/v9/training/europarl-v9.de-en.tsv.gz', 204454328,
        'c2aef75d81bf06b22e4a9237319c1d53ba9668a13cb155c6b1361182cd3abc84'),
    'wmt19/news-commentary-v14.de-en.tsv.gz': (
        'https://data.statmt.org/news-commentary/v14/training/news-commentary-v14.de-en.tsv.gz', 39390551,
        '8aaa98a77d38bd39dcbdbcb775f3b6c633700e4c10fd915cf3dc6b9bfd0f2dca'),
    'wmt19/dev.tgz': (
        'https://data.statmt.org/wmt19/translation-task/dev.tgz', 38654961,
        '7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7'),
    'wmt19/test.tgz': (
        'https://data.statmt.org/wmt19/translation-task/test.tgz', 0, '84de7162d158e28403103b01aeefc39a'),
    'tatoeba/deu-eng.zip': ('https://www.manythings.org/anki/deu-eng.zip', 0, ''),     # these two grow
    'tatoeba/fra-eng.zip': ('https://www.manythings.org/anki/fra-eng.zip', 0, '')}
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
NETWORK_ERRORS = requests.RequestException, requests.packages.urllib3.exceptions.HTTPError

class Unreachable(Exception):
    """Says why a file can be had nowhere."""

def explain(error):
    """A network error in a few words."""
    signs = {'resol|not known|getaddrinfo': 'host name not found', 'refused': 'connection refused',
             'roxy': 'the proxy refuses', 'CERTIFICATE': 'certificate not trusted', 'timed out': 'no answer',
             'nreachable|No route': 'no way there', 'onnection': 'the connection broke'}
    for sign, meaning in signs.items():
        if regex.search(sign, str(error)):
            return meaning
    return type(error).__name__

def probe(choices, seconds=15):
    """
    Ask for all urls at once, until it is clear for each list of `choices` which is the first that can be had.
    Returns {url: '' or why it is not to be had, None if nobody waited for it}. The threads are left behind
    where a firewall that drops packets or a name server that hangs holds them up.
    """
    answers, deadline = queue.Queue(), time.monotonic() + seconds
    def ask(url):
        try:
            status = requests.head(url, headers=HEADERS, timeout=seconds, allow_redirects=True).status_code
            there = status < 400 or status >= 500 or status in (405, 429)   # if only busy, download() waits
            answers.put((url, '' if there else f'HTTP {status}'))
        except NETWORK_ERRORS as error:
            answers.put((url, explain(error)))
    heard = dict.fromkeys(sum(choices, []))
    for url in heard:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    def open_still(urls):                           # the first of those that have not failed has not answered
        return next((heard[url] for url in urls if not heard[url]), '') is None
    while any(map(open_still, choices)):
        try:
            heard.update([answers.get(timeout=max(deadline - time.monotonic(), 0))])
        except queue.Empty:
            return {url: f'no answer in {seconds} s' if why is None else why for url, why in heard.items()}
    return heard

def download(url, part, tries=5):
    """Fetch what the file `part` still lacks of the url; returns '' or why it is not whole."""
    print(f'fetching {url}', flush=True)
    tag = f'{part}.tag'                             # the server's name for this version of the file
    for attempt in range(tries):
        time.sleep(2 ** attempt - 1)
        version = next(read_lines(tag), '') if os.path.exists(tag) and os.path.exists(part) else ''
        begin = os.path.getsize(part) if version else 0
        rest = {'Range': f'bytes={begin}-', 'If-Range': version} if begin else {}
        try:
            with requests.get(url, headers={**HEADERS, **rest}, stream=True, timeout=(20, 60)) as response:
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
                    with open(tag, 'w') as file:
                        file.write(got.get('Last-Modified', '') if etag.startswith('W/') else etag)
                    with open(part, 'ab' if begin else 'wb') as file:
                        blocks = iter(lambda: response.raw.read(1 << 16, decode_content=False), b'')
                        for block in show_progress(blocks, url.rpartition('/')[2], begin, size):
                            file.write(block)
                    if not size or os.path.getsize(part) == size:
                        return ''
                    why_not = 'the connection broke'
                elif status < 500 and status != 429:
                    return why_not
        except NETWORK_ERRORS as error:
            why_not = explain(error)
    return f'{why_not}, {tries} times'

def show_progress(blocks, name, done, size):
    """Hand the blocks on and tell how far we are: in a line that moves on a terminal, else twice a minute."""
    terminal, begin, start = sys.stdout.isatty(), done, time.monotonic()
    told = start
    for block in blocks:
        yield block
        done, now = done + len(block), time.monotonic()
        if done == size or now - told > (0.2 if terminal else 30):
            told, speed = now, (done - begin) / max(now - start, 0.001)
            of = f' of {size / 1e6:.1f} MB, {(size - done) / speed:.0f} s left' if size else ' MB'
            print(f'  {name}: {done / 1e6:.1f}{of}, {speed / 1e6:.1f} MB/s'.ljust(79 * terminal),
                  end='\r' if terminal and done != size else '\n', flush=True)

def unlike(path, size, digest):
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
        elif wrong := unlike(path, size, digest):
            fail(f'{path}: {wrong}. Delete or replace it, or take it as it is with --verify=false')
    heard = probe(list(urls.values()))
    if any(all(heard[url] for url in choice) for choice in urls.values()):
        reasons = [f'{mirror} has no {name}' for name in urls if mirror and not online]
        reasons += [f'{urllib.parse.urlsplit(url).netloc}: {why}' for url, why in heard.items() if why]
        raise Unreachable('; '.join(dict.fromkeys(reasons)))
    for name, choice in urls.items():
        path, part, (origin, size, digest) = paths[name], f'{paths[name]}.part', FILES[name]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for url in choice:
            heard[url] = heard[url] or download(url, part)
            if not heard[url]:                      # it is whole, but is it right?
                heard[url] = unlike(part, size, digest)
                os.remove(f'{part}.tag')
                if not heard[url]:
                    os.replace(part, path)
                    break
                os.remove(part)
        else:
            fail('could not fetch ' + '; '.join(f'{url}: {heard[url]}' for url in choice)
                 + f'. Run this again to go on, or fetch it by hand:  curl -L -o {path} {origin}')
    return list(paths.values())

# -----------------------------------------------------------------------------
# reading: each layout as a stream of (source, target), with nothing unpacked to disk

@contextlib.contextmanager
def opened(path, member):
    """A file, a .gz, or one member of an archive, to read bytes from."""
    with contextlib.ExitStack() as stack:
        if path.endswith('.tgz'):
            archive = stack.enter_context(tarfile.open(path, 'r|gz'))
            found = next((info for info in archive if info.name == member), None)
            file = found and archive.extractfile(found)
        elif path.endswith('.zip'):
            archive = stack.enter_context(zipfile.ZipFile(path))
            found = next((name for name in archive.namelist() if name.rpartition('/')[2] == member), None)
            file = found and stack.enter_context(archive.open(found))
        else:
            file = stack.enter_context((gzip.open if path.endswith('.gz') else open)(path, 'rb'))
        yield file or fail(f'{path} holds no {member}, or is damaged: delete or replace it')

def lines_of(path, member=''):
    """tokenizer.read_lines(), for packed files too."""
    empty = True
    try:
        with opened(path, member) as file:
            for line in decode_lines(file, path):
                empty = False
                yield line
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        fail(f'{path} is damaged ({error}): delete or replace it')
    except OSError as error:
        fail(f'cannot read {path}: {error.strerror}')
    if empty:
        fail(f'{path} is empty')

def segments_of(path, member):
    """The segments of an SGM file, as sacrebleu takes them: no XML parser, since it is no valid XML."""
    for line in lines_of(path, member):
        if line.startswith('<seg '):
            yield regex.sub(r'<seg.*?>(.*)</seg>.*?', r'\1', line)

def columns(lines, langs):
    """Pairs from lines of which column n is langs[n]. Not with csv, since a quote here is only a quote."""
    source, target = langs.index(source_lang), langs.index(target_lang)
    for line in lines:
        cells = line.split('\t') + ['']
        yield cells[source], cells[target]

def parallel(read, source, target):
    """Pairs of two files, (path,) or (archive, member), in which line n translates line n."""
    sources, targets = read(*source), read(*target)
    for number, pair in enumerate(itertools.zip_longest(sources, targets)):
        if None in pair:
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

def wmt19():
    """News and parliament. Validation is newstest2018, test is newstest2019."""
    need_languages('wmt19', ['de', 'en'])
    chosen = list(CORPORA) if corpora == 'all' else corpora.split(',')
    for corpus in chosen:
        if corpus not in CORPORA:
            fail(f'--corpora has no {corpus!r}: it can be all, or some of {",".join(CORPORA)}')
    names = [CORPORA[corpus] for corpus in chosen] + ['dev.tgz', 'test.tgz']
    *paths, dev, test = fetch([f'wmt19/{name}' for name in names])
    sides = [{'de': 'src.de', 'en': 'ref.en'}[lang] for lang in (source_lang, target_lang)]
    return ({corpus: columns(lines_of(path), ['de', 'en']) for corpus, path in zip(chosen, paths)},
            parallel(segments_of, *((dev, f'dev/newstest2018-deen-{side}.sgm') for side in sides)),
            parallel(segments_of, *((test, f'sgm/newstest2019-deen-{side}.sgm') for side in sides)))

def multi30k():
    """What can be seen in 31,014 photographs, a sentence each: small, clean and easy."""
    need_languages('multi30k', ['de', 'en', 'fr', 'cs'])
    paths = fetch([f'multi30k/{split}.{lang}.gz' for split in ('train', 'val', 'test_2016_flickr')
                   for lang in (source_lang, target_lang)])
    pairs = zip(paths[::2], paths[1::2])
    train, valid, test = (parallel(lines_of, (source,), (target,)) for source, target in pairs)
    return {'multi30k': train}, valid, test

def tatoeba():
    """Everyday sentences, short, many of them with several translations."""
    need_languages('tatoeba', ['en', 'de', 'fr'])
    if 'en' not in (source_lang, target_lang):
        fail('tatoeba pairs other languages with English only: --source_lang or --target_lang must be en')
    other = target_lang if source_lang == 'en' else source_lang
    code = {'de': 'deu', 'fr': 'fra'}[other]
    path, = fetch([f'tatoeba/{code}-eng.zip'])
    pairs = list(columns(lines_of(path, f'{code}.txt'), ['en', other]))
    return {'tatoeba': pairs}, *hold_out(pairs)

def files():
    """The reader's own text."""
    given = {'train': (train_source, train_target), 'valid': (valid_source, valid_target),
             'test': (test_source, test_target)}
    for split, (source, target) in given.items():
        if bool(source) != bool(target) or split == 'train' and not source:
            fail(f'--dataset=files needs --{split}_source=... and --{split}_target=...')
    def pairs(split):
        source, target = given[split]
        return parallel(lines_of, (source,), (target,))
    splits = {split: pairs(split) for split, (source, target) in given.items() if source}
    if len(splits) < 3:
        for split, drawn in zip(('valid', 'test'), hold_out(pairs('train'))):
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

def hold_out(pairs):
    """
    Draw pairs for validation and test: a twentieth of all for each, 1,000 at the most, no sentence twice, in
    one pass that holds 20,000 pairs. The filter then drops what shares a sentence with them from training.
    """
    draw, taken, seen = random.Random(seed), [], set()
    drawn = heapq.nsmallest(20 * 1000, pairs, key=lambda pair: draw.random())
    for source, target in tidy(drawn):
        if source and target and not {source, target} & seen:
            taken.append((source, target))
            seen |= {source, target}
    size = max(len(drawn) // 20, 1)
    return taken[:size], taken[size:2 * size]

# -----------------------------------------------------------------------------
# filtering: what there is nothing to learn from, counted by reason

REASONS = ['empty', 'length', 'ratio', 'identical', 'held out', 'duplicate']

def tidy(pairs):
    """Pairs in the one form that every stage reads: NFC, single spaces, nothing invisible."""
    return ((normalise(source), normalise(target)) for source, target in pairs)

def take_turns(train):
    """(corpus, pair) from one corpus after the other, so that max_pairs takes from each."""
    streams = {corpus: tidy(pairs) for corpus, pairs in train.items()}
    while streams:
        for corpus in list(streams):
            pair = next(streams[corpus], None)
            if pair:
                yield corpus, pair
            else:
                del streams[corpus]

def reason_to_drop(source, target):
    if not source or not target:
        return 'empty'
    short, long = sorted((source.count(' ') + 1, target.count(' ') + 1))
    if short < min_len or long > max_len:
        return 'length'
    if long >= 10 and long > max_ratio * short:     # not 'Hi.' and 'Grüß Gott!', of which nothing follows
        return 'ratio'
    return 'identical' if source == target else ''

def keep_good(train, valid, test, counts):
    """Yield the training pairs that are good; counts[corpus] tells what became of all."""
    held_source, held_target = map(set, zip(*valid, *test))
    seen = set()                                    # not the pairs, 64 bits of each
    for number, (corpus, pair) in enumerate(take_turns(train)):
        reason = reason_to_drop(*pair)
        if not reason and (pair[0] in held_source or pair[1] in held_target):
            reason = 'held out'                     # the model must not have seen what it is asked later
        if not reason and hash(pair) in seen:
            reason = 'duplicate'
        counts[corpus].update(['read', reason or 'kept'])
        if not reason:
            seen.add(hash(pair))
            yield pair
        if number % 100000 == 0 and sys.stdout.isatty():
            print(f'  {number:,} pairs', end='\r', flush=True)

def keep_whole(pairs, count):
    """Validation and test pairs stay as they are, but for those with an empty side."""
    pairs = list(tidy(pairs))
    whole = [pair for pair in pairs if all(pair)]
    count.update(read=len(pairs), empty=len(pairs) - len(whole), kept=len(whole))
    return whole

# -----------------------------------------------------------------------------
# writing

def write_data(name, train, valid, test, limit):
    """Fill data_dir; returns {corpus or split: Counter}. In the end all files take their names, or none."""
    counts = {part: collections.Counter() for part in (*train, 'valid', 'test')}
    valid, test = keep_whole(valid, counts['valid']), keep_whole(test, counts['test'])
    train_pairs = itertools.islice(keep_good(train, valid, test, counts), limit or None)
    with contextlib.ExitStack() as stack:           # what was opened first is renamed last: meta.json
        def create(file):
            return stack.enter_context(replacing(f'{data_dir}/{file}', 'w', encoding='utf-8', newline='\n'))
        meta_file, written = create('meta.json'), {}
        for split, pairs in ('valid', valid), ('test', test), ('train', train_pairs):
            sides, number = {lang: create(f'{split}.{lang}') for lang in (source_lang, target_lang)}, 0
            for number, pair in enumerate(pairs, 1):
                for side, sentence in zip(sides.values(), pair):
                    side.write(sentence + '\n')
            if not number:
                parts = train if split == 'train' else [split]
                fates = sum((counts[part] for part in parts), collections.Counter())
                fates = ', '.join(f'{n:,} {why}' for why, n in fates.items() if n) or 'there were none'
                fail(f'no {split} pairs are left ({fates}): give more text, or loosen the filter')
            for lang, side in sides.items():
                side.flush()
                written[f'{split}.{lang}'] = {'sentences': number, 'fingerprint': fingerprint(side.name)}
        meta = {'dataset': name, 'source_lang': source_lang, 'target_lang': target_lang, 'files': written}
        meta['corpora'] = {corpus: {'read': counts[corpus]['read'],
                                    'dropped': {reason: counts[corpus][reason] for reason in REASONS},
                                    'kept': counts[corpus]['kept']} for corpus in train}
        meta['config'] = settings(globals())
        json.dump(meta, meta_file, indent=1, ensure_ascii=False)
    return counts

def print_report(counts):
    """What was read, dropped by reason and kept, and three pairs: at the start, after a third, after two."""
    shown = [word for word in ['read', *REASONS, 'kept'] if any(count[word] for count in counts.values())]
    print('\n' + ' ' * 18 + ''.join(f'{column:>11}' for column in shown))
    for part, count in counts.items():
        print(f'{part:<18}' + ''.join(f'{count[column]:>11,}' for column in shown))
    n = sum(count['kept'] for part, count in counts.items() if part not in ('valid', 'test'))
    pairs = zip(*(read_lines(f'{data_dir}/train.{lang}') for lang in (source_lang, target_lang)))
    for source, target in itertools.islice(pairs, 0, n // 3 * 3 or n, n // 3 or 1):
        print(f'\n  {source_lang}: {source}\n  {target_lang}: {target}')

def print_notice(reason):
    """In a frame, since the scores that follow are not those of WMT19."""
    lines = ['WMT19 COULD NOT BE REACHED', *reason.split('; '), '', 'Get online and run this again, or',
             '--mirror=...     a folder or an http address that holds wmt19/europarl-v9.de-en.tsv.gz etc.',
             '--dataset=files  your own text (python prepare.py --help)',
             *['', 'THE BUILT-IN TOY CORPUS IS MADE INSTEAD'] * (dataset == 'auto')]
    rule = '#' * (max(map(len, lines)) + 4)
    print(rule, *(f'# {line:<{len(rule) - 4}} #' for line in lines), rule, sep='\n', file=sys.stderr)

def main():
    datasets = {'wmt19': wmt19, 'multi30k': multi30k, 'tatoeba': tatoeba, 'toy': toy, 'files': files}
    name = 'wmt19' if dataset == 'auto' else dataset
    if name not in datasets:
        fail(f'--dataset={dataset}: it can be auto, {", ".join(datasets)}')
    if source_lang == target_lang or not regex.fullmatch(r'[\w-]+', source_lang + target_lang):
        fail(f'--source_lang={source_lang} --target_lang={target_lang}: take two different language codes')
    try:
        train, valid, test = datasets[name]()
    except Unreachable as reason:
        if name != 'wmt19':
            fail(f'cannot reach {name} ({reason}): get online, or give --mirror=..., or take --dataset=toy')
        print_notice(str(reason))
        if dataset != 'auto':
            raise SystemExit(2)
        name = 'toy'
        train, valid, test = toy()
    print_report(write_data(name, train, valid, test, toy_pairs if name == 'toy' else max_pairs))
    print(f'\nwrote {data_dir}/; next:  python tokenizer.py'
          + (f' --data_dir={data_dir}' if data_dir != 'data' else ''))

if __name__ == '__main__':
    override(globals())
    try:
        main()
    except KeyboardInterrupt:
        print(f'stopped: {data_dir}/ is as it was, and a download goes on next time', file=sys.stderr)
        raise SystemExit(130)
    except OSError as error:
        fail(f'{error.filename or data_dir}: {error.strerror}')
