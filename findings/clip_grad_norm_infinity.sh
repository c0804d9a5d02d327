#!/usr/bin/env bash
# torch 2.13.0: clip_grad_norm_ with max_norm=inf, the usual way to only measure the norm, makes every gradient NaN as
# soon as one is infinite. The factor is max_norm / norm, here inf / inf. With max_norm=1 the same gradients become 0,
# and only the infinite one NaN. So whoever switches clipping off this way loses, by one overflow, every weight of the
# model, not one. torch.nn.utils.get_total_norm (since 2.6) measures without touching anything.
# Expected: max_norm=inf leaves gradients as they are.
# Seen with CPython 3.11.7, torch 2.13.0, numpy 2.3.5; the same with torch 2.4.0 and 2.15.0:
#   before [3.0, inf] [4.0]   max_norm=1 [0.0, nan] [0.0]   max_norm=inf [nan, nan] [nan]
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.3.5
cat >"$folder/run.py" <<'PYTHON'
import math, torch

def gradients_after(max_norm=None):
    one, other = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    one.grad, other.grad = torch.tensor([3.0, math.inf]), torch.tensor([4.0])
    if max_norm:
        torch.nn.utils.clip_grad_norm_([one, other], max_norm)
    return f'{one.grad.tolist()} {other.grad.tolist()}'

print(f'before {gradients_after()}   max_norm=1 {gradients_after(1.0)}   max_norm=inf {gradients_after(math.inf)}')
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py")
echo "$seen"
[ "$seen" = 'before [3.0, inf] [4.0]   max_norm=1 [0.0, nan] [0.0]   max_norm=inf [nan, nan] [nan]' ]
