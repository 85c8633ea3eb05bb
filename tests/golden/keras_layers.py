"""The goldens of activations and of layers without recurrence: each function fills one group."""

import keras
import numpy as np
import tensorflow as tf
from golden_file import camel
from keras_cases import (
    ELEMENTWISE,
    OWN,
    ROWWISE,
    add_mask,
    make_layer,
    make_mask,
    record,
    set_weights,
    spec,
    weights_of,
)
from keras.src.backend import get_keras_mask, set_keras_mask

MASKS = ("none", "left", "right", "gaps", "emptyRows")


def activations(group):
    """Values and derivatives from 1e-6 to 1000 on both sides; kinks themselves are avoided."""
    steps = [1e-6, 1e-3, 0.01, 0.1, 0.25, 0.49, 0.51, 0.75, 0.9, 0.99, 1.01, 1.25, 1.5, 1.75, 2, 2.25]
    steps += [2.5, 2.75, 2.99, 3.01, 3.5, 4, 4.5, 5, 5.99, 6.01, 7, 8, 9, 10, 12, 15, 17, 20, 25, 30]
    steps += [40, 50, 80, 90, 100, 1000]
    ladder = np.array([-step for step in reversed(steps)] + steps)
    for activation in (*ELEMENTWISE, "gelu approximate", *ROWWISE, "glu"):
        name, _, approximate = activation.partition(" ")
        config = {"activation": camel(name)}
        function = OWN.get(name) or getattr(keras.activations, name)
        if approximate:
            config["approximate"] = True
            function = lambda x: keras.activations.gelu(x, approximate=True)
        points = ladder[ladder <= 80] if name == "exponential" else ladder
        if name not in ELEMENTWISE:
            points = points.reshape(6, -1) * (0.97 if name == "sparsemax" else 1)  # its kinks: differences of 1
        case = group.case(camel(activation.replace(" ", "_")) + "/ladder", "activation", config)
        points = case.store("inputs", "x", points)
        record(case, {}, {"x": points}, lambda inputs: {"y": function(inputs["x"])})
        case = group.case(camel(activation.replace(" ", "_")) + "/rows", "activation", config)
        rows = case.generate("inputs", "x", (5, 8), 4.0)
        record(case, {}, {"x": rows}, lambda inputs: {"y": function(inputs["x"])})
    case = group.case("sparsemax/asInKeras", "activation", {"activation": "sparsemax"})
    rows = case.generate("inputs", "x", (5, 8), 4.0)
    record(case, {}, {"x": rows}, lambda inputs: {"y": keras.activations.sparsemax(inputs["x"])})


def layer_case(group, name, config, inputs, masks=(), explicit=False):
    """
    `inputs` are shapes, or tensors to store; `masks` of each input a kind of mask, None, or a mask to store.
    The layer gets the masks with its inputs; with `explicit` as an argument.
    """
    kind = name.partition("/")[0]
    case = group.case(name, kind, config)
    keys = [f"x{index}" for index in range(len(inputs))] if len(inputs) > 1 else ["x"]
    tensors, given = {}, {}
    for index, (key, value) in enumerate(zip(keys, inputs)):
        shaped = isinstance(value, tuple)
        place = "inputs", key, value
        tensors[key] = case.generate(*place, 2.0) if shaped else case.store(*place)
        mask = masks[index] if index < len(masks) else None
        name_of_mask = key.replace("x", "mask")
        if isinstance(mask, str):
            given[key] = add_mask(case, mask, *tensors[key].shape[:2], key=name_of_mask)
        elif mask is not None:
            given[key] = tf.constant(case.store("inputs", name_of_mask, mask) > 0)
    layer = make_layer(kind, config)
    shapes = [tensor.shape for tensor in tensors.values()]
    layer.build(shapes if len(shapes) > 1 else shapes[0])
    variables = set_weights(case, weights_of(layer))
    passed = []

    def call(watched):
        xs = [tf.identity(watched[key]) for key in keys]
        if not explicit:
            for key, x in zip(keys, xs):
                if given.get(key) is not None:
                    set_keras_mask(x, given[key])
        options = {"mask": given["x"]} if explicit else {}
        output = layer(xs if len(xs) > 1 else xs[0], **options)
        passed.append(get_keras_mask(output))
        return {"output": output} | ({"penalty": tf.add_n(layer.losses)} if layer.losses else {})

    record(case, variables, tensors, call)
    if passed[0] is not None:
        case.store("outputs", "outputMask", passed[0])


def embedding(group):
    """Ids, some of them twice, to rows of a table; the gradient is that of the whole table."""
    ids = np.array([[3, 1, 4, 0], [1, 0, 0, 0], [2, 3, 3, 0]])
    for name, config in {"plain": {}, "maskZero": {"maskZero": True}}.items():
        for tail, x in (("", ids), ("/rank1", ids[:, 0]), ("/rank3", ids.reshape(3, 2, 2))):
            config = {"inputDim": 6, "outputDim": 3, **config}
            case = group.case(f"embedding/{name}{tail}", "embedding", config)
            layer = make_layer("embedding", config)
            layer.build(x.shape)
            variables = set_weights(case, weights_of(layer), {"embeddings": 1.0})
            rows = case.store("inputs", "x", x).astype("int32")
            record(case, variables, {}, lambda _: {"output": layer(rows)})
            mask = get_keras_mask(layer(rows))
            if mask is not None:
                case.store("outputs", "outputMask", mask)


def time_distributed(group):
    """Layers of all ranks inside; masks of the steps, and of the steps within."""
    dense = spec("dense", units=3, activation="tanh")

    def add(name, layer, shape, mask=None):
        layer_case(group, f"timeDistributed/{name}", {"layer": layer}, [shape], [mask])

    for mask in MASKS:
        add(f"dense/{mask}", dense, (4, 5, 2), mask)
    add("dense/noBias", spec("dense", units=2, useBias=False), (2, 3, 4))
    add("dense/rank4", dense, (2, 3, 2, 4))
    add("nested", spec("timeDistributed", layer=dense), (2, 3, 2, 4))
    add("flatten", spec("flatten"), (2, 3, 2, 4), "right")
    add("layerNormalization", spec("layerNormalization"), (2, 3, 4), "right")
    add("repeatVector", spec("repeatVector", n=2), (2, 3, 4))
    add("globalMaxPooling1d", spec("globalMaxPooling1d"), (2, 3, 4, 2))
    add("globalAveragePooling1d", spec("globalAveragePooling1d"), (2, 3, 4, 2))
    inner = np.stack([make_mask(kind, 3, 4) for kind in ("right", "left")], axis=1)
    for name, layer in {
        "lstm": spec("lstm", units=3),
        "lstm/sequences": spec("lstm", units=3, returnSequences=True),
        "gru/backwards": spec("gru", units=2, goBackwards=True),
        "simpleRNN": spec("simpleRNN", units=3),
        "bidirectional": spec("bidirectional", layer=spec("lstm", units=2)),
    }.items():
        add(name, layer, (3, 2, 4, 2))
        add(f"{name}/innerMask", layer, (3, 2, 4, 2), inner)


def reshaping(group):
    """Layers that repeat, permute, pad and cut; what they do with a mask."""
    layer_case(group, "repeatVector", {"n": 3}, [(2, 4)])
    layer_case(group, "repeatVector/1", {"n": 1}, [(2, 4)])
    for dims, shape in (([2, 1], (2, 3, 4)), ([3, 1, 2], (2, 2, 3, 4)), ([1, 2], (2, 3, 4))):
        layer_case(group, f"permute/{''.join(map(str, dims))}", {"dims": dims}, [shape])
    layer_case(group, "permute/masked", {"dims": [2, 1]}, [(3, 4, 2)], ["right"])
    for kind, key, amounts in (
        ("zeroPadding1d", "padding", (1, 2, [1, 0], [2, 3])),
        ("cropping1d", "cropping", (1, 2, [1, 0], [2, 1])),
    ):
        layer_case(group, f"{kind}/default", {}, [(2, 5, 2)])
        for amount in amounts:
            tail = "".join(map(str, amount)) if isinstance(amount, list) else amount
            layer_case(group, f"{kind}/{tail}", {key: amount}, [(2, 5, 2)])
        layer_case(group, f"{kind}/masked", {key: [1, 2]}, [(3, 5, 2)], ["gaps"])


def merging(group):
    """Layers of several inputs: equal and broadcast shapes; masks of all, of some and of none."""
    three = [(3, 4, 2)] * 3
    two = three[:2]
    for kind in ("add", "subtract", "multiply", "average", "maximum", "minimum"):

        def add(name, inputs, masks=()):
            layer_case(group, f"{kind}/{name}", {}, inputs, masks)

        add("two", two)
        if kind != "subtract":
            add("three", three, ["left", "gaps", "right"])
        add("masked", two, ["left", "right"])
        add("oneMasked", two, [None, "right"])
        add("broadcast", [(3, 4, 2), (3, 1, 2)])
        add("ranks", [(3, 4, 2), (3, 2)])
    ties = [np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]]), np.array([[1.0, 1.0, 0.0], [2.0, -1.0, 3.0]])]
    for kind in ("maximum", "minimum"):
        layer_case(group, f"{kind}/ties", {}, ties)
    for name, axis, inputs in (
        ("default", None, [(3, 4, 2), (3, 4, 3)]),
        ("rank2", -1, [(3, 2), (3, 1), (3, 4)]),
        ("axis1", 1, [(3, 4, 2), (3, 2, 2)]),
        ("axis2", 2, [(3, 4, 2), (3, 4, 1), (3, 4, 2)]),
        ("axis-2", -2, [(3, 4, 2), (3, 2, 2)]),
    ):
        config = {} if axis is None else {"axis": axis}
        layer_case(group, f"concatenate/{name}", config, inputs)
        if len(inputs[0]) == 3:
            masks = ["left", "right", "gaps"][: len(inputs)]
            layer_case(group, f"concatenate/{name}/masked", config, inputs, masks)
            layer_case(group, f"concatenate/{name}/oneMasked", config, inputs, [None, "emptyRows"])
    for name, axes, inputs in (
        ("vectors", 1, [(3, 4), (3, 4)]),
        ("last", -1, [(3, 2, 4), (3, 3, 4)]),
        ("axis1", 1, [(3, 4, 2), (3, 4, 3)]),
        ("axes21", [2, 1], [(3, 2, 4), (3, 4, 3)]),
        ("axes12", [1, 2], [(3, 4, 2), (3, 3, 4)]),
        ("ranks32", [2, 1], [(3, 2, 4), (3, 4)]),
        ("ranks23", [1, 2], [(3, 4), (3, 2, 4)]),
    ):
        for normalize in (False, True):
            config = {"axes": axes, "normalize": normalize}
            layer_case(group, f"dot/{name}" + "/normalize" * normalize, config, inputs)
    layer_case(group, "dot/masked", {"axes": [2, 2]}, [(3, 2, 4), (3, 3, 4)], ["left", "right"])


def pooling(group):
    """Over all steps. Keras's maximum ignores a mask; its mean of no steps is NaN, and not here."""
    for kind, masks in (("globalMaxPooling1d", MASKS), ("globalAveragePooling1d", MASKS[:-1])):
        for keepdims in (False, True):
            for mask in masks:
                name = f"{kind}/{mask}" + "/keepdims" * keepdims
                layer_case(group, name, {"keepdims": keepdims}, [(4, 5, 2)], [mask])
    ties = np.array([[[1.0, 2], [3, 2], [3, 0]], [[0, 0], [0, 0], [0, -1]]])
    layer_case(group, "globalMaxPooling1d/ties", {}, [ties])


def windows(group):
    """Convolutions and pools over time and pictures, and what resizes pictures."""

    def conv(name, shape, mask=None, **config):
        layer_case(group, name, {"filters": 4, "kernelSize": 3, **config}, [shape], [mask])

    for mask in ("none", "right", "gaps"):
        conv(f"conv1d/{mask}", (3, 6, 2), None if mask == "none" else mask, activation="relu")
    conv("conv1d/same", (2, 7, 3), padding="same", strides=2, activation="tanh")
    conv("conv1d/causal", (2, 6, 3), padding="causal", dilationRate=2)
    conv("conv1d/groups", (2, 6, 4), groups=2, padding="same", useBias=False)
    conv("conv1d/even", (2, 5, 2), kernelSize=4, padding="same", activation="sigmoid")
    conv("conv2d/default", (2, 5, 6, 3), activation="relu")
    conv("conv2d/same", (2, 5, 6, 2), kernelSize=[2, 3], padding="same", filters=17)
    conv("conv2d/strides", (2, 7, 6, 2), strides=[2, 3], padding="same", activation="elu")
    conv("conv2d/stridesInside", (1, 8, 7, 1), strides=2)
    conv("conv2d/dilation", (2, 7, 8, 2), dilationRate=[2, 1], activation="leakyRelu")
    conv("conv2d/softmax", (2, 4, 4, 2), activation="softmax", kernelSize=2)
    conv("conv2d/groups", (2, 5, 5, 4), groups=2, kernelSize=2)
    inside = spec("conv2d", filters=3, kernelSize=2, activation="relu")
    layer_case(group, "timeDistributed/conv2d", {"layer": inside}, [(2, 3, 4, 5, 2)], ["right"])
    for padding in ("valid", "same"):
        for kind in ("max", "average"):
            one, two = f"{kind}Pooling1d/{padding}", f"{kind}Pooling2d/{padding}"
            layer_case(group, one, {"poolSize": 3, "strides": 2, "padding": padding}, [(2, 8, 3)])
            layer_case(group, two, {"poolSize": [2, 3], "padding": padding}, [(2, 5, 7, 2)])
            overlap = {"poolSize": 3, "strides": [1, 2], "padding": padding}
            layer_case(group, f"{two}/overlap", overlap, [(2, 5, 6, 17)])
        layer_case(group, f"maxPooling3d/{padding}", {"padding": padding}, [(2, 4, 5, 3, 2)])
    ties = np.array([1.0, 2, 2, 2, 1, 3, 3, 3, 3, 3, 0, 0, 0, 0, -1, 0]).reshape(1, 4, 4, 1)
    layer_case(group, "maxPooling2d/ties", {}, [ties])
    for kind in ("globalMaxPooling2d", "globalAveragePooling2d"):
        for keepdims in (False, True):
            layer_case(group, f"{kind}/{keepdims}", {"keepdims": keepdims}, [(2, 3, 4, 5)])
    layer_case(group, "zeroPadding2d/pairs", {"padding": [[1, 2], [0, 3]]}, [(2, 3, 2, 2)])
    layer_case(group, "zeroPadding2d/two", {"padding": [1, 2]}, [(2, 3, 2, 2)])
    layer_case(group, "cropping2d/pairs", {"cropping": [[1, 0], [2, 1]]}, [(2, 4, 5, 2)])
    layer_case(group, "upSampling1d/three", {"size": 3}, [(2, 3, 2)])
    layer_case(group, "upSampling2d/two", {"size": [2, 3]}, [(2, 3, 2, 2)])
    for name, config in {
        "default": {},
        "sequences": {"returnSequences": True, "padding": "same", "strides": 2},
        "backwards": {"goBackwards": True, "returnSequences": True, "useBias": False},
        "dilation": {"dilationRate": 2, "recurrentActivation": "hardSigmoid", "activation": "relu"},
    }.items():
        config = {"filters": 2, "kernelSize": 2, **config}
        layer_case(group, f"convLstm1d/{name}", config, [(2, 3, 6, 2)])
        layer_case(group, f"convLstm2d/{name}", config, [(2, 3, 4, 5, 2)])
    for mask in ("left", "right", "gaps"):
        config = {"filters": 2, "kernelSize": [3, 2], "padding": "same"}
        layer_case(group, f"convLstm2d/{mask}", config, [(3, 4, 3, 4, 2)], [mask])


def normalization(group):
    """Batch normalisation: two calls in training, one after it; layer and unit normalisation."""
    for name, config in {
        "default": {},
        "momentum": {"momentum": 0.8},
        "epsilon": {"epsilon": 0.1},
        "noCenter": {"center": False},
        "noScale": {"scale": False},
        "plain": {"center": False, "scale": False},
        "axis1": {"axis": 1, "momentum": 0.9},
        "axis2": {"axis": 2, "momentum": 0.9},
        "fixed": {"trainable": False},
    }.items():
        batch_normalization_case(group, f"batchNormalization/{name}", config, (3, 4, 2))
    batch_normalization_case(group, "batchNormalization/rank2", {"momentum": 0.9}, (6, 3))
    batch_normalization_case(group, "batchNormalization/rank4", {"momentum": 0.9}, (2, 3, 2, 2))
    for mask in MASKS[1:]:
        batch_normalization_case(group, f"batchNormalization/{mask}", {"momentum": 0.8}, (4, 3, 2), mask)
    for name, config in {
        "default": {},
        "axis1": {"axis": 1},
        "axis2": {"axis": 2},
        "axes12": {"axis": [1, 2]},
        "noCenter": {"center": False},
        "noScale": {"scale": False},
        "plain": {"center": False, "scale": False},
        "epsilon": {"epsilon": 0.1},
        "rms": {"rmsScaling": True},
    }.items():
        layer_case(group, f"layerNormalization/{name}", config, [(3, 4, 5)])
    layer_case(group, "layerNormalization/rank2", {}, [(3, 5)])
    layer_case(group, "layerNormalization/masked", {}, [(3, 4, 5)], ["right"])
    for name, axis in (("default", -1), ("axis1", 1), ("axes12", [1, 2])):
        layer_case(group, f"unitNormalization/{name}", {"axis": axis}, [(3, 4, 3)], ["right"])


def batch_normalization_case(group, name, config, shape, mask="none"):
    case = group.case(name, "batchNormalization", config)
    layer = make_layer("batchNormalization", config)
    layer.build(shape)
    variables = set_weights(case, weights_of(layer))
    for call in ("1", "2", "3"):
        x = case.generate("inputs", "x" + call, shape, float(call))
        values = add_mask(case, mask, *shape[:2], key="mask" + call) if mask != "none" else None
        run = lambda inputs: {"output": layer(inputs["x"], training=call != "3", mask=values)}
        record(case, variables, {"x": x}, run, suffix=call)
        if call != "3":
            case.store("outputs", f"movingMean{call}", layer.moving_mean.numpy())
            case.store("outputs", f"movingVariance{call}", layer.moving_variance.numpy())


def elementwise_layers(group):
    """Activations as layers, penalties of activations, and noise where there is none (in inference)."""
    for name, config in {
        "leakyReLU": {},
        "leakyReLU/slope": {"negativeSlope": 0.1},
        "elu": {},
        "elu/alpha": {"alpha": 0.5},
        "reLU": {},
        "reLU/maxValue": {"maxValue": 1.0},
        "reLU/slope": {"negativeSlope": 0.25},
        "reLU/threshold": {"threshold": 0.5},
        "reLU/all": {"maxValue": 1.5, "negativeSlope": 0.1, "threshold": 0.25},
    }.items():
        layer_case(group, name, config, [(3, 4, 3)], ["right"])
    layer_case(group, "softmax", {}, [(3, 4, 3)])
    layer_case(group, "softmax/axis1", {"axis": 1}, [(3, 4, 3)])
    layer_case(group, "softmax/axes12", {"axis": [1, 2]}, [(3, 4, 3)])
    for mask in MASKS[1:]:
        layer_case(group, f"softmax/{mask}", {}, [(4, 5)], [mask], explicit=True)
    full = make_mask("gaps", 6, 4).reshape(2, 3, 4)
    full[0, 1] = 0
    layer_case(group, "softmax/mask3", {}, [(2, 3, 4)], [full], explicit=True)
    layer_case(group, "softmax/mask3/axis1", {"axis": 1}, [(2, 3, 4)], [full], explicit=True)
    for name, config in {"l1": {"l1": 0.3}, "l2": {"l2": 0.2}, "l1l2": {"l1": 0.1, "l2": 0.3}}.items():
        layer_case(group, f"activityRegularization/{name}", config, [(4, 3, 2)])
    layer_case(group, "activityRegularization/masked", {"l2": 0.2}, [(4, 3, 2)], ["right"])
    layer_case(group, "activityRegularization/rank2", {"l1": 0.2}, [(4, 3)])
    for kind, config in (
        ("dropout", {"rate": 0.5}),
        ("gaussianNoise", {"stddev": 0.5}),
        ("spatialDropout1d", {"rate": 0.5}),
    ):
        layer_case(group, f"{kind}/inference", config, [(3, 4, 2)], ["right"])
