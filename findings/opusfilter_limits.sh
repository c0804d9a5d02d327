#!/usr/bin/env bash
# OpusFilter 3.3.1: some of its limits are the last value that is kept, some the first that is dropped.
# LengthFilter(max_length=40) keeps a sentence of 40 words, but LongWordFilter(threshold=40), the default, drops a word
# of 40 characters, and LengthRatioFilter(threshold=3), the default, drops three words beside one. So "at most 40" or
# "more than 40", as the rule is often retold, is not what it does; whoever rebuilds it is off by one.
# Seen with CPython 3.11.7, opusfilter 3.3.1:
#   words 40: kept   characters 39: kept   characters 40: dropped   ratio 3: dropped
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opusfilter==3.3.1
cat >"$folder/run.py" <<'PYTHON'
from opusfilter.filters import LengthFilter, LengthRatioFilter, LongWordFilter

def kept(rule, source, target):
    return 'kept' if next(rule.decisions([(source, target)])) else 'dropped'

print('words 40:', kept(LengthFilter(max_length=40), ' '.join(['w'] * 40), 'w'), end='   ')
print('characters 39:', kept(LongWordFilter(), 'w' * 39, 'w'), end='   ')
print('characters 40:', kept(LongWordFilter(), 'w' * 40, 'w'), end='   ')
print('ratio 3:', kept(LengthRatioFilter(), 'a b c', 'w'))
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py" 2>/dev/null)
echo "$seen"
[ "$seen" = 'words 40: kept   characters 39: kept   characters 40: dropped   ratio 3: dropped' ]
