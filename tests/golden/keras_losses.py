"""The losses' goldens: each function fills one group."""

import keras
import numpy as np
import tensorflow as tf
from golden_file import hash_name, snake, uniform
from keras_cases import add_mask

LOSSES = {
    "meanSquaredError": keras.losses.MeanSquaredError,
    "meanAbsoluteError": keras.losses.MeanAbsoluteError,
    "meanAbsolutePercentageError": keras.losses.MeanAbsolutePercentageError,
    "meanSquaredLogarithmicError": keras.losses.MeanSquaredLogarithmicError,
    "cosineSimilarity": keras.losses.CosineSimilarity,
    "huber": keras.losses.Huber,
    "logCosh": keras.losses.LogCosh,
    "hinge": keras.losses.Hinge,
    "squaredHinge": keras.losses.SquaredHinge,
    "categoricalHinge": keras.losses.CategoricalHinge,
    "klDivergence": keras.losses.KLDivergence,
    "poisson": keras.losses.Poisson,
    "binaryCrossentropy": keras.losses.BinaryCrossentropy,
    "binaryFocalCrossentropy": keras.losses.BinaryFocalCrossentropy,
    "categoricalCrossentropy": keras.losses.CategoricalCrossentropy,
    "categoricalFocalCrossentropy": keras.losses.CategoricalFocalCrossentropy,
    "sparseCategoricalCrossentropy": keras.losses.SparseCategoricalCrossentropy,
}


def make_loss(kind, config, **further):
    """The Keras loss for camelCase options."""
    options = {snake(key): value for key, value in config.items()} | further
    if options.get("reduction"):
        options["reduction"] = snake(options["reduction"])
    return LOSSES[kind](**options)


def loss_case(group, name, loss, config, y_true, y_pred, leading, weighted=False, mask="none"):
    """`y_true(case)` and `y_pred(case)` make the tensors; `leading` is yPred's shape but the last."""
    case = group.case(name, "loss", {"loss": loss, **config})
    targets, predictions = y_true(case), tf.constant(y_pred(case))
    weights = (np.arange(np.prod(leading)) % 4 / 2 + 0.25).reshape(leading)
    sample_weight = case.store("inputs", "sampleWeight", weights) if weighted else None
    mask = add_mask(case, mask, *leading) if mask != "none" else None
    unreduced = make_loss(loss, config, reduction="none")(targets, predictions)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        masked = tf.identity(predictions)
        if mask is not None:
            keras.src.backend.set_keras_mask(masked, mask)
        value = make_loss(loss, config)(targets, masked, sample_weight=sample_weight)
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


PLACES = (  # the name's tail: (leading sizes, weighted, mask)
    ("", (5,), False, "none"),
    ("/steps/weighted/masked", (4, 3), True, "emptyRows"),
)


def loss_kinds(group):
    """The losses and options that `losses` lacks, every reduction, and edges."""
    for tail, leading, weighted, mask in PLACES:

        def add(name, config, y_true, y_pred):
            loss = name.partition("/")[0]
            loss_case(group, name + tail, loss, config, y_true, y_pred, leading, weighted, mask)

        kinds_for_numbers(add, leading)
        kinds_for_probabilities(add, leading)
    loss_reductions(group)
    loss_edges(group)


def generated(key, shape, scale):
    return lambda case: case.generate("inputs", key, shape, scale)


def stored(key, values):
    return lambda case: case.store("inputs", key, values)


def positive(key, shape, scale):
    """Values in [0, scale)."""
    drawn = lambda case: uniform(hash_name(f"{case.name} {key}"), np.prod(shape)).reshape(shape)
    return lambda case: case.store("inputs", key, (drawn(case) + 1) * scale / 2)


def probabilities(key, shape):
    """Rows that sum to 1."""

    def make(case):
        e = np.exp(2 * uniform(hash_name(f"{case.name} {key}"), np.prod(shape))).reshape(shape)
        return case.store("inputs", key, e / e.sum(-1, keepdims=True))

    return make


def kinds_for_numbers(add, leading):
    shape = (*leading, 4)
    numbers = generated("yTrue", shape, 3.0), generated("yPred", shape, 3.0)
    counts = positive("yTrue", shape, 4.0), positive("yPred", shape, 4.0)
    signs = np.where(np.arange(np.prod(shape)) * 5 % 7 > 2, 1.0, -1.0).reshape(shape)
    one_hot = np.eye(4)[(np.arange(np.prod(leading)) * 3 % 4).reshape(leading)]
    for name, config in (
        ("meanAbsolutePercentageError", {}),
        ("huber", {}),
        ("huber/delta", {"delta": 2.5}),
        ("logCosh", {}),
        ("cosineSimilarity", {}),
        ("cosineSimilarity/axis", {"axis": -2}),
    ):
        if name != "cosineSimilarity/axis" or leading == (5,):
            add(name, config, *numbers)
    add("meanSquaredLogarithmicError", {}, *counts)
    add("poisson", {}, *counts)
    for loss in ("hinge", "squaredHinge"):
        add(loss, {}, stored("yTrue", signs), numbers[1])
        add(loss + "/bits", {}, stored("yTrue", (signs + 1) / 2), numbers[1])
    add("categoricalHinge", {}, stored("yTrue", one_hot), numbers[1])
    add("categoricalHinge/signs", {}, stored("yTrue", 2 * one_hot - 1), numbers[1])


def kinds_for_probabilities(add, leading):
    C = 4
    shape = (*leading, C)
    labels = (np.arange(np.prod(leading)) * 3 % C).reshape(leading)
    one_hot = stored("yTrue", np.eye(C)[labels])
    bits = stored("yTrue", np.maximum(np.eye(C)[labels], np.eye(C)[0]))
    ignored = stored("yTrue", np.where(labels == 2, -1, labels))
    forms = (
        ("", probabilities("yPred", shape), {}),
        ("/logits", generated("yPred", shape, 3.0), {"fromLogits": True}),
    )
    add("klDivergence", {}, probabilities("yTrue", shape), probabilities("yPred", shape))
    for form, y_pred, logits in forms:
        for name, y_true, config in (
            ("binaryFocalCrossentropy", bits, {}),
            ("binaryFocalCrossentropy/gamma", bits, {"gamma": 1.5, "labelSmoothing": 0.1}),
            ("binaryFocalCrossentropy/balanced", bits, {"applyClassBalancing": True, "alpha": 0.3}),
            ("categoricalFocalCrossentropy", one_hot, {}),
            ("categoricalFocalCrossentropy/gamma", one_hot, {"gamma": 3.0, "labelSmoothing": 0.1}),
            ("categoricalFocalCrossentropy/alpha", one_hot, {"alpha": [0.1, 0.2, 0.3, 0.4]}),
            ("sparseCategoricalCrossentropy/ignoreClass-1", ignored, {"ignoreClass": -1}),
            ("sparseCategoricalCrossentropy/ignoreClass1", stored("yTrue", labels), {"ignoreClass": 1}),
        ):
            add(name + form, {**logits, **config}, y_true, y_pred)


def loss_reductions(group):
    """Every reduction, with weights, masks and ignored classes."""
    leading, C = (4, 3), 4
    labels = (np.arange(12) * 3 % C).reshape(leading)
    for reduction in ("sumOverBatchSize", "sum", "mean", "meanWithSampleWeight", "none"):
        for weighted in (False, True):
            for mask in ("none", "emptyRows"):
                tail = f"/{reduction}" + "/weighted" * weighted + "/masked" * (mask != "none")

                def add(loss, config, y_true, y_pred):
                    config = {"reduction": reduction, **config}
                    loss_case(group, loss + tail, loss, config, y_true, y_pred, leading, weighted, mask)

                shape = (*leading, C)
                add("meanSquaredError", {}, generated("yTrue", shape, 2.0), generated("yPred", shape, 2.0))
                add(
                    "sparseCategoricalCrossentropy",
                    {"fromLogits": True, "ignoreClass": 2},
                    stored("yTrue", labels),
                    generated("yPred", shape, 2.0),
                )


def loss_edges(group):
    """Zeros, negatives, certain answers, targets of -1, 0 and 1, and errors that overflow an exponential."""
    ladder = np.array([[0.0, 1.0, -1.0], [0.5, -0.5, 2.0], [-3.0, 0.0, 100.0], [1e-3, -1e-3, -100.0]])
    signs = np.array([[1.0, 1.0, -1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    mixed = np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    zeros = np.zeros((4, 3))
    ones = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    certain = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [1e-9, 1.0, 0.0]])
    large = np.array([[90.0, -90.0, 0.0], [200.0, 100.0, -300.0], [-800.0, 0.0, 800.0], [-40.0, 40.0, 0.0]])
    ignored = {"fromLogits": True, "ignoreClass": 0}
    for name, y_true, y_pred, config in (
        ("meanAbsolutePercentageError/zeros", zeros, ladder, {}),
        ("meanAbsolutePercentageError/negatives", -signs, ladder, {}),
        ("meanSquaredLogarithmicError/negatives", ladder, ladder[::-1], {}),
        ("meanSquaredLogarithmicError/zeros", zeros, np.abs(ladder), {}),
        ("huber/edge", zeros, ladder, {}),
        ("huber/edge2", zeros, ladder, {"delta": 0.5}),
        ("logCosh/large", zeros, ladder, {}),
        ("cosineSimilarity/zeros", zeros, ladder, {}),
        ("cosineSimilarity/zeroPredictions", signs, zeros, {}),
        ("hinge/signs", signs, ladder, {}),
        ("hinge/mixed", mixed, ladder, {}),
        ("hinge/ones", np.ones((4, 3)), ladder, {}),
        ("hinge/zeros", zeros, ladder, {}),
        ("squaredHinge/signs", signs, ladder, {}),
        ("squaredHinge/mixed", mixed, ladder, {}),
        ("squaredHinge/zeros", zeros, ladder, {}),
        ("categoricalHinge/oneHot", ones, ladder, {}),
        ("categoricalHinge/negatives", ones, -np.abs(large), {}),
        ("klDivergence/certain", ones, certain, {}),
        ("klDivergence/zeros", zeros, certain, {}),
        ("poisson/zeros", np.abs(ladder), zeros, {}),
        ("poisson/noCounts", zeros, np.abs(ladder), {}),
        ("binaryFocalCrossentropy/certain", ones, certain, {}),
        ("binaryFocalCrossentropy/large", ones, large, {"fromLogits": True}),
        ("categoricalFocalCrossentropy/certain", ones, certain, {}),
        ("categoricalFocalCrossentropy/large", ones, large, {"fromLogits": True}),
        ("sparseCategoricalCrossentropy/allIgnored", np.zeros(4), large, ignored),
    ):
        loss = name.partition("/")[0]
        loss_case(
            group, name + "/edges", loss, config, stored("yTrue", y_true), stored("yPred", y_pred), (4,)
        )
