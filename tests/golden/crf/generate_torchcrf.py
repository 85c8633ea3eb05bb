"""Writes `torchcrf.json`: conditional random fields as pytorch-crf computes them, in float64.

To regenerate, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install torch pytorch-crf
    venv/bin/python tests/golden/crf/generate_torchcrf.py        # a few seconds

Batches are padded on the right, the only masks that pytorch-crf takes. Scores are multiples of 1/64, so that float32 holds
them. `nll` is of each row, gradients are of their sum.
"""

import json
from pathlib import Path

import torch
from torchcrf import CRF

torch.manual_seed(5)


def scores(*shape, most=256):
    return torch.randint(-most, most + 1, shape).double() / 64


def case(B, T, K, lengths, most=256):
    crf = CRF(K, batch_first=True).double()
    for parameter in crf.parameters():
        parameter.data = scores(*parameter.shape, most=most)
    x = scores(B, T, K, most=most).requires_grad_()
    tags = torch.randint(0, K, (B, T))
    mask = torch.arange(T)[None] < torch.tensor(lengths)[:, None]
    nll = -crf(x, tags, mask=mask, reduction="none")
    nll.sum().backward()
    decoded = [path + [0] * (T - len(path)) for path in crf.decode(x, mask=mask)]
    flat = {
        "x": x,
        "transitions": crf.transitions,
        "start": crf.start_transitions,
        "end": crf.end_transitions,
    }
    return {
        "shape": [B, T, K],
        "lengths": lengths,
        "tags": tags.flatten().tolist(),
        "decoded": [tag for path in decoded for tag in path],
        "nll": nll.tolist(),
        "inputs": {name: value.flatten().tolist() for name, value in flat.items()},
        "gradients": {name: [round(v, 9) for v in value.grad.flatten().tolist()] for name, value in flat.items()},
    }


cases = [
    case(4, 6, 5, [6, 3, 1, 5]),
    case(3, 8, 9, [8, 2, 7]),
    case(2, 5, 17, [5, 4], most=1024),
    case(1, 2, 2, [2]),
]
text = json.dumps({"source": f"pytorch-crf 0.7.2, PyTorch {torch.__version__}, float64", "cases": cases})
Path(__file__).with_name("torchcrf.json").write_text(text + "\n")
