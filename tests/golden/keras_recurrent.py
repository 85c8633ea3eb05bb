"""The recurrent layers' goldens: each function fills one group."""

import keras
from golden_file import camel, snake
from keras_cases import (
    ELEMENTWISE,
    ROWWISE,
    add_mask,
    make_layer,
    named,
    record,
    set_weights,
    weights_of,
)

CELLS = {
    "simpleRNN": keras.layers.SimpleRNNCell,
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
}
STATES = {"simpleRNN": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
VARIANTS = {  # the name in cases: (kind, config)
    "simpleRNN": ("simpleRNN", {}),
    "lstm": ("lstm", {}),
    "gru": ("gru", {"resetAfter": True}),
    "gruResetBefore": ("gru", {"resetAfter": False}),
}
UNITS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 50, 64, 100, 128, 300)
MASKS = ("none", "left", "right", "gaps", "emptyRows")


def recurrent_case(group, name, kind, config, shape, mask="none", initial=False, scales={}):
    """SimpleRNN, LSTM or GRU on x of `shape` [B, T, D]."""
    B, T, _ = shape
    case = group.case(name, kind, config)
    layer = make_layer(kind, config)
    layer.build(shape)
    variables = set_weights(case, weights_of(layer), scales)
    inputs = {"x": case.generate("inputs", "x", shape, scales.get("x", 1.0))}
    mask = add_mask(case, mask, B, T)
    states = [state + "0" for state in STATES[kind]] if initial else []
    inputs |= {state: case.generate("inputs", state, (B, config["units"])) for state in states}

    def call(tensors):
        given = [tensors[state] for state in states] or None
        outputs = layer(tensors["x"], mask=mask, initial_state=given)
        return named(outputs, ["output", *(STATES[kind] if config.get("returnState") else ())])

    record(case, variables, inputs, call)


def masks(group):
    """Every kind of mask, with every way to run."""
    for variant, (kind, base) in VARIANTS.items():
        for mask in MASKS:
            for i in range(8):
                sequences, backwards, initial = bool(i & 1), bool(i & 2), bool(i & 4)
                flags = ["sequences"] * sequences + ["backwards"] * backwards + ["initial"] * initial
                config = {"units": 7, **base, "returnSequences": sequences, "returnState": True}
                if backwards:
                    config["goBackwards"] = True
                name = "/".join([variant, mask, *flags])
                recurrent_case(group, name, kind, config, (4, 6, 5), mask, initial)


def units(group):
    """Sizes around the vector widths, and large ones."""
    for variant, (kind, base) in VARIANTS.items():
        for size in UNITS:
            config = {"units": size, **base, "returnSequences": True, "returnState": True}
            recurrent_case(group, f"{variant}/{size}", kind, config, (3, 3, 4))
            config = {**config, "returnSequences": False}
            name = f"{variant}/{size}/emptyRows"
            recurrent_case(group, name, kind, config, (9, 3, 4), "emptyRows", initial=True)


def options(group):
    """One step, one row, other sizes, no bias, no states returned, the forget bias."""
    for variant, (kind, base) in VARIANTS.items():
        full = {"units": 6, **base, "returnSequences": True, "returnState": True}

        def add(name, config, shape, **how):
            recurrent_case(group, f"{variant}/{name}", kind, config, shape, **how)

        for B, T in ((3, 1), (1, 4), (1, 1)):
            for mask in ("none", "gaps", "emptyRows"):
                add(f"B{B}T{T}/{mask}", full, (B, T, 3), mask=mask, initial=mask == "gaps")
        for B, T, D in ((2, 3, 1), (5, 2, 17), (33, 2, 3), (16, 2, 64), (2, 40, 3)):
            add(f"B{B}T{T}D{D}", full, (B, T, D), initial=True)
        for initial in (False, True):
            name = "noBias/initial" if initial else "noBias"
            add(name, {**full, "useBias": False}, (3, 4, 3), initial=initial)
            add(name + "/left", {**full, "useBias": False}, (3, 4, 3), mask="left", initial=initial)
        for sequences in (False, True):
            for backwards in (False, True):
                flags = "/sequences" * sequences + "/backwards" * backwards
                config = {"units": 6, **base, "returnSequences": sequences, "goBackwards": backwards}
                add("outputOnly" + flags, config, (3, 4, 3))
    for forget in (True, False):
        config = {"units": 3, "unitForgetBias": forget}
        case = group.case(f"lstm/unitForgetBias-{str(forget).lower()}/bias", "lstm", config)
        layer = make_layer("lstm", config)
        layer.build((1, 1, 2))
        case.store("outputs", "initialBias", layer.cell.bias.numpy())


def cell_activations(group, names=(*ELEMENTWISE, *ROWWISE)):
    """Every activation as activation and as recurrentActivation."""
    for variant, (kind, base) in VARIANTS.items():
        config = {"units": 5, **base, "returnSequences": True, "returnState": True}
        for activation in names:
            keys = ["activation", "recurrentActivation"] if kind != "simpleRNN" else ["activation"]
            for key in keys:
                scales = {"x": 1.5, "kernel": 1.0, "recurrentKernel": 0.7}
                if activation == "exponential":
                    scales = {"x": 0.5, "kernel": 0.5, "recurrentKernel": 0.2}
                name = f"{variant}/{key}/{camel(activation)}"
                with_activation = {**config, key: camel(activation)}
                recurrent_case(group, name, kind, with_activation, (3, 3, 3), scales=scales)


def keras2_activations(group):
    """The same of the activations that Keras 2 had and Keras 3 has not."""
    cell_activations(group, ["hardSigmoidKeras2"])


def stateful(group):
    """Three calls, each from the state where the one before ended."""
    B, D = 3, 4
    for variant, (kind, base) in VARIANTS.items():
        for mask in ("none", "emptyRows"):
            for backwards in (False, True):
                config = {"units": 5, **base, "stateful": True, "returnState": True}
                config |= {"returnSequences": mask == "none", "goBackwards": backwards}
                name = f"{variant}/{mask}" + "/backwards" * backwards
                case = group.case(name, kind, config)
                layer = make_layer(kind, config)
                layer.build((B, None, D))
                variables = set_weights(case, weights_of(layer))
                for call, T in (("1", 4), ("2", 1), ("3", 3)):
                    x = case.generate("inputs", "x" + call, (B, T, D))
                    values = add_mask(case, mask, B, T, "mask" + call)
                    outputs = lambda inputs: named(layer(inputs["x"], mask=values), ["output", *STATES[kind]])
                    record(case, variables, {"x": x}, outputs, suffix=call)


def bidirectional(group):
    """Every merge mode; masked cases start from given states."""
    for variant in ("simpleRNN", "lstm", "gru"):
        for merge in ("concat", "sum", "mul", "ave", None):
            for mask in ("none", "left", "emptyRows"):
                for sequences in (False, True):
                    name = f"{variant}/{merge or 'null'}/{mask}" + "/sequences" * sequences
                    bidirectional_case(group, name, *VARIANTS[variant], merge, mask, sequences)


def bidirectional_case(group, name, kind, base, merge, mask, sequences):
    B, T, D, H = 4, 5, 3, 4
    inner = {"units": H, **base, "returnSequences": sequences, "returnState": True}
    config = {"layer": {"kind": kind, "config": inner}, "mergeMode": merge}
    case = group.case(name, "bidirectional", config)
    layer = make_layer("bidirectional", config)
    layer.build((B, T, D))
    variables = set_weights(case, weights_of(layer))
    inputs = {"x": case.generate("inputs", "x", (B, T, D))}
    values = add_mask(case, mask, B, T)
    states = [side + state.upper() for side in ("forward", "backward") for state in STATES[kind]]
    initial = [state + "0" for state in states] if mask != "none" else []
    inputs |= {key: case.generate("inputs", key, (B, H)) for key in initial}

    def call(tensors):
        given = [tensors[key] for key in initial] or None
        outputs = layer(tensors["x"], mask=values, initial_state=given)
        return named(outputs, (["output"] if merge else ["forwardOutput", "backwardOutput"]) + states)

    record(case, variables, inputs, call)


def stacked_cells(group):
    """RNN over several cells of different kinds and sizes."""
    stacks = {
        "lstm-gru": {"lstm": {"units": 4}, "gru": {"units": 3, "resetAfter": True}},
        "simpleRNN-lstm": {"simpleRNN": {"units": 2}, "lstm": {"units": 5}},
    }
    for stack, cells in stacks.items():
        for mask in ("none", "emptyRows"):
            for sequences in (False, True):
                for backwards in (False, True):
                    name = f"{stack}/{mask}" + "/sequences" * sequences + "/backwards" * backwards
                    stacked_case(group, name, cells, mask, sequences, backwards)


def stacked_case(group, name, cells, mask, sequences, backwards):
    B, T, D = 3, 4, 3
    flags = {"returnSequences": sequences, "returnState": True, "goBackwards": backwards}
    listed = [{"kind": kind, "config": options} for kind, options in cells.items()]
    case = group.case(name, "rnn", {"cells": listed, **flags})
    parts = [
        CELLS[kind](**{snake(key): value for key, value in options.items()})
        for kind, options in cells.items()
    ]
    layer = keras.layers.RNN(parts, **{snake(key): value for key, value in flags.items()})
    layer.build((B, T, D))
    weights = {}
    for index, part in enumerate(parts):
        weights |= weights_of(part, f"{index}.")
    variables = set_weights(case, weights)
    inputs = {"x": case.generate("inputs", "x", (B, T, D))}
    values = add_mask(case, mask, B, T)
    states = [[f"{state}{index}" for state in STATES[kind]] for index, kind in enumerate(cells)]
    for names, options in zip(states, cells.values()):
        shape = (B, options["units"])
        inputs |= {f"{state}0": case.generate("inputs", f"{state}0", shape) for state in names}

    def call(tensors):
        initial = [[tensors[f"{state}0"] for state in names] for names in states]
        output, *final = layer(tensors["x"], mask=values, initial_state=initial)
        outputs = {"output": output}
        for names, value in zip(states, final, strict=True):
            outputs |= named(value, names)
        return outputs

    record(case, variables, inputs, call)
