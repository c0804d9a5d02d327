"""
A toy corpus without a download: sample a meaning once, then say it in German, English and French by rule.

    python lessons/grammar.py           some sentences in the three languages, one below the other

This is natural-language generation in its oldest form, in three steps, which are also the parts of this file:

    the lexicon             the forms of each word: der Hund, den Hund; dog, dogs; le chien, les chiens
    sample_tree(rng)        what is said, as a tree of dicts: who does what, to whom, when and why
    realise(tree, 'de')     how German says it: its word order, cases, agreement, contractions

The sentences of one tree are translations of one another. The three languages order their words differently,
which is what a translator has to learn, and there are as many sentences as one wants.
"""
import collections, random

import regex

LANGS = 'de', 'en', 'fr'
NOMINATIVE, ACCUSATIVE, DATIVE = range(3)

# -----------------------------------------------------------------------------
# the lexicon: one row for each word, in German, English and French. A row ends with | or with its line; a
# heading holds until the next one; _ stands for a space, or alone for nothing

# nouns by semantic class: the German article, noun and plural ending; English, with its plural if that is
# irregular; the French article and noun. Plural endings: - is none, " adds an umlaut, = gives the whole
# plural, and + stands in the other cases of the singular too (der Bär, den Bären)
NOUN_TABLE = '''
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
# verbs by the classes of their subjects, and by the classes of their objects or their valency. Irregular
# forms stand behind the infinitive:
#   schlafen/geschlafen/schläft     infinitive/participle/third person
#   sleep/slept                     infinitive/past
#   dormir/dormi/dort/dorment       infinitive/participle/third person singular/plural
# * forms the perfect with sein or être; + ends a prefix that can be separated; _ begins the preposition of
# the object; :D puts the object into the dative
VERB_TABLE = '''
human,animal intransitive: schlafen/geschlafen/schläft sleep/slept dormir/dormi/dort/dorment
  tanzen dance danser | spielen play jouer | *springen/gesprungen/springt jump sauter
  *fallen/gefallen/fällt fall/fell *tomber
  human intransitive: lachen laugh rire/ri/rit/rient | weinen cry pleurer
  singen/gesungen/singt sing/sang chanter
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
  schicken send/sent envoyer//envoie
  human complement: sagen say/said dire/dit/dit/disent | träumen dream rêver
  wissen/gewusst/weiß know/knew savoir/su/sait/savent | behaupten claim prétendre | bemerken notice remarquer
  hoffen hope espérer//espère | zu+geben/gegeben/gibt admit/admitted admettre/admis/admet/admettent
  glauben believe croire/cru/croit/croient
'''
# adjectives by the classes of nouns that they describe: German, with its stem if that differs; English;
# French, with an irregular feminine, and the form before a vowel. < stands before its noun in French
ADJECTIVE_TABLE = '''
human,animal,thing,box,clothes,vehicle,text,place: schön beautiful <beau/belle/bel
  alt old <vieux/vieille/vieil
human,animal,thing,box,vehicle,place,idea: klein small <petit | groß big <grand
thing,box,clothes,vehicle,text,place,idea,music: neu new <nouveau/nouvelle/nouvel
mass,drink,text,idea: gut good <bon/bonne | schlecht bad <mauvais
human,animal: hungrig hungry affamé | jung young <jeune | schwach weak faible | ruhig calm calme
  durstig thirsty assoiffé | wütend angry furieux | stark strong fort | müde tired fatigué
  glücklich happy heureux | faul lazy paresseux | dumm stupid stupide | gefährlich dangerous dangereux
  traurig sad triste | mutig brave courageux | krank ill malade
animal,vehicle: schnell fast rapide | langsam slow lent
box,clothes,vehicle: gelb yellow jaune | schwarz black noir | braun brown brun | schmutzig dirty sale
  rot red rouge | blau blue bleu | grün green vert | grau grey gris | nass wet mouillé
clothes,vehicle,music: teuer/teur expensive cher | kaputt broken cassé
box,vehicle: schwer heavy lourd
text,idea: interessant interesting intéressant | lustig funny drôle | wichtig important important
  einfach simple simple | lang long <long/longue | kurz short court
food: frisch fresh frais/fraîche
food,mass: köstlich delicious délicieux
'''
# determiners by number: the German stem, its endings, those of the adjectives behind it (both are rows of
# GERMAN_ENDINGS); English; French masculine and feminine
DETERMINER_TABLE = '''
singular: d the weak the le la | ein mixed own a un une | mein mixed own my mon ma
  unser mixed own our notre notre | dies strong weak this ce cette | jed strong weak every chaque chaque
plural: d the weak the les les | _ none strong _ des des | mein mixed own my mes mes
  unser mixed own our nos nos | zwei none strong two deux deux | dies strong weak these ces ces
  drei none strong three trois trois | all strong weak all_the tous_les toutes_les
  einig strong strong some quelques quelques | viel strong strong many beaucoup_de beaucoup_de
mass: _ none strong _ de_le de_la
'''
# phrases by the tense that they go with, conjunctions, auxiliaries; MONTH stands for one of the row "MONTH"
PHRASE_TABLE = '''
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
adverb present: oft often souvent | immer always toujours | manchmal sometimes parfois
  selten rarely rarement
conjunction past: weil because parce_que | als when quand | sobald as_soon_as dès_que
conjunction present: weil because parce_que | wenn if si | während while pendant_que
  auch_wenn even_if même_si
conjunction future: weil because parce_que | wenn if si | auch_wenn even_if même_si
modal: kann/können can/can peut/peuvent | muss/müssen must/must doit/doivent | wird/werden will/will va/vont
  will/wollen wants_to/want_to veut/veulent
perfect haben: hat/haben did/did a/ont
perfect sein: ist/sind did/did est/sont
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
# proper names, and what invented ones are made of
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

# -----------------------------------------------------------------------------
# the rules of the three languages, as tables too

# German endings in the nominative, accusative and dative, each for der, die, das and the plural; _ is none
GERMAN_ENDINGS = '''
the: er ie as ie | en ie as ie | em er em en
none: _ _ _ _ | _ _ _ _ | _ _ _ _
mixed: _ e _ e | en e _ e | em er em en
strong: er e es e | en e es e | em er em en
weak: e e e en | en e e en | en en en en
own: er e es en | en e es en | en en en en
'''
# regular forms: the first pattern of the row that matches is replaced: like -> liked, cry -> cries
INFLECTION = r'''
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
# word order of each type of clause: its slots from left to right, most of them empty. "finite" is the verb or
# auxiliary that agrees with the subject; "verb" is an infinitive, a participle, a prefix, or the English verb
WORD_ORDER = '''
de main: front finite subject time adverb recipient object negation predicate place verb
de question: finite subject time adverb recipient object negation predicate place verb
de subordinate: relative subject time adverb recipient object negation predicate place verb finite
en main: front subject finite negation adverb verb object recipient predicate place time
en question: finite subject negation adverb verb object recipient predicate place time
en subordinate: relative subject finite negation adverb verb object recipient predicate place time
fr main: front subject ne finite negation adverb verb object recipient predicate place time
fr question: front subject ne finite negation adverb verb object recipient predicate place time
fr subordinate: relative subject ne finite negation adverb verb object recipient predicate place time
'''
# what words do to their neighbours: in dem -> im; a egg -> an egg; le ami -> l'ami, de le -> du
FRENCH_VOWELS = 'aeiouhéèêâîôœ'
CONTRACTIONS = dict(
    de=[(r'\b(i)n dem ', r'\1m '), (r'\b(vo|zu)n? dem ', r'\1m '), (r'\bzu der ', 'zur ')],
    en=[(r'\ba (?=[aeio]|un|um)', 'an ')],
    fr=[(r'\bde (des|de l[ea]) ', 'de '), (r'\bsi (?=ils?\b)', "s'"),
        (rf'\bma (?=[{FRENCH_VOWELS}])', 'mon '), (rf'\bce (?=[{FRENCH_VOWELS}])', 'cet '),
        (rf'\b(l|d|n|qu)[ea] (?=[{FRENCH_VOWELS}AEIO])', r"\1'"),
        (r'\bde le ', 'du '), (r'\bde les ', 'des '), (r'\bà le ', 'au '), (r'\bà les ', 'aux ')])

# -----------------------------------------------------------------------------
# forms of words: from each row of the tables to a dict, once

def table_rows(table):
    """Yield (heading, fields) for each row."""
    heading = ''
    for row in regex.split(r' \| |\n *', table.strip()):
        if ': ' in row:
            heading, row = row.split(': ')
        yield heading, row.split()

def phrase(*fields):
    """The fields of a row, as text in the three languages."""
    return [field.replace('_', ' ').strip() for field in fields]

def by_heading(table, make=phrase):
    """{heading: [make(*fields) of each of its rows]}; a heading with commas is several."""
    lexicon = collections.defaultdict(list)
    for headings, fields in table_rows(table):
        for heading in headings.split(','):
            lexicon[heading].append(make(*fields))
    return lexicon

def inflect(word, rule):
    """The regular form of a word, 'try' -> 'tried' by the rule 'en past'."""
    for pattern, ending in INFLECTION[rule]:
        if regex.search(pattern, word):
            return regex.sub(pattern, ending, word, count=1)
    return word

def make_noun(article, de, ending, en, le, fr):
    """A noun's forms de[number][case], en[number], fr[number]; its German gender and its French one."""
    umlaut = lambda match: UMLAUTS[match[1]]
    plural = regex.sub('(au|[aouAOU])(?=[^aouAOU]*$)', umlaut, de) if '"' in ending else de
    plural = ending[1:] if ending[0] == '=' else plural + ending.strip('-+"')
    oblique = plural if ending[0] == '+' else de                # accusative and dative of the singular
    dative_plural = plural if plural[-1] in 'ns' else plural + 'n'
    en, _, en_plural = en.partition('/')
    return dict(gender=['der', 'die', 'das'].index(article), feminine=le == 'la',
                de=[[de, oblique, oblique], [plural, plural, dative_plural]],
                # an English noun takes its s as a verb does: flies, kisses
                en=[en, en_plural or inflect(en, 'en present')], fr=[fr, inflect(fr, 'fr plural')])

def make_adjective(de, en, fr):
    """An adjective's forms: German by itself and its stem, English, fr[number][feminine]."""
    de, _, stem = de.partition('/')
    masculine, feminine, before_vowel = (fr.lstrip('<').split('/') + ['', ''])[:3]
    feminine = feminine or inflect(masculine, 'fr feminine')
    return dict(de=de, stem=stem or de.rstrip('e'), en=en,
                fr=[[masculine, feminine], [inflect(masculine, 'fr plural'), feminine + 's']],
                before_noun=fr[0] == '<', before_vowel=before_vowel or masculine)

def make_verb(*words):
    """
    For each language the forms of a verb and the preposition and case of its object. `past` is the participle
    in German and French; present[number] is the third person.
    """
    verb = {}
    for lang, word in zip(LANGS, words):
        core, _, preposition = word.lstrip('*').partition('_')
        preposition, _, case = preposition.partition(':')
        prefix, _, core = core.rpartition('+')
        infinitive, past, singular, plural = (core.split('/') + ['', '', ''])[:4]
        singular = singular or inflect(infinitive, f'{lang} present')
        plural = plural or (inflect(singular, 'fr present plural') if lang == 'fr' else infinitive)
        past = past or inflect(infinitive, f'{lang} past')
        verb[lang] = dict(infinitive=prefix + infinitive, past=prefix + past, present=[singular, plural],
                          prefix=prefix, takes_be=word[0] == '*', preposition=preposition.replace('_', ' '),
                          case='NAD'.index(case or 'A'))
    return verb

def make_determiner(de, endings, adjective_endings, *others):
    """A determiner's forms: the German stem with its endings[case][gender], English, fr[feminine]."""
    de, en, *fr = phrase(de, *others)
    return dict(de=de, endings=GERMAN_ENDINGS[endings], adjective_endings=GERMAN_ENDINGS[adjective_endings],
                en=en, fr=fr)

def make_frames(table):
    """Subcategorisation frames, {(class of the subject, valency): [(classes of the object, verb)]}."""
    frames = collections.defaultdict(list)
    for heading, fields in table_rows(table):
        subjects, objects = heading.split()
        objects, _, recipient = objects.partition('+')
        valency = 'ditransitive' if recipient else 'transitive'
        if objects in ('intransitive', 'motion', 'complement'):
            valency = objects
        for subject in subjects.split(','):
            frames[subject, valency].append((objects.split(','), make_verb(*fields)))
    return frames

def number_forms(words):
    """['kann/können', ...] -> {'de': ['kann', 'können'], ...}"""
    return {lang: word.split('/') for lang, word in zip(LANGS, words)}

UMLAUTS = dict(a='ä', o='ö', u='ü', au='äu', A='Ä', O='Ö', U='Ü')
GERMAN_ENDINGS = {heading: [case.replace('_', '').split(' ') for case in row.split(' | ')]
                  for heading, row in regex.findall('(.+): (.+)', GERMAN_ENDINGS)}
INFLECTION = {heading: [rule.split('>') for rule in fields] for heading, fields in table_rows(INFLECTION)}
WORD_ORDER = dict(table_rows(WORD_ORDER))
NOUNS, ADJECTIVES = by_heading(NOUN_TABLE, make_noun), by_heading(ADJECTIVE_TABLE, make_adjective)
DETERMINERS, FRAMES = by_heading(DETERMINER_TABLE, make_determiner), make_frames(VERB_TABLE)
PHRASES = by_heading(PHRASE_TABLE)
PHRASES.update(DATE=[[str(n)] * 3 for n in range(2, 29)], HOUR=[[str(n)] * 3 for n in range(2, 13)],
               YEAR=[[str(n)] * 3 for n in range(1900, 2025)])
MODALS = [number_forms(modal) for modal in PHRASES['modal']]
PERFECT = [number_forms(*PHRASES[heading]) for heading in ('perfect haben', 'perfect sein')]
BE = {tense: number_forms(*PHRASES[f'be {tense}']) for tense in ('present', 'past')}
COPULA = dict.fromkeys(LANGS, dict(infinitive='', prefix='', preposition='', case=ACCUSATIVE, takes_be=False))

# -----------------------------------------------------------------------------
# sampling a meaning, first of noun phrases. `size` is how many clauses there can be, one within the other

def choose(rng, things):
    return things[int(rng.random() * len(things))]

def sample_phrase(rng, heading):
    """A phrase in the three languages, with its MONTH, DAY or number filled in."""
    chosen = choose(rng, PHRASES[heading])
    for slot in regex.findall('[A-Z]{3,}', chosen[0]):
        filler = choose(rng, PHRASES[slot])
        chosen = [text.replace(slot, word) for text, word in zip(chosen, filler)]
    return chosen

def sample_name(rng, known, endings):
    """A proper name. A few are invented, so that there are words which no vocabulary knows."""
    if rng.random() > 0.04:
        return [choose(rng, known)] * 3
    stem = ''.join(choose(rng, SYLLABLES) for _ in range(choose(rng, [2, 2, 3]))).rstrip('aeiou')
    return [stem.capitalize() + choose(rng, endings)] * 3

def sample_person(rng):
    feminine = rng.random() < 0.5
    text = sample_name(rng, *((WOMEN, ['a', 'ina', 'ika']) if feminine else (MEN, ['o', 'an', 'us', 'ek'])))
    return dict(text=text, semantic_class='human', feminine=feminine, plural=0, pronoun=int(feminine))

def pronoun(person, feminine):
    """person: 0 he, 1 she, 2 they (in French ils or elles)."""
    text = PHRASES['pronoun'][person + (person == 2 and feminine)]
    return dict(text=text, semantic_class='human', feminine=feminine, plural=int(person == 2), pronoun=person)

def noun_phrase(noun, semantic_class, determiner, plural=0):
    """A noun and its determiner; gender: 0 der, 1 die, 2 das, 3 the plural of all."""
    return dict(noun=noun, semantic_class=semantic_class, determiner=determiner, plural=plural,
                feminine=noun['feminine'], gender=3 if plural else noun['gender'])

def sample_determiner(rng, semantic_class, kin, plural, subject):
    """The first ones most often; 'my' for kin and things, 'every' for subjects only."""
    number = 'mass' if semantic_class in ('mass', 'drink') else 'plural' if plural else 'singular'
    known = DETERMINERS[number]
    possessives = [determiner for determiner in known if determiner['de'] in ('mein', 'unser')]
    if kin:
        return choose(rng, possessives)
    allowed = [determiner for determiner in known if subject or determiner['de'] != 'jed']
    determiner = allowed[int(len(allowed) * rng.random() ** 2)]
    if semantic_class == 'human' and determiner in possessives:             # my aunt, but not: my woman
        return known[0]
    return determiner

def sample_noun_phrase(rng, classes, size=0, subject=False):
    """A noun phrase of one of these classes, with a relative clause of at most `size` clauses."""
    semantic_class = choose(rng, classes)
    human = semantic_class == 'human'
    if human and rng.random() < 0.3:
        return sample_person(rng)
    kin = human and rng.random() < 0.2
    noun = choose(rng, NOUNS['kin' if kin else semantic_class])
    singular = semantic_class in ('mass', 'drink', 'place') or noun['en'][0] in ('mother', 'father')
    plural = int(not singular and rng.random() < (0.1 if kin else 0.3))
    determiner = sample_determiner(rng, semantic_class, kin, plural, subject)
    np = noun_phrase(noun, semantic_class, determiner, plural)
    if kin and rng.random() < 0.4:                              # the sister of Paul
        np.update(determiner=DETERMINERS['plural' if plural else 'singular'][0], possessor=sample_person(rng))
    elif rng.random() < 0.4 and semantic_class in ADJECTIVES:
        one, two = choose(rng, ADJECTIVES[semantic_class]), choose(rng, ADJECTIVES[semantic_class])
        both = one['before_noun'] > two['before_noun'] and rng.random() < 0.5
        np['adjectives'] = [one, two] if both else [one]        # so French has one on either side of its noun
    if human and (plural or noun['gender'] < 2):
        np['pronoun'] = 2 if plural else noun['gender']         # not for das Mädchen: is it 'es' or 'sie'?
    if size:
        np['relative_clause'] = sample_relative_clause(rng, np, size)
    return np

def sample_relative_clause(rng, np, size):
    """the man who reads; the book that the man reads"""
    np = dict(np, relativised=True)
    if np['semantic_class'] in ('human', 'animal'):
        return sample_clause(rng, size, np)
    frames = [frame for frame in FRAMES['human', 'transitive'] if np['semantic_class'] in frame[0]]
    _, verb = choose(rng, frames)
    return dict(subject=sample_noun_phrase(rng, ['human']), verb=verb, object=np, tense='past')

# -----------------------------------------------------------------------------
# sampling a meaning, then of clauses

def sample_clause(rng, size, subject=None, tense=None, main=False):
    """A verb and all that belongs to it; `size` counts this clause and all within it."""
    clause = dict(tense=tense or choose(rng, ['past', 'past', 'present', 'future']))
    semantic_class = subject['semantic_class'] if subject else 'animal' if rng.random() < 0.15 else 'human'
    size -= 1
    valency = sample_valency(rng, semantic_class, clause['tense'], size)
    if not subject:
        relative = int(main and size > 1 and rng.random() < 0.3)
        subject = sample_subject(rng, semantic_class, valency, relative)
        size -= relative
    clause['subject'] = subject
    object_classes = add_verb(rng, clause, valency)
    size = add_objects(rng, clause, valency, object_classes, size)
    add_adverbials(rng, clause, valency, main)
    if size:
        add_subordinate_clause(rng, clause, size, main)
    return clause

def sample_valency(rng, semantic_class, tense, size):
    """What the verb needs beside its subject: a verb of motion needs a goal, a copula an adjective."""
    valency = choose(rng, ['intransitive', 'motion', *3 * ['transitive'], 'ditransitive', 'copula'])
    if valency == 'ditransitive' and semantic_class == 'animal' or valency == 'copula' and tense == 'future':
        valency = 'transitive'
    if size and semantic_class == 'human' and rng.random() < 0.45:
        valency = 'complement'                                  # a that-clause
    return valency

def sample_subject(rng, semantic_class, valency, size):
    if valency == 'copula':                                     # things do not act, but they can be red
        classes = 'human human animal thing vehicle place text idea box clothes'.split()
        semantic_class = choose(rng, classes)
    subject = sample_noun_phrase(rng, [semantic_class], size, subject=True)
    if semantic_class == 'human' and not size and rng.random() < 0.1:
        subject = choose(rng, [pronoun(0, False), pronoun(1, True), pronoun(2, False)])
    return subject

def add_verb(rng, clause, valency):
    """Add a verb that goes with the subject. Returns the classes that its object can have."""
    semantic_class = clause['subject']['semantic_class']
    if valency == 'copula':
        adjective = choose(rng, ADJECTIVES[semantic_class])
        clause.update(verb=COPULA, auxiliary=BE[clause['tense']], adjective=adjective)
        return []
    object_classes, clause['verb'] = choose(rng, FRAMES[semantic_class, valency])
    english = clause['verb']['en']
    if clause['tense'] == 'present' and english['past'] == english['infinitive']:
        clause['tense'] = 'past'                                # they read: now or then?
    if clause['tense'] == 'future':
        clause['auxiliary'] = choose(rng, MODALS)
    return object_classes

def add_objects(rng, clause, valency, object_classes, size):
    """Add what the verb asks for. Returns how many clauses may still follow."""
    if valency in ('transitive', 'ditransitive'):
        relative = size if valency == 'transitive' and rng.random() < 0.5 else 0
        clause['object'] = sample_noun_phrase(rng, object_classes, relative)
        size -= relative
    if valency == 'ditransitive':
        clause['recipient'] = sample_noun_phrase(rng, ['human'])
    if valency == 'complement':
        clause['complement'] = sample_clause(rng, size, tense='past' if clause['tense'] == 'past' else None)
        size = 0
    return size

def add_adverbials(rng, clause, valency, main):
    """Add where and when, how often, or not: nothing in the middle where the clause ends with another one."""
    tense, motion = clause['tense'], valency == 'motion'
    heavy = 'complement' in clause or 'relative_clause' in clause.get('object', ())
    likely = 0.5 if valency == 'intransitive' else 0.25
    if motion or not heavy and valency != 'copula' and rng.random() < likely:
        clause['place'] = sample_place(rng, motion)
    determiners = [np['determiner']['de'] for np in (clause['subject'], clause.get('object', {}))
                   if 'determiner' in np]
    vague = {'', 'ein', 'einig', 'viel', 'jed', 'all'}.intersection(determiners)
    if tense != 'future' and not vague and rng.random() < 0.15:     # not, where it is clear what it denies
        clause['negation'] = ['nicht', 'not', 'pas']
    elif tense != 'future' and valency != 'copula' and rng.random() < 0.15:
        clause['adverb'] = sample_phrase(rng, f'adverb {tense}')
    if rng.random() < 0.4:
        time = sample_phrase(rng, tense if rng.random() < 0.5 else 'any')
        if main and (heavy or rng.random() < 0.5):
            clause['front'] = sample_phrase(rng, 'comment') if rng.random() < 0.2 else time
        elif not heavy:
            clause['time'] = time

def sample_place(rng, motion):
    """(preposition in the three languages, noun phrase): to Berlin, or in the garden."""
    if rng.random() < 0.3:
        town = dict(text=sample_name(rng, TOWNS, ['sund', 'burg', 'feld', 'ville', 'grad']))
        return ['nach', 'to', 'à'] if motion else ['in', 'in', 'à'], town
    return ['zu', 'to', 'à'] if motion else ['in', 'in', 'dans'], sample_noun_phrase(rng, ['place'])

def add_subordinate_clause(rng, clause, size, main):
    """Add a clause with because, when, if: in front or behind, often about the same person."""
    subject, conjunction = clause['subject'], sample_phrase(rng, f'conjunction {clause["tense"]}')
    first = main and 'front' not in clause and rng.random() < 0.35
    same = 'pronoun' in subject and not first and rng.random() < 0.6
    tense = 'past' if clause['tense'] == 'past' else None if conjunction[0] == 'weil' else 'present'
    subject = pronoun(subject['pronoun'], subject['feminine']) if same else None
    subordinate = sample_clause(rng, size, subject, tense)
    clause.update(conjunction=conjunction, subordinate=subordinate, subordinate_first=first)

def sample_tree(rng):
    """
    What a sentence says: one main clause that can be a question, or two with a conjunction between them. Most
    sentences are a single clause, a few are a dozen, one within the other.
    """
    size, more = 1, 0.8 if rng.random() < 0.03 else 0.25
    while rng.random() < more and size < 13:
        size += 1
    if size > 1 and rng.random() < 0.2:
        left = 1 + int(rng.random() * (size - 1))
        conjunction = choose(rng, [['und', 'and', 'et'], ['aber', 'but', 'mais']])
        clauses = [sample_clause(rng, part, main=True) for part in (left, size - left)]
        return dict(clauses=clauses, conjunction=conjunction)
    clause = sample_clause(rng, size, main=True)
    wants_to = clause.get('auxiliary') is MODALS[3]             # its question would need a second auxiliary
    plain = 'front' not in clause and not clause.get('subordinate_first') and not wants_to
    return dict(clauses=[clause], question=plain and rng.random() < 0.1)

# -----------------------------------------------------------------------------
# surface realisation: a meaning in the words of one language, first of noun phrases

def realise_noun_phrase(np, lang, case=NOMINATIVE):
    """A name, a pronoun, a relative pronoun, or a noun with all that stands around it."""
    if 'text' in np:
        return np['text'][LANGS.index(lang)]
    if 'relativised' in np:
        return relative_pronoun(np, lang, case)
    words = dict(de=german_words, en=english_words, fr=french_words)[lang](np, case)
    if 'possessor' in np:
        words += [dict(de='von', en='of', fr='de')[lang], realise_noun_phrase(np['possessor'], lang)]
    if 'relative_clause' in np and case == NOMINATIVE:          # an object's stands at the clause's end
        comma = ',' if lang == 'de' else ''
        words += [comma, realise_clause(np['relative_clause'], lang, 'subordinate'), comma]
    return ' '.join(filter(None, words))

def relative_pronoun(np, lang, case):
    if lang == 'de':
        return 'd' + GERMAN_ENDINGS['the'][case][np['gender']]
    if lang == 'fr':
        return 'qui' if case == NOMINATIVE else 'que'
    person = 'who' if case == NOMINATIVE else 'whom'
    return person if np['semantic_class'] == 'human' else 'that'

def german_words(np, case):
    """The determiner and its adjectives end as case, gender and number ask: dem alten Hund."""
    determiner, gender = np['determiner'], np['gender']
    adjectives = [adjective['stem'] + determiner['adjective_endings'][case][gender]
                  for adjective in np.get('adjectives', ())]
    return [determiner['de'] + determiner['endings'][case][gender], *adjectives,
            np['noun']['de'][np['plural']][case]]

def english_words(np, case):
    return [np['determiner']['en'], *(adjective['en'] for adjective in np.get('adjectives', ())),
            np['noun']['en'][np['plural']]]

def french_words(np, case):
    """Adjectives agree, and stand before the noun or, most of them, behind it: de vieux chiens fatigués."""
    noun, plural, feminine = np['noun']['fr'][np['plural']], np['plural'], np['feminine']
    vowel = not plural and not feminine and noun[0] in FRENCH_VOWELS            # un vieil homme
    before, after = [], []
    for adjective in np.get('adjectives', ()):
        if adjective['before_noun']:
            before.append(adjective['before_vowel'] if vowel else adjective['fr'][plural][feminine])
        else:
            after.append(adjective['fr'][plural][feminine])
    article = np['determiner']['fr'][feminine]
    return ['de' if before and article == 'des' else article, *before, noun, *after]

# -----------------------------------------------------------------------------
# surface realisation, then of clauses: fill the slots, and put them in the order of the language

def realise_clause(clause, lang, kind='main'):
    """A clause; kind: main, question or subordinate."""
    number = LANGS.index(lang)
    slots = {slot: clause[slot][number] for slot in ('front', 'time', 'adverb', 'negation') if slot in clause}
    slots['subject'] = realise_noun_phrase(clause['subject'], lang)
    slots.update(realise_verb(clause, lang, kind))
    slots.update(realise_objects(clause, lang))
    if 'front' in slots and lang != 'de':
        slots['front'] += ' ,'
    if lang == 'fr':
        slots['ne'] = 'ne' if 'negation' in clause else ''
        if kind == 'question':
            slots['front'] = 'est-ce que'
    end = realise_embedded_clauses(clause, lang)
    if 'subordinate' in clause:
        subordinate = realise_clause(clause['subordinate'], lang, 'subordinate')
        subordinate = f'{clause["conjunction"][number]} {subordinate}'
        if clause['subordinate_first']:
            slots['front'] = subordinate + ' ,'
        else:
            end += [',' if lang == 'de' else '', subordinate]
    if lang == 'de' and kind == 'main' and 'front' not in slots:
        slots['front'] = slots.pop('subject')                   # the verb comes second, whatever is first
    words = [slots.get(slot) for slot in WORD_ORDER[f'{lang} {kind}']]
    return ' '.join(filter(None, words + end))

def realise_verb(clause, lang, kind):
    """The slots "finite" and "verb": hat ... gelesen, did not read, ruft ... an."""
    verb, plural, past = clause['verb'][lang], clause['subject']['plural'], clause['tense'] == 'past'
    if 'auxiliary' in clause:
        return dict(finite=clause['auxiliary'][lang][plural], verb=verb['infinitive'])
    if lang == 'en':
        if 'negation' in clause or kind == 'question':
            return dict(finite='did' if past else ['does', 'do'][plural], verb=verb['infinitive'])
        return dict(verb=verb['past'] if past else verb['present'][plural])
    if past:
        participle = verb['past'] + (french_agreement(clause) if lang == 'fr' else '')
        return dict(finite=PERFECT[verb['takes_be']][lang][plural], verb=participle)
    if kind == 'subordinate':
        return dict(finite=verb['prefix'] + verb['present'][plural])
    return dict(finite=verb['present'][plural], verb=verb['prefix'])

def french_agreement(clause):
    """Participles agree with the subject after être, else with an object before it: la lettre qu'il a lue."""
    verb, np = clause['verb']['fr'], clause.get('object', {})
    if verb['takes_be']:
        np = clause['subject']
    elif 'relativised' not in np:
        return ''
    ends_in_s = verb['past'][-1] == 's' and not np['feminine']
    return 'e' * np['feminine'] + 's' * (np['plural'] and not ends_in_s)

def realise_objects(clause, lang):
    """What belongs to the verb: the object or its relative pronoun, recipient, place, adjective."""
    verb = clause['verb'][lang]
    slots = {'object': verb['preposition']}
    if 'object' in clause:
        text = realise_noun_phrase(clause['object'], lang, verb['case'] if lang == 'de' else ACCUSATIVE)
        if 'relativised' in clause['object']:
            slots['relative'] = text
        else:
            slots['object'] = (verb['preposition'] + ' ' + text).strip()
    if 'recipient' in clause:
        to = dict(de='', en='to ', fr='à ')[lang]
        slots['recipient'] = to + realise_noun_phrase(clause['recipient'], lang, DATIVE)
    if 'place' in clause:
        preposition, np = clause['place']
        slots['place'] = preposition[LANGS.index(lang)] + ' ' + realise_noun_phrase(np, lang, DATIVE)
    if 'adjective' in clause:
        form, subject = clause['adjective'][lang], clause['subject']
        slots['predicate'] = form[subject['plural']][subject['feminine']] if lang == 'fr' else form
    return slots

def realise_embedded_clauses(clause, lang):
    """The object's relative clause or the that-clause, which end the clause; in German after a comma."""
    comma = ',' if lang == 'de' else ''
    if 'relative_clause' in clause.get('object', ()):
        return [comma, realise_clause(clause['object']['relative_clause'], lang, 'subordinate')]
    if 'complement' in clause:
        that = dict(de='dass', en='that', fr='que')[lang]
        return [comma, that, realise_clause(clause['complement'], lang, 'subordinate')]
    return []

def realise(tree, lang):
    """The sentence of a tree in 'de', 'en' or 'fr'."""
    question = tree.get('question')
    text = realise_clause(tree['clauses'][0], lang, 'question' if question else 'main')
    if 'conjunction' in tree:
        text += f' , {tree["conjunction"][LANGS.index(lang)]} {realise_clause(tree["clauses"][1], lang)}'
    for pattern, replacement in CONTRACTIONS[lang]:
        text = regex.sub(pattern, replacement, text)
    text = regex.sub('[ ,]*,', ',', text).rstrip(', ')          # one comma where several have met
    end = ' ?' if lang == 'fr' else '?'
    return text[0].upper() + text[1:] + (end if question else '.')

if __name__ == '__main__':
    rng = random.Random()
    for tree in [sample_tree(rng) for _ in range(8)]:
        print(*(f'{lang}  {realise(tree, lang)}' for lang in LANGS), sep='\n', end='\n\n')
