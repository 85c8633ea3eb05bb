"""Writes `torch.json` and `torch.bin`: the recurrent layers as PyTorch computes them, in float64.

A second reference, independent of Keras. To regenerate, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tests/golden/generate_torch.py        # a few seconds

The cases look like those of `generate.py`: weights in Keras's order and layout, which differs from
PyTorch's in that kernels are transposed, the GRU's gates are ordered z, r, h instead of r, z, h, and
SimpleRNN and LSTM have one bias instead of two. Masks are right-padded (packed sequences), without
empty rows and for the last output only, where both frameworks mean the same.
"""

import numpy as np
import torch
from golden_file import Group
from torch.nn.utils.rnn import pack_padded_sequence

torch.set_default_dtype(torch.float64)
SOURCE = f"PyTorch {torch.__version__}, computed in float64, stored as float32"
GATES = {"simpleRNN": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}  # Keras's place of PyTorch's gates
STATES = {"simpleRNN": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
MODULES = {"simpleRNN": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
UNITS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 50, 64, 100, 128, 300)


def to_torch(kind, weights):
    """Keras's kernel, recurrentKernel, bias -> PyTorch's weight_ih, weight_hh, bias_ih, bias_hh."""
    kernel, recurrent, bias = weights
    if bias.dim() == 1:
        bias = torch.stack([bias, torch.zeros_like(bias)])

    def order(tensor):  # the gates along the last axis
        parts = tensor.chunk(len(GATES[kind]), dim=-1)
        return torch.cat([parts[gate] for gate in GATES[kind]], dim=-1)

    return order(kernel).T, order(recurrent).T, order(bias[0]), order(bias[1])


def run(kind, sides, x, lengths, initial):
    """One layer, in one direction or two. Gives [B, T, sides * H] and the final states [sides, B, H]."""
    hidden = sides[0][1].shape[0]
    module = MODULES[kind](x.shape[-1], hidden, batch_first=True, bidirectional=len(sides) == 2)
    names = [name for name, _ in module.named_parameters()]
    tensors = [tensor for side in sides for tensor in to_torch(kind, side)]
    given = None
    if initial:
        states = [torch.stack(initial[i :: len(STATES[kind])]) for i in range(len(STATES[kind]))]
        given = tuple(states) if kind == "lstm" else states[0]
    if lengths is not None:
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    outputs, final = torch.func.functional_call(module, dict(zip(names, tensors, strict=True)), (x, given))
    return outputs, final if kind == "lstm" else (final,)


def add(group, name, kind, shape, units, sequences, masked, initial, both_ways):
    """One case; `sequences` and `masked` exclude each other."""
    B, T, D = shape
    inner = {"units": units, "returnSequences": sequences, "returnState": True}
    if kind == "gru":
        inner["resetAfter"] = True
    config = {"layer": {"kind": kind, "config": inner}, "mergeMode": "concat"} if both_ways else inner
    case = group.case(name, "bidirectional" if both_ways else kind, config)

    def generate(section, key, shape, scale=1.0):
        return torch.tensor(case.generate(section, key, shape, scale), requires_grad=True)

    G = len(GATES[kind]) * units
    bias_shape = (2, G) if kind == "gru" else (G,)
    prefixes = ["forward.", "backward."] if both_ways else [""]
    weights, sides = {}, []
    for prefix in prefixes:
        side = {
            prefix + "kernel": generate("weights", prefix + "kernel", (D, G), 1.5 / D**0.5),
            prefix + "recurrentKernel": generate(
                "weights", prefix + "recurrentKernel", (units, G), 1.5 / units**0.5
            ),
            prefix + "bias": generate("weights", prefix + "bias", bias_shape, 0.5),
        }
        weights |= side
        sides.append(list(side.values()))
    inputs = {"x": generate("inputs", "x", shape)}
    lengths = None
    if masked:
        lengths = T - np.arange(B) * (T - 1) % T
        case.store("inputs", "mask", (np.arange(T) < lengths[:, None]).astype(float))
        lengths = torch.tensor(lengths)
    states = list(STATES[kind])
    if both_ways:
        states = [side + state.upper() for side in ("forward", "backward") for state in STATES[kind]]
    if initial:
        inputs |= {state + "0": generate("inputs", state + "0", (B, units)) for state in states}

    sequence, final = run(kind, sides, inputs["x"], lengths, list(inputs.values())[1:])
    last = torch.cat(list(final[0]), dim=-1)  # the state h, of both directions
    outputs = {"output": sequence if sequences else last}
    finals = [state[side] for side in range(len(sides)) for state in final]
    outputs |= dict(zip(states, finals, strict=True))
    loss = sum(
        (torch.tensor(case.generate("lossWeights", key, tuple(value.shape))) * value).sum()
        for key, value in outputs.items()
    )
    sources = inputs | weights
    gradients = torch.autograd.grad(loss, list(sources.values()))
    for key, value in outputs.items():
        case.store("outputs", key, value.detach().numpy())
    for key, value in zip(sources, gradients, strict=True):
        case.store("gradients", key, value.numpy())


if __name__ == "__main__":
    group = Group("torch", SOURCE)
    for kind in MODULES:
        for units in UNITS:
            large = units > 33
            shape = (3, 3, 4) if large else (5, 6, 3)
            add(group, f"{kind}/{units}", kind, shape, units, True, False, True, False)
        for both_ways in (False, True):
            for sequences, masked in ((False, False), (True, False), (False, True)):
                for initial in (False, True):
                    name = f"{kind}{'/bidirectional' * both_ways}{'/sequences' * sequences}"
                    name += "/right" * masked + "/initial" * initial
                    add(group, name, kind, (4, 6, 5), 7, sequences, masked, initial, both_ways)
    group.write()
