#!/usr/bin/env bash
# Two different seeds, one stream: numpy 2.3.5 pads the list of a seed with zeros, torch 2.13.0 keeps 32 bits of one.
# default_rng([seed, epoch]) and default_rng([seed, epoch, 0]) are equal, so a stream for an epoch and one for its first
# part are the same numbers; so are default_rng(7), default_rng([7]) and default_rng([7, 0]). It ends at four words:
# [1, 2, 3, 4] and [1, 2, 3, 4, 0] differ. torch.manual_seed(n) on a CPU takes n modulo 2 ** 32, although
# torch.initial_seed() gives all 64 bits back, so a hash of 64 bits as a seed loses half of itself.
# Expected: other numbers from another seed.
# Seen with CPython 3.11.7, numpy 2.3.5 and torch 2.13.0; the same with numpy 1.24.0 and 2.5.5, torch 2.4.0 and 2.15.0:
#   numpy  7 as [7]: same   [7] as [7, 0]: same   [1, 2, 3, 4] as [1, 2, 3, 4, 0]: differ
#   torch  7 as 7 + 2 ** 32: same, initial_seed() 4294967303
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.3.5 torch==2.13.0
cat >"$folder/run.py" <<'PYTHON'
import numpy as np, torch

def compare(make, one, other):
    return 'same' if (make(one) == make(other)).all() else 'differ'

def numpy_stream(seed):
    return np.random.default_rng(seed).random(100)

def torch_stream(seed):
    torch.manual_seed(seed)
    return torch.rand(100)

pairs = (7, [7]), ([7], [7, 0]), ([1, 2, 3, 4], [1, 2, 3, 4, 0])
print('numpy ', '   '.join(f'{one} as {other}: {compare(numpy_stream, one, other)}' for one, other in pairs))
print(f'torch  7 as 7 + 2 ** 32: {compare(torch_stream, 7, 7 + 2 ** 32)}, initial_seed() {torch.initial_seed()}')
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py")
echo "$seen"
[ "$seen" = 'numpy  7 as [7]: same   [7] as [7, 0]: same   [1, 2, 3, 4] as [1, 2, 3, 4, 0]: differ
torch  7 as 7 + 2 ** 32: same, initial_seed() 4294967303' ]
