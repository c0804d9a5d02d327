#!/usr/bin/env bash
# mtdata 0.5.1 reads of a TMX segment only the text before its first inline element, and says nothing.
# Inline elements (<bpt>, <ept>, <ph>, <it>, <hi>) are part of TMX 1.4; CAT tools write them for every bold word or
# placeholder. mtdata takes the segment with ElementTree's findtext('seg'), which stops at the first child, so both
# sides are cut, independently of one another, and the pair is reported as extracted.
# Expected: the whole sentence, without the markup.
# Seen with CPython 3.11.7, mtdata 0.5.1:  'Press<TAB>Klicken Sie auf'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mtdata==0.5.1
cat >"$folder/in.tmx" <<'TMX'
<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4">
<header creationtool="x" creationtoolversion="1" segtype="sentence" o-tmf="x" adminlang="en" srclang="en"
        datatype="html"/>
<body>
<tu><tuv xml:lang="en"><seg>Press <bpt i="1">&lt;b&gt;</bpt>Save<ept i="1">&lt;/b&gt;</ept> to go on.</seg></tuv>
<tuv xml:lang="de"><seg>Klicken Sie auf <hi>Speichern</hi>, um fortzufahren.</seg></tuv></tu>
</body>
</tmx>
TMX
HOME=$folder "$folder/venv/bin/python" -m mtdata.tmx -i "$folder/in.tmx" -o "$folder/out.tsv" -l eng-deu 2>"$folder/log"
cat "$folder/out.tsv"
grep -q 'Extracted 1 pairs' "$folder/log" && [ "$(cat "$folder/out.tsv")" = $'Press\tKlicken Sie auf' ]
