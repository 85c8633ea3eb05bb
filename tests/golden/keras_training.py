"""The goldens of activations, losses, optimizers and whole models: each function fills one group."""

import keras
import numpy as np
import tensorflow as tf
from golden_file import camel, hash_name, snake, uniform
from keras_cases import ELEMENTWISE, ROWWISE, add_mask, make_layer, make_mask, record, set_weights, weights_of


def activations(group):
    """Values and derivatives from 1e-6 to 1000 on both sides; kinks themselves are avoided."""
    steps = [1e-6, 1e-3, 0.01, 0.1, 0.25, 0.49, 0.51, 0.75, 0.9, 0.99, 1.01, 1.25, 1.5, 1.75, 2, 2.25]
    steps += [2.5, 2.75, 2.99, 3.01, 3.5, 4, 4.5, 5, 5.99, 6.01, 7, 8, 9, 10, 12, 15, 17, 20, 25, 30]
    steps += [40, 50, 80, 90, 100, 1000]
    ladder = np.array([-step for step in reversed(steps)] + steps)
    for activation in (*ELEMENTWISE, "gelu approximate", *ROWWISE, "glu"):
        name, _, approximate = activation.partition(" ")
        config = {"activation": camel(name)}
        function = getattr(keras.activations, name)
        if approximate:
            config["approximate"] = True
            function = lambda x: keras.activations.gelu(x, approximate=True)
        points = ladder[ladder <= 80] if name == "exponential" else ladder
        if name not in ELEMENTWISE:
            points = points.reshape(6, -1)
        case = group.case(camel(activation.replace(" ", "_")) + "/ladder", "activation", config)
        points = case.store("inputs", "x", points)
        record(case, {}, {"x": points}, lambda inputs: {"y": function(inputs["x"])})
        case = group.case(camel(activation.replace(" ", "_")) + "/rows", "activation", config)
        rows = case.generate("inputs", "x", (5, 8), 4.0)
        record(case, {}, {"x": rows}, lambda inputs: {"y": function(inputs["x"])})


LOSSES = {
    "meanSquaredError": keras.losses.MeanSquaredError,
    "meanAbsoluteError": keras.losses.MeanAbsoluteError,
    "categoricalCrossentropy": keras.losses.CategoricalCrossentropy,
    "sparseCategoricalCrossentropy": keras.losses.SparseCategoricalCrossentropy,
    "binaryCrossentropy": keras.losses.BinaryCrossentropy,
}


def loss_case(group, name, loss, config, y_true, y_pred, leading, weighted=False, mask="none"):
    """`y_true(case)` and `y_pred(case)` make the tensors; `leading` is yPred's shape but the last."""
    case = group.case(name, "loss", {"loss": loss, **config})
    targets, predictions = y_true(case), tf.constant(y_pred(case))
    weights = (np.arange(np.prod(leading)) % 4 / 2 + 0.25).reshape(leading)
    sample_weight = case.store("inputs", "sampleWeight", weights) if weighted else None
    mask = add_mask(case, mask, *leading) if mask != "none" else None
    options = {snake(key): value for key, value in config.items()}
    unreduced = LOSSES[loss](**options, reduction="none")(targets, predictions)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        masked = tf.identity(predictions)
        if mask is not None:
            keras.src.backend.set_keras_mask(masked, mask)
        value = LOSSES[loss](**options)(targets, masked, sample_weight=sample_weight)
    case.store("outputs", "perSample", unreduced)
    case.store("outputs", "loss", value)
    case.store("gradients", "yPred", tape.gradient(value, predictions))


def losses(group):
    """The losses; by sample and by step; with sample weights, masks and both."""
    for leading, weighted, mask in (
        ((6,), False, "none"),
        ((6,), True, "none"),
        ((4, 3), False, "none"),
        ((4, 3), True, "none"),
        ((4, 3), False, "emptyRows"),
        ((4, 3), True, "emptyRows"),
    ):
        tail = "/steps" * (len(leading) > 1) + "/weighted" * weighted + "/masked" * (mask != "none")
        regression_losses(group, tail, leading, weighted, mask)
        classification_losses(group, tail, leading, weighted, mask)
    extreme_losses(group)


def regression_losses(group, tail, leading, weighted, mask):
    shape = (*leading, 4)
    y_true = lambda case: case.generate("inputs", "yTrue", shape, 3.0)
    y_pred = lambda case: case.generate("inputs", "yPred", shape, 3.0)
    for loss in ("meanSquaredError", "meanAbsoluteError"):
        loss_case(group, loss + tail, loss, {}, y_true, y_pred, leading, weighted, mask)


def classification_losses(group, tail, leading, weighted, mask):
    C = 4
    labels = (np.arange(np.prod(leading)) * 3 % C).reshape(leading)
    one_hot = np.eye(C)[labels]
    bits = np.maximum(one_hot, np.eye(C)[0])
    targets = {  # by the name in cases: (loss, yTrue, further options)
        "categoricalCrossentropy": ("categoricalCrossentropy", one_hot, {}),
        "categoricalCrossentropy/soft": ("categoricalCrossentropy", one_hot * 0.7 + 0.3 / C, {}),
        "categoricalCrossentropy/smooth": ("categoricalCrossentropy", one_hot, {"labelSmoothing": 0.1}),
        "sparseCategoricalCrossentropy": ("sparseCategoricalCrossentropy", labels, {}),
        "binaryCrossentropy": ("binaryCrossentropy", bits, {}),
        "binaryCrossentropy/smooth": ("binaryCrossentropy", bits, {"labelSmoothing": 0.1}),
    }
    for name, (loss, values, options) in targets.items():
        y_true = lambda case: case.store("inputs", "yTrue", values)

        def logits(case):
            return case.generate("inputs", "yPred", (*leading, C), 3.0)

        def probabilities(case):
            seed = hash_name(f"{case.name} probabilities")
            e = np.exp(2 * uniform(seed, labels.size * C)).reshape(*leading, C)
            return case.store("inputs", "yPred", e / e.sum(-1, keepdims=True))

        for y_pred in (probabilities, logits):
            config = {"fromLogits": y_pred is logits, **options}
            full = f"{name}/{y_pred.__name__}{tail}"
            loss_case(group, full, loss, config, y_true, y_pred, leading, weighted, mask)


def extreme_losses(group):
    """A certain answer, right and wrong; and logits too large for a naive exponential."""
    truth = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    certain = np.array([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
    large = np.array([[90.0, -90, 0], [200, 100, -300], [-1000, 0, 1000]])
    for loss, values in (
        ("categoricalCrossentropy", truth),
        ("sparseCategoricalCrossentropy", truth.argmax(-1)),
        ("binaryCrossentropy", truth),
    ):
        for form, predictions in (("probabilities", certain), ("logits", large)):
            y_true = lambda case: case.store("inputs", "yTrue", values)
            y_pred = lambda case: case.store("inputs", "yPred", predictions)
            config = {"fromLogits": form == "logits"}
            loss_case(group, f"{loss}/{form}/extreme", loss, config, y_true, y_pred, (3,))


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
}
OPTION_NAMES = {  # Keras's options that the mechanical change of case does not give
    "clipNorm": "clipnorm",
    "clipValue": "clipvalue",
    "globalClipNorm": "global_clipnorm",
    "beta1": "beta_1",
    "beta2": "beta_2",
}


def make_optimizer(kind, config):
    options = {OPTION_NAMES.get(key, snake(key)): value for key, value in config.items()}
    return OPTIMIZERS[kind](**options)


def optimizers(group):
    """Five steps on two weights, the clipping limits sometimes reached and sometimes not."""
    forms = {
        "sgd": {"learningRate": 0.1},
        "sgd/momentum": {"learningRate": 0.1, "momentum": 0.9},
        "sgd/nesterov": {"learningRate": 0.1, "momentum": 0.9, "nesterov": True},
        "rmsprop": {"learningRate": 0.01},
        "rmsprop/rho": {"learningRate": 0.01, "rho": 0.5, "epsilon": 0.001},
        "rmsprop/momentum": {"learningRate": 0.01, "momentum": 0.9},
        "rmsprop/centered": {"learningRate": 0.01, "centered": True},
        "rmsprop/centered/momentum": {
            "learningRate": 0.01,
            "centered": True,
            "momentum": 0.9,
        },
        "adam": {"learningRate": 0.01},
        "adam/betas": {
            "learningRate": 0.01,
            "beta1": 0.5,
            "beta2": 0.9,
            "epsilon": 0.001,
        },
        "adam/amsgrad": {"learningRate": 0.01, "amsgrad": True},
    }
    clips = {
        "": {},
        "/clipNorm": {"clipNorm": 1.0},
        "/clipValue": {"clipValue": 0.3},
        "/globalClipNorm": {"globalClipNorm": 1.0},
    }
    for form, settings in forms.items():
        kind = form.partition("/")[0]
        for clip, limit in clips.items():
            config = {**settings, **limit}
            case = group.case(form + clip, "optimizer", {"optimizer": kind, **config})
            optimizer = make_optimizer(kind, config)
            variables = {}
            for key, shape in (("a", (3, 4)), ("b", (5,))):
                variables[key] = keras.Variable(case.generate("weights", key, shape), name=key)
            optimizer.build(list(variables.values()))
            for step, scale in enumerate((0.2, 2.0, 0.5, 5.0, 0.1), start=1):
                gradients = [
                    tf.constant(case.generate("inputs", f"gradient{step}.{key}", variable.shape, scale))
                    for key, variable in variables.items()
                ]
                optimizer.apply(gradients, list(variables.values()))
                for key, variable in variables.items():
                    case.store("outputs", f"{key}{step}", variable.numpy())


def models(group):
    """Sequential models, each trained for three steps on the same batch."""
    B, T, D, C = 6, 5, 3, 4
    labels = np.arange(B) * 3 % C
    sample_weight = np.arange(B) % 3 + 0.5

    def spec(kind, **config):
        return {"kind": kind, "config": config}

    adam = spec("adam", learningRate=0.01)
    softmax, linear = spec("dense", units=C, activation="softmax"), spec("dense", units=C)
    first, second = spec("lstm", units=8, returnSequences=True), spec("lstm", units=6)
    both_ways = spec("bidirectional", layer=spec("lstm", units=4), mergeMode="concat")
    masking = spec("masking", maskValue=0.0)
    sequence_gru = spec("gru", units=5, returnSequences=True)
    one_hot = spec("categoricalCrossentropy")
    sparse = spec("sparseCategoricalCrossentropy")
    sparse_logits = spec("sparseCategoricalCrossentropy", fromLogits=True)

    def add(name, layers, optimizer, loss, y, weighted=False):
        model_case(group, name, (B, T, D), layers, optimizer, loss, y, sample_weight if weighted else None)

    add("lstm-lstm/adam", [first, second, softmax], adam, one_hot, np.eye(C)[labels])
    add(
        "lstm-lstm/logits",
        [first, second, linear],
        spec("adam", learningRate=0.01, globalClipNorm=0.05),
        sparse_logits,
        labels,
        weighted=True,
    )
    add("bilstm/adam", [both_ways, softmax], adam, sparse, labels)
    add(
        "simpleRNN/momentum",
        [spec("simpleRNN", units=5), linear],
        spec("sgd", learningRate=0.1, momentum=0.9),
        spec("meanSquaredError"),
        (B, C),
        weighted=True,
    )
    add(
        "masked-gru/rmsprop",
        [masking, sequence_gru, linear],
        spec("rmsprop", learningRate=0.01),
        spec("meanAbsoluteError"),
        (B, T, C),
    )
    add(
        "masked-lstm-gru/adam",
        [masking, first, spec("gru", units=5), softmax],
        adam,
        one_hot,
        np.eye(C)[labels],
        weighted=True,
    )


def model_case(group, name, shape, layers, optimizer, loss, y, sample_weight):
    """`y` is the target itself, or the shape of a generated one."""
    case = group.case(name, "sequential", {"layers": layers, "optimizer": optimizer, "loss": loss})
    if layers[0]["kind"] == "masking":
        x = 2 * uniform(hash_name(name), np.prod(shape)).reshape(shape)
        x = case.store("inputs", "x", x * make_mask("right", *shape[:2])[:, :, None])
    else:
        x = case.generate("inputs", "x", shape, 2.0)
    y = case.generate("inputs", "y", y) if isinstance(y, tuple) else case.store("inputs", "y", y)
    if sample_weight is not None:
        case.store("inputs", "sampleWeight", sample_weight)

    model = keras.Sequential([keras.Input(shape[1:]), *(make_layer(**layer) for layer in layers)])
    weights = {}
    for index, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Bidirectional):
            weights |= weights_of(layer.forward_layer, f"{index}.forward.")
            weights |= weights_of(layer.backward_layer, f"{index}.backward.")
        else:
            weights |= weights_of(layer, f"{index}.")
    set_weights(case, weights)
    case.store("outputs", "prediction", model.predict_on_batch(x))
    options = {snake(key): value for key, value in loss["config"].items()}
    model.compile(make_optimizer(**optimizer), LOSSES[loss["kind"]](**options), jit_compile=False)
    for step in (1, 2, 3):
        model.reset_metrics()
        value = model.train_on_batch(x, y, sample_weight=sample_weight)
        case.store("outputs", f"loss{step}", np.float64(value))
        for key, variable in weights.items():
            case.store("outputs", f"{step}.{key}", variable.numpy())
