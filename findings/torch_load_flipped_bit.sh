#!/usr/bin/env bash
# torch.load of torch 2.13.0 does not compare the checksums of a checkpoint: a flipped bit is loaded in silence.
# torch.save writes a zip file, and a zip file has a CRC-32 for each member; zipfile, unzip and every other reader
# compare it. torch.load does not, with weights_only=True or without. One bit of a copy that went wrong, and a weight
# is another number, or infinite; the translations get worse, and nothing says why. `python -m zipfile -t` finds it.
# Expected: an error, as from zipfile.
# Seen with CPython 3.11.7, torch 2.13.0, numpy 2.3.5; the same with torch 2.4.0 and 2.15.0:
#   saved 100.0   loaded 2.9387358770557188e-37   zipfile: Bad CRC-32 for file 'archive/data/0'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.3.5
cat >"$folder/run.py" <<'PYTHON'
import io, struct, torch, zipfile

weights = torch.arange(1000.0)
file = io.BytesIO()
torch.save({'weights': weights}, file)
content = bytearray(file.getvalue())
place = content.find(struct.pack('<ff', 99, 100)) + 4           # where 100.0 lies
content[place + 3] ^= 0x40                                      # the highest bit of its exponent

print('saved', weights[100].item(), end='   ')
print('loaded', torch.load(io.BytesIO(content), weights_only=True)['weights'][100].item(), end='   ')
try:
    zipfile.ZipFile(io.BytesIO(content)).read('archive/data/0')
except zipfile.BadZipFile as error:
    print('zipfile:', error)
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py")
echo "$seen"
[ "$seen" = "saved 100.0   loaded 2.9387358770557188e-37   zipfile: Bad CRC-32 for file 'archive/data/0'" ]
