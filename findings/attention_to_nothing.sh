#!/usr/bin/env bash
# torch 2.13.0: what nn.MultiheadAttention gives for a sequence that is all padding hangs on two switches that should
# not matter. With need_weights=True (the default) it is NaN. With need_weights=False it is 0, but only in training:
# after .eval() and under no_grad another kernel runs, and it is NaN again. So a model that trains without a NaN can
# meet one the first time it translates an empty line. In torch 2.4.0 it was NaN in all four cases.
# Expected: one answer.
# Seen with CPython 3.11.7, torch 2.13.0, numpy 2.3.5, on a CPU; the same with torch 2.15.0:
#   train   need_weights=True: nan   need_weights=False: 0.0
#   eval    need_weights=True: nan   need_weights=False: nan
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.3.5
cat >"$folder/run.py" <<'PYTHON'
import torch

attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
x = torch.randn(2, 4, 8)
padding = torch.tensor([[True] * 4, [False] * 4])               # nothing in the first, four words in the second
for mode in 'train', 'eval':
    getattr(attention, mode)()
    with torch.set_grad_enabled(mode == 'train'):
        with_weights, _ = attention(x, x, x, key_padding_mask=padding)
        without, _ = attention(x, x, x, key_padding_mask=padding, need_weights=False)
    print(f'{mode:8}need_weights=True: {with_weights[0].sum()}   need_weights=False: {without[0].sum()}')
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py")
echo "$seen"
[ "$seen" = 'train   need_weights=True: nan   need_weights=False: 0.0
eval    need_weights=True: nan   need_weights=False: nan' ]
