#!/usr/bin/env bash
# sacreBLEU 2.6.0: where the reference is empty, chrF does not see what the system says. Two test sentences, the first
# translated to the letter, the second an empty line that the system fills with twelve words: chrF2 stays 100, BLEU
# and TER fall. The statistics of such a pair are dropped, those of the hypothesis too; the other way round (an empty
# hypothesis for a reference of words) is punished as it should be. Real test sets have empty lines, from alignment.
# Expected: less than 100, as in BLEU.
# Seen with CPython 3.11.7, sacrebleu 2.6.0, numpy 2.3.5:
#   empty line stays empty: BLEU 100.0 chrF2 100.0 TER 0.0
#   twelve words instead:   BLEU 29.4 chrF2 100.0 TER 200.0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sacrebleu==2.6.0 numpy==2.3.5
cat >"$folder/run.py" <<'PYTHON'
from sacrebleu import corpus_bleu, corpus_chrf, corpus_ter

def scores(second):
    hypotheses, references = ['the cat sat on the mat', second], [['the cat sat on the mat', '']]
    bleu, chrf, ter = (score(hypotheses, references).score for score in (corpus_bleu, corpus_chrf, corpus_ter))
    return f'BLEU {bleu:.1f} chrF2 {chrf:.1f} TER {ter:.1f}'

print('empty line stays empty:', scores(''))
print('twelve words instead:  ', scores('nobody asked for this and yet the system goes on and on'))
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py")
echo "$seen"
[ "$seen" = 'empty line stays empty: BLEU 100.0 chrF2 100.0 TER 0.0
twelve words instead:   BLEU 29.4 chrF2 100.0 TER 200.0' ]
