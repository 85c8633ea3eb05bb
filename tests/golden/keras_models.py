"""The goldens of whole models: each function fills one group."""

import keras
import numpy as np
import tensorflow as tf
from golden_file import hash_name, snake, uniform
from keras_cases import graph_of, make_layer, make_mask, set_weights, spec, weights_of
from keras_losses import make_loss
from keras_optimizers import make_optimizer


def models(group):
    """Sequential models, each trained for three steps on the same batch."""
    B, T, D, C = 6, 5, 3, 4
    labels = np.arange(B) * 3 % C
    sample_weight = np.arange(B) % 3 + 0.5

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


def padded(name, shape):
    """Sequences of every length in turn, zeros after their ends."""
    x = 2 * uniform(hash_name(name), np.prod(shape)).reshape(shape)
    return x * make_mask("right", *shape[:2])[:, :, None]


def model_case(group, name, shape, layers, optimizer, loss, y, sample_weight=None, steps=None):
    """`y` is the target itself, or the shape of a generated one. With `steps`, all losses are one tensor."""
    config = {"layers": layers, "optimizer": optimizer, "loss": loss} | ({"steps": steps} if steps else {})
    case = group.case(name, "sequential", config)
    if layers[0]["kind"] == "masking":
        x = case.store("inputs", "x", padded(name, shape))
    elif layers[0]["kind"] in ("embedding", "sparseEmbedding"):
        ids = np.arange(np.prod(shape)).reshape(shape) ** 2 % layers[0]["config"]["inputDim"]
        x = case.store("inputs", "x", ids * make_mask("right", *shape)).astype("int32")
    else:
        x = case.generate("inputs", "x", shape, 2.0)
    y = case.generate("inputs", "y", y) if isinstance(y, tuple) else case.store("inputs", "y", y)
    if sample_weight is not None:
        case.store("inputs", "sampleWeight", sample_weight)

    given = keras.Input(shape[1:], dtype=str(x.dtype))
    model = keras.Sequential([given, *(make_layer(**layer) for layer in layers)])
    weights = {}
    for index, layer in enumerate(model.layers):
        weights |= weights_of(layer, f"{index}.")
    set_weights(case, weights)
    case.store("outputs", "prediction", model.predict_on_batch(x))
    model.compile(make_optimizer(**optimizer), make_loss(**loss), jit_compile=False)
    if steps:
        record_gradients(case, model, weights, x, y, sample_weight)
    losses = []
    for step in range(1, (steps or 3) + 1):
        model.reset_metrics()
        losses.append(np.float64(model.train_on_batch(x, y, sample_weight=sample_weight)))
        if not steps:
            case.store("outputs", f"loss{step}", losses[-1])
        if not steps or step in (1, steps):
            for key, variable in weights.items():
                case.store("outputs", f"{step}.{key}", variable.numpy())
    if steps:
        case.store("outputs", "loss", losses)


def record_gradients(case, model, weights, x, y, sample_weight):
    """Stores the gradients of the loss under what is trained; the model stays as it is."""
    before = {key: variable.numpy() for key, variable in weights.items()}
    x, y, sample_weight = keras.tree.map_structure(
        lambda value: None if value is None else tf.constant(value), (x, y, sample_weight)
    )
    trained = {key: variable.value for key, variable in weights.items() if variable.trainable}
    with tf.GradientTape() as tape:
        predicted = model(x, training=True)
        loss = model.compute_loss(x, y, predicted, sample_weight, training=True)
    for key, gradient in tape.gradient(loss, trained).items():
        case.store("gradients", key, tf.convert_to_tensor(gradient))  # a table's may be sparse
    for key, variable in weights.items():
        variable.assign(before[key])


def penalized(group):
    """Sequential models with regularizers and constraints, trained for ten steps on one batch."""
    B, T, D, C = 4, 3, 3, 2
    adam, sgd = spec("adam", learningRate=0.05), spec("sgd", learningRate=0.1, momentum=0.5)
    mse = spec("meanSquaredError")
    linear = spec("dense", units=C)
    l1, l2 = spec("l1", l1=0.02), spec("l2", l2=0.05)
    regularized = {
        "kernelRegularizer": spec("l1l2", l1=0.01, l2=0.02),
        "recurrentRegularizer": l2,
        "biasRegularizer": l1,
    }
    constrained = {
        "kernelConstraint": spec("maxNorm", maxValue=1.0),
        "recurrentConstraint": spec("unitNorm", axis=1),
        "biasConstraint": spec("nonNeg"),
    }
    norms = {
        "kernelConstraint": spec("minMaxNorm", minValue=0.5, maxValue=1.0, rate=0.6),
        "recurrentConstraint": spec("maxNorm", maxValue=0.5),
        "recurrentRegularizer": spec("orthogonalRegularizer", factor=0.3, mode="columns"),
    }
    dense = {key: regularized[key] for key in ("kernelRegularizer", "biasRegularizer")}
    dense_constrained = {key: constrained[key] for key in ("kernelConstraint", "biasConstraint")}
    both_ways = spec("bidirectional", layer=spec("lstm", units=2, **regularized, **constrained))
    normalized = spec(
        "batchNormalization",
        momentum=0.7,
        gammaRegularizer=l2,
        betaRegularizer=l1,
        gammaConstraint=spec("maxNorm", maxValue=1.0),
        betaConstraint=spec("nonNeg"),
    )
    sequences = {"units": 3, "returnSequences": True}

    def add(name, layers, optimizer=adam, shape=(B, T, D), y=(B, C), **how):
        model_case(group, name, shape, layers, optimizer, mse, y, steps=10, **how)

    add("dense/regularized", [spec("dense", units=3, activation="tanh", **dense), linear], shape=(B, D))
    add("dense/constrained", [spec("dense", units=3, **dense_constrained), linear], shape=(B, D))
    add("dense/activity", [spec("dense", units=3, activityRegularizer=l2), linear], shape=(B, D))
    add(
        "dense/activity/weighted",
        [spec("dense", units=3, activityRegularizer=l1, **dense), linear],
        sgd,
        shape=(B, D),
        sample_weight=np.arange(B) / 2,
    )
    add("lstm/regularized", [spec("lstm", units=3, **regularized), linear])
    add("lstm/constrained", [spec("lstm", units=3, **constrained), linear], sgd)
    add("lstm/activity", [spec("lstm", **sequences, activityRegularizer=l2), spec("gru", units=2)])
    add("gru/regularized", [spec("gru", units=3, **regularized), linear], sgd)
    add("gru/constrained", [spec("gru", units=3, **constrained), linear])
    add("simpleRNN/norms", [spec("simpleRNN", units=3, **norms), linear])
    add("bidirectional/both", [both_ways, linear])
    per_step = spec("timeDistributed", layer=spec("dense", units=2, **dense))
    add("timeDistributed/regularized", [per_step], y=(B, T, C))
    # Without a bias before it, whose gradient would be 0 and Adam's step its rounding.
    add("batchNormalization/both", [spec("dense", units=3, useBias=False), normalized, linear], shape=(B, D))
    add("layerNormalization", [spec("lstm", units=3), spec("layerNormalization"), linear])
    penalty = spec("activityRegularization", l1=0.05, l2=0.1)
    add("activityRegularization", [spec("dense", units=3), penalty, linear], shape=(B, D))
    masking = spec("masking", maskValue=0.0)
    add("masked/activity", [masking, spec("lstm", **sequences, activityRegularizer=l2), spec("gru", units=2)])
    counted = spec("unmaskedActivity", l2=0.05)
    add("masked/activity/unmasked", [masking, spec("lstm", **sequences), counted, spec("gru", units=2)])
    table = {"inputDim": 6, "outputDim": 2, "maskZero": True}
    for name, options, optimizer in (
        ("adam", {}, adam),
        ("sgd", {}, sgd),
        ("rmsprop", {}, spec("rmsprop", learningRate=0.02)),
        ("adagrad", {}, spec("adagrad", learningRate=0.1)),
        ("both", {"embeddingsRegularizer": l2, "embeddingsConstraint": spec("unitNorm", axis=1)}, adam),
    ):
        layers = [spec("embedding", **table, **options), spec("gru", units=3), linear]
        add(f"embedding/{name}", layers, optimizer, shape=(B, 4))
    layers = [spec("sparseEmbedding", **table), spec("gru", units=3), linear]
    add("embedding/adam/asInKeras", layers, adam, shape=(B, 4))
    clipped = spec("adam", learningRate=0.05, weightDecay=0.1, globalClipNorm=0.5)
    add("clipped/decayed", [spec("gru", units=3, **regularized, **constrained), linear], clipped)


def functional(group):
    """Models of several inputs and outputs and of shared and nested layers, trained for ten steps on one batch."""
    B, T, D, K, C = 4, 3, 2, 3, 3
    adam = spec("adam", learningRate=0.02)
    labels = np.arange(B) * 2 % C
    steps = np.arange(B * T).reshape(B, T) * 2 % C
    softmax, linear = spec("dense", units=C, activation="softmax"), spec("dense", units=1)
    sparse, mse = spec("sparseCategoricalCrossentropy"), spec("meanSquaredError")
    sequences, rows = (B, T, D), (B, K)

    functional_case(
        group,
        "twoInputs",
        inputs={"words": sequences, "facts": rows},
        layers={
            "reader": spec("lstm", units=3),
            "hidden": spec("dense", units=2, activation="relu"),
            "joined": spec("concatenate"),
            "label": softmax,
        },
        calls=[
            ("reader", ["words"]),
            ("hidden", ["facts"]),
            ("joined", ["reader", "hidden"]),
            ("label", ["joined"]),
        ],
        outputs={"label": labels},
        training={"optimizer": adam, "loss": sparse, "metrics": ["accuracy"]},
    )
    functional_case(
        group,
        "shared",
        inputs={"left": sequences, "right": sequences},
        layers={
            "encoder": spec("gru", units=3, kernelRegularizer=spec("l2", l2=0.02)),
            "difference": spec("subtract"),
            "same": spec("dense", units=1, activation="sigmoid"),
        },
        calls=[
            ("encoder", ["left"], "first"),
            ("encoder", ["right"], "second"),
            ("difference", ["first", "second"]),
            ("same", ["difference"]),
        ],
        outputs={"same": np.array([[0], [1], [1], [0]])},
        training={"optimizer": adam, "loss": spec("binaryCrossentropy"), "metrics": ["accuracy"]},
    )
    functional_case(
        group,
        "sharedNormalization",
        inputs={"left": rows, "right": rows},
        layers={
            "normal": spec("batchNormalization", momentum=0.8),
            "product": spec("multiply"),
            "value": linear,
        },
        calls=[
            ("normal", ["left"], "first"),
            ("normal", ["right"], "second"),
            ("product", ["first", "second"]),
            ("value", ["product"]),
        ],
        outputs={"value": (B, 1)},
        training={"optimizer": spec("sgd", learningRate=0.05), "loss": mse},
    )
    two_outputs = {
        "inputs": {"words": sequences},
        "layers": {"reader": spec("lstm", units=3, returnSequences=True), "last": spec("gru", units=2)}
        | {"a": spec("timeDistributed", layer=softmax), "b": linear},
        "calls": [("reader", ["words"]), ("a", ["reader"]), ("last", ["reader"]), ("b", ["last"])],
        "outputs": {"a": steps, "b": (B, 1)},
    }
    losses = {"loss": {"a": sparse, "b": mse}, "optimizer": adam}
    metrics = {"metrics": {"a": ["accuracy"], "b": ["meanAbsoluteError"]}}
    functional_case(group, "twoOutputs", **two_outputs, training=losses | metrics)
    weighed = losses | metrics | {"lossWeights": {"a": 0.3, "b": 2.0}}
    functional_case(group, "twoOutputs/lossWeights", **two_outputs, training=weighed)
    functional_case(
        group,
        "twoOutputs/weighted",
        **two_outputs,
        training=losses | {"lossWeights": {"a": 0.5, "b": 1.5}, "weightedMetrics": metrics["metrics"]},
        sample_weights={"a": np.arange(B * T).reshape(B, T) % 4 / 2, "b": np.arange(B) / 2 + 0.5},
    )
    masked = two_outputs | {
        "layers": {"masked": spec("masking", maskValue=0.0)} | two_outputs["layers"],
        "calls": [("masked", ["words"]), ("reader", ["masked"]), *two_outputs["calls"][1:]],
    }
    functional_case(group, "twoOutputs/masked", **masked, training=weighed)
    penalized_reader = spec("lstm", units=3, returnSequences=True, activityRegularizer=spec("l2", l2=0.1))
    regularized = two_outputs | {"layers": two_outputs["layers"] | {"reader": penalized_reader}}
    functional_case(group, "twoOutputs/regularized", **regularized, training=weighed)
    functional_case(
        group,
        "residual",
        inputs={"words": sequences},
        layers={
            "wide": spec("dense", units=3),
            "forward": spec("lstm", units=3, returnSequences=True),
            "sum": spec("add"),
            "pooled": spec("globalAveragePooling1d"),
            "score": spec("dot", axes=1, normalize=True),
            "last": spec("lstm", units=3),
        },
        calls=[
            ("wide", ["words"]),
            ("forward", ["wide"]),
            ("sum", ["wide", "forward"]),
            ("pooled", ["sum"]),
            ("last", ["sum"]),
            ("score", ["pooled", "last"]),
        ],
        outputs={"score": (B, 1)},
        training={"optimizer": adam, "loss": mse},
    )
    head = spec("sequential", layers=[spec("dense", units=4, activation="tanh"), spec("dense", units=2)])
    encoder = spec(
        "functional",
        inputs={"sequence": [T, D]},
        **graph(
            {"words": spec("gru", units=3), "facts": spec("globalMaxPooling1d"), "all": spec("concatenate")}
            | {"head": head},
            [("words", ["sequence"]), ("facts", ["sequence"]), ("all", ["words", "facts"]), ("head", ["all"])],
        ),
        outputs=["head"],
    )
    functional_case(
        group,
        "nested",
        inputs={"left": sequences, "right": sequences},
        layers={"encoder": encoder, "product": spec("multiply"), "value": linear},
        calls=[
            ("encoder", ["left"], "first"),
            ("encoder", ["right"], "second"),
            ("product", ["first", "second"]),
            ("value", ["product"]),
        ],
        outputs={"value": (B, 1)},
        training={"optimizer": adam, "loss": mse},
    )
    functional_case(
        group,
        "nested/perStep",
        inputs={"sentences": (B, 2, T, D)},
        layers={"each": spec("timeDistributed", layer=encoder), "last": spec("lstm", units=2), "label": softmax},
        calls=[("each", ["sentences"]), ("last", ["each"]), ("label", ["last"])],
        outputs={"label": labels},
        training={"optimizer": adam, "loss": sparse, "metrics": ["accuracy"]},
    )
    functional_case(
        group,
        "states",
        inputs={"question": sequences, "answer": (B, 2, D)},
        layers={
            "encoder": spec("lstm", units=3, returnState=True),
            "decoder": spec("lstm", units=3, returnSequences=True),
            "again": spec("bidirectional", layer=spec("lstm", units=3)),
            "a": softmax,
            "b": linear,
        },
        calls=[
            ("encoder", ["question"], ["summary", "h", "c"]),
            ("decoder", ["answer"], "decoded", ["h", "c"]),
            ("a", ["decoded"]),
            ("again", ["answer"], "reread", ["c", "h", "h", "c"]),
            ("b", ["reread"]),
        ],
        outputs={"a": steps[:, :2], "b": (B, 1)},
        training={"optimizer": adam, "loss": {"a": sparse, "b": mse}},
    )


def per_output(value, make):
    """`make` of what is given for all outputs, or for each by name."""
    return make(**value) if "kind" in value else {key: make(**each) for key, each in value.items()}


def graph(layers, calls):
    """`calls`: (layer, names of its inputs, [name or names of the result: the layer's, [names of its states]])."""

    def call(layer, sources, result=None, states=()):
        listed = {"layer": layer, "inputs": sources, "output": result or layer}
        return listed | ({"states": list(states)} if states else {})

    return {"layers": layers, "calls": [call(*each) for each in calls]}


def functional_case(group, name, inputs, layers, calls, outputs, training, sample_weights={}):
    """`calls` as `graph` takes them."""
    config = {"inputs": list(inputs), **graph(layers, calls), "outputs": list(outputs), **training}
    case = group.case(name, "functional", config)
    x, y = {}, {}
    for key, shape in inputs.items():
        if "masked" in layers:
            x[key] = case.store("inputs", f"x.{key}", padded(name, shape))
        else:
            x[key] = case.generate("inputs", f"x.{key}", shape, 2.0)
    for key, value in outputs.items():
        shaped = isinstance(value, tuple)
        place = "inputs", f"y.{key}", value
        y[key] = case.generate(*place) if shaped else case.store(*place)
    weight = {
        key: case.store("inputs", f"sampleWeight.{key}", value) for key, value in sample_weights.items()
    }

    made, values = graph_of(config, {key: keras.Input(shape[1:], name=key) for key, shape in inputs.items()})
    results = {key: values[key] for key in outputs}
    one = None if len(outputs) > 1 else [*outputs][0]
    model = keras.Model({key: values[key] for key in inputs}, values[one] if one else results)
    weights = {}
    for key, layer in made.items():
        weights |= weights_of(layer, f"{key}.")
    set_weights(case, weights)
    predicted = model.predict_on_batch(x)
    for key in outputs:
        case.store("outputs", f"prediction.{key}", predicted if one else predicted[key])
    model.compile(
        make_optimizer(**training["optimizer"]),
        loss=per_output(training["loss"], make_loss),
        loss_weights=training.get("lossWeights"),
        metrics=snake_metrics(training.get("metrics")),
        weighted_metrics=snake_metrics(training.get("weightedMetrics")),
        jit_compile=False,
    )
    targets, weight = y[one] if one else y, weight or None
    record_gradients(case, model, weights, x, targets, weight)
    logs = []
    for _ in range(10):
        model.reset_metrics()
        logs.append(model.train_on_batch(x, targets, sample_weight=weight, return_dict=True))
    for key in logs[0]:
        case.store("outputs", f"log.{key}", [np.float64(log[key]) for log in logs])
    for key, variable in weights.items():
        case.store("outputs", f"10.{key}", variable.numpy())


def snake_metrics(metrics):
    if isinstance(metrics, dict):
        return {key: snake_metrics(names) for key, names in metrics.items()}
    return metrics and [snake(name) for name in metrics]


def pictures(group):
    """Models of convolutions and recurrent layers, trained for ten steps on one batch."""
    B, C = 4, 3
    adam, sgd = spec("adam", learningRate=0.01), spec("sgd", learningRate=0.1, momentum=0.5)
    labels = np.arange(B) % C
    conv = spec("conv2d", filters=5, kernelSize=3, activation="relu")
    each = [spec("timeDistributed", layer=layer) for layer in (conv, spec("maxPooling2d"), spec("flatten"))]
    softmax = spec("dense", units=C, activation="softmax")
    sparse = spec("sparseCategoricalCrossentropy")

    def add(name, shape, layers, optimizer, loss, y):
        model_case(group, name, (B, *shape), layers, optimizer, loss, y, steps=10)

    add("cnn-lstm", (3, 8, 6, 1), [*each, spec("lstm", units=4), softmax], adam, sparse, labels)
    line = spec("conv1d", filters=4, kernelSize=3, padding="causal", activation="tanh")
    pooled = spec("averagePooling1d", poolSize=2)
    mse = spec("meanSquaredError")
    add("conv1d", (9, 2), [line, pooled, spec("gru", units=4)], sgd, mse, (B, 4))
    strided = spec("conv2d", filters=6, kernelSize=3, strides=2, padding="same", activation="relu")
    penalties = {"kernelRegularizer": spec("l2", l2=0.1), "activityRegularizer": spec("l1", l1=0.1)}
    held = spec("conv2d", filters=2, kernelSize=2, kernelConstraint=spec("maxNorm", maxValue=1.0), **penalties)
    add("penalties", (4, 5, 2), [held, spec("flatten"), softmax], sgd, sparse, labels)
    shrunk = [conv, strided, spec("globalAveragePooling2d"), softmax]
    add("strides", (9, 8, 2), shrunk, adam, sparse, labels)
    cell = {"filters": 3, "kernelSize": 2, "padding": "same"}
    both = [spec("convLstm2d", returnSequences=True, **cell), spec("convLstm2d", **cell)]
    add("convLstm2d", (3, 4, 4, 1), [*both, spec("flatten"), softmax], adam, sparse, labels)
