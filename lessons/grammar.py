"""
A toy corpus without a download: sample a meaning once, realise it in German, English and French by rule.

    python lessons/grammar.py                       some sentences in three languages, side by side

sample_tree(rng) returns what is said, as a tree of dicts that belongs to no language: a subject, a verb, an object.
realise(tree, 'de') says it in 'de', 'en' or 'fr', with that language's word order, cases, agreement and elisions.
So all sentences of one tree are translations of one another, and there are as many as one wants.
"""
import collections, random

import regex

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
human,animal intransitive: schlafen/geschlafen/schläft sleep/slept dormir/dormi/dort/dorment | tanzen dance danser
  spielen play jouer | *springen/gesprungen/springt jump sauter | *fallen/gefallen/fällt fall/fell *tomber
  human intransitive: lachen laugh rire/ri/rit/rient | weinen cry pleurer | singen/gesungen/singt sing/sang chanter
  arbeiten work travailler | kochen cook cuisiner | *ab+reisen depart *partir/parti/part/partent
  lächeln smile sourire/souri/sourit/sourient | *an+kommen/gekommen/kommt arrive *arriver
  human,animal motion: *rennen/gerannt/rennt run/ran courir/couru/court/courent
  *gehen/gegangen/geht go/went *aller/allé/va/vont | human motion: *zurück+kehren return *retourner
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
  schicken send/sent envoyer//envoie | human complement: sagen say/said dire/dit/dit/disent | träumen dream rêver
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
singular: d the weak the le la | ein mixed own a un une | mein mixed own my mon ma
  unser mixed own our notre notre | dies strong weak this ce cette | jed strong weak every chaque chaque
plural: d the weak the les les | _ none strong _ des des | mein mixed own my mes mes
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
adverb past: oft often souvent | endlich finally enfin | plötzlich suddenly soudain
  heimlich secretly secrètement
adverb present: oft often souvent | immer always toujours | manchmal sometimes parfois | selten rarely rarement
conjunction past: weil because parce_que | als when quand | sobald as_soon_as dès_que
conjunction present: weil because parce_que | wenn if si | während while pendant_que | auch_wenn even_if même_si
conjunction future: weil because parce_que | wenn if si | auch_wenn even_if même_si
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
de present: ([dt])en$>\1et e?n$>t
en past: ([^aeiou])y$>\1ied e$>ed $>ed
en present: ([^aeiou])y$>\1ies (s|x|ch|sh|[gt]o)$>\1es $>s
fr past: er$>é ir$>i re$>u
fr present: er$>e ir$>it re$>
fr present plural: e$>ent it$>issent $>ent
fr plural: al$>aux eau$>eaux ([sxz])$>\1 $>s
fr feminine: e$>e eux$>euse f$>ve er$>ère $>e
'''
# word order: the slots of a clause, those that are empty left out
ORDER = '''
de: front finite subject time adverb recipient object negation predicate place rest
de subordinate: relative subject time adverb recipient object negation predicate place rest finite
en: relative front subject finite negation adverb rest object recipient predicate place time
en question: finite subject negation adverb rest object recipient predicate place time
fr: relative front subject ne finite negation adverb rest object recipient predicate place time
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
    return dict(gender=['der', 'die', 'das'].index(article), feminine=le == 'la',
                en=[en, ens or inflect(en, 'en present')], fr=[fr, frs or inflect(fr, 'fr plural')],
                de=[[de, one, one], [many, many, many if many[-1] in 'ns' else many + 'n']])

def make_adjective(de, en, fr):
    (de, _, stem), (m, f, vowel) = de.partition('/'), (fr.lstrip('<').split('/') + ['', ''])[:3]
    f = f or inflect(m, 'fr feminine')
    return dict(de=de, stem=stem or de.rstrip('e'), en=en, before_noun=fr[0] == '<', before_vowel=vowel or m,
                fr=[[m, f], [inflect(m, 'fr plural'), f + 's']])

def make_verb(*words):                      # for each language the forms, and what goes with them
    verb = {}
    for lang, word in zip(LANGS, words):
        core, _, prep = word.lstrip('*').partition('_')
        (prep, _, case), (prefix, _, core) = prep.partition(':'), core.rpartition('+')
        inf, past, one, many = (core.split('/') + ['', '', ''])[:4]
        past, one = past or inflect(inf, lang + ' past'), one or inflect(inf, lang + ' present')
        many = many or (inflect(one, 'fr present plural') if lang == 'fr' else inf)
        verb[lang] = dict(infinitive=prefix + inf, past=prefix + past, present=[one, many], takes_be=word[0] == '*',
                          prefix=prefix, preposition=prep.replace('_', ' '), case='NAD'.index(case or 'A'))
    return verb

def make_frames(table):                     # (subject, kind of object) -> [(objects, verb)]
    frames = collections.defaultdict(list)
    for head, fields in rows(table):
        subjects, objects = head.split()
        kind = 'ditransitive' if '+' in objects else 'transitive'
        kind = objects if objects in ('intransitive', 'motion', 'complement') else kind
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
BEING = dict.fromkeys(LANGS, dict(infinitive='', prefix='', preposition='', case=1, takes_be=False))

# -----------------------------------------------------------------------------
# sampling: what is said

def choose(rng, things):
    return things[int(rng.random() * len(things))]

def sample_name(rng, known, ends):                 # a few are invented, so that there are words to be unknown
    if rng.random() > 0.04:
        return [choose(rng, known)] * 3
    word = ''.join(choose(rng, SYLLABLES) for _ in range(choose(rng, [2, 2, 3])))
    return [word.rstrip('aeiou').capitalize() + choose(rng, ends)] * 3

def sample_person(rng):
    fem = rng.random() < 0.5
    text = sample_name(rng, WOMEN, ['a', 'ina', 'ika']) if fem else sample_name(rng, MEN, ['o', 'an', 'us', 'ek'])
    return dict(text=text, semantic_class='human', feminine=fem, plural=0, pronoun=int(fem))

def pronoun(who, fem):                      # 0 he, 1 she, 2 they
    text = PHRASES['pronoun'][who + (who == 2 and fem)]
    return dict(text=text, semantic_class='human', feminine=fem, plural=int(who == 2), pronoun=who)

def sample_phrase(rng, kind):                      # a phrase in three languages, its MONTH, DAY ... filled in
    chosen = choose(rng, PHRASES[kind])
    for slot in regex.findall('[A-Z]{3,}', chosen[0]):
        chosen = [text.replace(slot, word) for text, word in zip(chosen, choose(rng, PHRASES[slot]))]
    return chosen

def noun_phrase(noun, semantic_class, determiner, plural=0):
    """A noun and its determiner; gender: 0 masculine, 1 feminine, 2 neuter, 3 the plural of all."""
    return dict(noun=noun, semantic_class=semantic_class, determiner=determiner, plural=plural,
                feminine=noun['feminine'], gender=3 if plural else noun['gender'])

def sample_noun_phrase(rng, classes, size=0, subject=False):
    cls = choose(rng, classes)
    if cls == 'human' and rng.random() < 0.3:
        return sample_person(rng)
    family = cls == 'human' and rng.random() < 0.2
    noun = choose(rng, NOUNS['kin' if family else cls])
    single = cls in ('mass', 'drink', 'place') or noun['en'][0] in ('mother', 'father')
    many = int(not single and rng.random() < (0.1 if family else 0.3))
    dets = DETERMINERS['mass' if cls in ('mass', 'drink') else 'plural' if many else 'singular']
    choices = len(dets) - (not subject and not many)        # the last of one is every, for subjects only
    det = choose(rng, dets[2:4]) if family else dets[int(choices * rng.random() ** 2)]
    if cls == 'human' and not family and det in dets[2:4]:          # my aunt, but no: my woman
        det = dets[0]
    np = noun_phrase(noun, cls, det, many)
    if family and rng.random() < 0.4:       # the sister of Paul
        np.update(determiner=dets[0], possessor=sample_person(rng))
    elif rng.random() < 0.4 and cls in ADJECTIVES:
        one, two = choose(rng, ADJECTIVES[cls]), choose(rng, ADJECTIVES[cls])
        np['adjectives'] = [one, two] if one['before_noun'] > two['before_noun'] and rng.random() < 0.5 else [one]
    if cls == 'human' and (many or noun['gender'] < 2):
        np['pronoun'] = 2 if many else noun['gender']
    if size:
        np['relative_clause'] = sample_relative_clause(rng, np, size)
    return np

def sample_relative_clause(rng, np, size):                # the man who reads, the book that the man reads
    if np['semantic_class'] in ('human', 'animal'):
        return sample_clause(rng, size, dict(np, relativised=True))
    objects, verb = choose(rng, [f for f in FRAMES['human', 'transitive'] if np['semantic_class'] in f[0]])
    return dict(subject=sample_noun_phrase(rng, ['human']), verb=verb, object=dict(np, relativised=True), tense='past')

def sample_clause(rng, size, subject=None, tense=None, main=False):
    """A verb and all that belongs to it, as a dict; size: how many clauses it may be, itself included."""
    c, size = {}, size - 1
    tense = c['tense'] = tense or choose(rng, ['past', 'past', 'present', 'future'])
    cls = subject['semantic_class'] if subject else 'animal' if rng.random() < 0.15 else 'human'
    kind = choose(rng, ['intransitive', 'motion', 'transitive', 'transitive', 'transitive', 'ditransitive', 'copula'])
    if kind == 'ditransitive' and cls == 'animal' or kind == 'copula' and tense == 'future':
        kind = 'transitive'
    if size and cls == 'human' and rng.random() < 0.45:
        kind = 'complement'
    if not subject:
        spend = int(main and size > 1 and rng.random() < 0.3)
        size -= spend
        if kind == 'copula':
            cls = choose(rng, 'human human animal thing vehicle place text idea box clothes'.split())
        subject = sample_noun_phrase(rng, [cls], spend, True)
        if cls == 'human' and not spend and rng.random() < 0.1:
            subject = choose(rng, [pronoun(0, False), pronoun(1, True), pronoun(2, False)])
    c['subject'] = subject
    if kind == 'copula':
        c.update(verb=BEING, auxiliary=BE[tense], adjective=choose(rng, ADJECTIVES[cls]))
    else:
        objects, c['verb'] = choose(rng, FRAMES[cls, kind])
        if tense == 'present' and c['verb']['en']['past'] == c['verb']['en']['infinitive']:
            tense = c['tense'] = 'past'     # they read: now or then?
        if tense == 'future':
            c['auxiliary'] = choose(rng, MODALS)
    if kind in ('transitive', 'ditransitive'):
        spend = size if kind == 'transitive' and rng.random() < 0.5 else 0
        c['object'], size = sample_noun_phrase(rng, objects, spend), size - spend
    if kind == 'ditransitive':
        c['recipient'] = sample_noun_phrase(rng, ['human'])
    if kind == 'complement':
        c['complement'], size = sample_clause(rng, size, tense='past' if tense == 'past' else None), 0
    heavy = 'complement' in c or 'relative_clause' in c.get('object', ())
    if kind == 'motion' or not heavy and kind != 'copula' and rng.random() < (0.5 if kind == 'intransitive' else 0.25):
        c['place'] = sample_place(rng, kind == 'motion')
    dets = [np['determiner'][0] for np in (subject, c.get('object', {})) if 'determiner' in np]
    vague = {'', 'ein', 'einig', 'viel', 'jed', 'all'}.intersection(dets)
    if tense != 'future' and not vague and rng.random() < 0.15:     # not, where it is clear what it denies
        c['negation'] = ['nicht', 'not', 'pas']
    elif tense != 'future' and kind != 'copula' and rng.random() < 0.15:
        c['adverb'] = sample_phrase(rng, 'adverb ' + tense)
    if rng.random() < 0.4:
        time = sample_phrase(rng, tense if rng.random() < 0.5 else 'any')
        if main and (heavy or rng.random() < 0.5):
            c['front'] = sample_phrase(rng, 'comment') if rng.random() < 0.2 else time
        elif not heavy:
            c['time'] = time
    if size:
        c['conjunction'] = sample_phrase(rng, 'conjunction ' + tense)
        c['subordinate_first'] = main and 'front' not in c and rng.random() < 0.35
        same = 'pronoun' in subject and not c['subordinate_first'] and rng.random() < 0.6
        c['subordinate'] = sample_clause(rng, size, pronoun(subject['pronoun'], subject['feminine']) if same else None,
                           'past' if tense == 'past' else None if c['conjunction'][0] == 'weil' else 'present')
    return c

def sample_place(rng, to):
    if rng.random() < 0.3:
        town = dict(text=sample_name(rng, TOWNS, ['sund', 'burg', 'feld', 'ville', 'grad']))
        return ['nach', 'to', 'à'] if to else ['in', 'in', 'à'], town
    return ['zu', 'to', 'à'] if to else ['in', 'in', 'dans'], sample_noun_phrase(rng, ['place'])

def sample_tree(rng):
    """What a sentence says: a dict of one main clause or two; realise(sample_tree(rng), 'de') puts it into words."""
    size, more = 1, 0.8 if rng.random() < 0.03 else 0.25
    while rng.random() < more and size < 13:
        size += 1
    if size > 1 and rng.random() < 0.2:
        left = 1 + int(rng.random() * (size - 1))
        join = choose(rng, [['und', 'and', 'et'], ['aber', 'but', 'mais']])
        return dict(clauses=[sample_clause(rng, left, main=True), sample_clause(rng, size - left, main=True)], conjunction=join)
    c = sample_clause(rng, size, main=True)
    plain = 'front' not in c and not c.get('subordinate_first') and c.get('auxiliary') is not MODALS[3]
    return dict(clauses=[c], question=plain and rng.random() < 0.1)

# -----------------------------------------------------------------------------
# realise: how it is said in German, English or French

def realise_noun_phrase(np, lang, case=0):
    """A noun phrase; case: 0 nominative, 1 accusative, 2 dative."""
    if 'text' in np:
        return np['text'][LANGS.index(lang)]
    many, fem, german, chosen = np['plural'], np['feminine'], lang == 'de', np.get('adjectives', ())
    if 'relativised' in np:
        who = ('whom' if case else 'who') if np['semantic_class'] == 'human' else 'that'
        return dict(de='d' + ENDINGS['the'][case][np['gender']], en=who, fr='que' if case else 'qui')[lang]
    article, its, adj, en, *fr = np['determiner']
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
        forms = [(a['before_vowel'] if vowel and a['before_noun'] else a['fr'][many][fem], a['before_noun']) for a in chosen]
        before, after = [form for form, b in forms if b], [form for form, b in forms if not b]
        words = ['de' if before and fr[0] == 'des' else fr[fem], *before, noun, *after]
    if 'possessor' in np:
        words += [dict(de='von', en='of', fr='de')[lang], realise_noun_phrase(np['possessor'], lang)]
    if 'relative_clause' in np and case == 0:
        words += [',' * german, realise_clause(np['relative_clause'], lang, 'subordinate'), ',' * german]
    return ' '.join(filter(None, words))

def realise_clause(c, lang, kind=''):
    """A clause: its slots filled by the rules of the language, and put in order; kind: '', sub or ask."""
    verb, subject, many, past = c['verb'][lang], c['subject'], c['subject']['plural'], c['tense'] == 'past'
    s = {slot: c[slot][LANGS.index(lang)] for slot in ('negation', 'adverb', 'time', 'front') if slot in c}
    if 'auxiliary' in c:
        s['finite'], s['rest'] = c['auxiliary'][lang][many], verb['infinitive']
    elif lang == 'en' and ('negation' in c or kind == 'question'):
        s['finite'], s['rest'] = 'did' if past else ['does', 'do'][many], verb['infinitive']
    elif lang == 'en':
        s['rest'] = verb['past'] if past else verb['present'][many]
    elif past:
        s['finite'], s['rest'] = HAVE[verb['takes_be']][lang][many], verb['past']
    elif kind == 'subordinate':
        s['finite'] = verb['prefix'] + verb['present'][many]
    else:
        s['finite'], s['rest'] = verb['present'][many], verb['prefix']
    s['subject'], s['object'] = realise_noun_phrase(subject, lang), verb['preposition']
    if 'object' in c:
        text = realise_noun_phrase(c['object'], lang, verb['case'] if lang == 'de' else 1)
        if 'relativised' in c['object']:
            s['relative'] = text
        else:
            s['object'] = (verb['preposition'] + ' ' + text).strip()
    if 'recipient' in c:
        s['recipient'] = dict(de='', en='to ', fr='à ')[lang] + realise_noun_phrase(c['recipient'], lang, 2)
    if 'place' in c:
        s['place'] = c['place'][0][LANGS.index(lang)] + ' ' + realise_noun_phrase(c['place'][1], lang, 2)
    if 'adjective' in c:
        s['predicate'] = c['adjective'][lang] if lang != 'fr' else c['adjective']['fr'][many][subject['feminine']]
    if lang == 'fr':
        agree = subject if verb['takes_be'] else c['object'] if 'relative' in s else None
        if past and agree and 'auxiliary' not in c:                   # elles sont venues, la lettre qu'il a lue
            s['rest'] += 'e' * agree['feminine'] + 's' * (agree['plural'] and (agree['feminine'] or s['rest'][-1] != 's'))
        s['ne'] = 'ne' if 'negation' in c else ''
        s['front'] = 'est-ce que' if kind == 'question' else s.get('front', '')
    comma, after = ', ' if lang == 'de' else '', []
    if 'front' in c and lang != 'de':
        s['front'] += ' ,'
    if 'relative_clause' in c.get('object', ()):
        after = [comma, realise_clause(c['object']['relative_clause'], lang, 'subordinate')]
    if 'complement' in c:
        after = [comma, dict(de='dass', en='that', fr='que')[lang], realise_clause(c['complement'], lang, 'subordinate')]
    if 'subordinate' in c:
        side = c['conjunction'][LANGS.index(lang)] + ' ' + realise_clause(c['subordinate'], lang, 'subordinate')
        if c['subordinate_first']:
            s['front'] = side + ' ,'
        else:
            after += [comma, side]
    if lang == 'de' and kind == '' and 'front' not in s:
        s['front'] = s.pop('subject')
    slots = ORDER.get(lang + ' ' + kind) or ORDER[lang]
    return ' '.join(filter(None, [s.get(slot) for slot in slots] + after))

def realise(tree, lang):
    """A sentence in 'de', 'en' or 'fr'."""
    ask = tree.get('question')
    text = realise_clause(tree['clauses'][0], lang, 'question' if ask else '')
    if 'conjunction' in tree:
        text += ' , ' + tree['conjunction'][LANGS.index(lang)] + ' ' + realise_clause(tree['clauses'][1], lang)
    for pattern, replacement in SOUNDS[lang]:
        text = regex.sub(pattern, replacement, text)
    text = regex.sub('[ ,]*,', ',', text).replace('  ', ' ').rstrip(', ')
    return text[0].upper() + text[1:] + (' ' * (lang == 'fr') + '?' if ask else '.')


if __name__ == '__main__':
    rng = random.Random()
    for tree in [sample_tree(rng) for _ in range(8)]:
        print(*(f'{lang}  {realise(tree, lang)}' for lang in LANGS), sep='\n', end='\n\n')
