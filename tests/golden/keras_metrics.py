"""The metrics' goldens: one group."""

import keras
import numpy as np
from golden_file import camel, hash_name, snake, uniform

# "f1Score": keras.metrics.F1Score, …; Keras's classes, but for those that its naming does not give.
METRICS = {
    camel(name): getattr(keras.metrics, "".join(part.capitalize() for part in name.split("_")))
    for name in (
        "accuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy precision recall "
        "true_positives true_negatives false_positives false_negatives binary_crossentropy "
        "categorical_crossentropy sparse_categorical_crossentropy mean_squared_error "
        "root_mean_squared_error mean_absolute_error mean_absolute_percentage_error "
        "mean_squared_logarithmic_error log_cosh_error cosine_similarity poisson hinge squared_hinge "
        "categorical_hinge f1_score r2_score"
    ).split()
} | {
    "topKCategoricalAccuracy": keras.metrics.TopKCategoricalAccuracy,
    "sparseTopKCategoricalAccuracy": keras.metrics.SparseTopKCategoricalAccuracy,
    "klDivergence": keras.metrics.KLDivergence,
    "auc": keras.metrics.AUC,
    "fBetaScore": keras.metrics.FBetaScore,
}
CAMEL = ("summationMethod", "classAggregation")  # options whose values have Keras's words in camelCase


def make_metric(kind, config):
    """The Keras metric for camelCase options; perplexity is the exponential of a mean cross-entropy."""
    if kind == "perplexity":
        kind = "sparseCategoricalCrossentropy"
    options = {
        snake(key): snake(value) if key in CAMEL and value else value for key, value in config.items()
    }
    return METRICS[kind](**options)


def metric_case(group, name, config, batches):
    """`batches`: (yTrue, yPred, sampleWeight or None), one after the other; the result after each."""
    metric = name.partition("/")[0]
    case = group.case(name, "metric", {"metric": metric, **config})
    state = make_metric(metric, config)
    for index, (y_true, y_pred, weight) in enumerate(batches, start=1):
        y_true = case.store("inputs", f"yTrue{index}", y_true)
        y_pred = case.store("inputs", f"yPred{index}", y_pred)
        if weight is not None:
            weight = case.store("inputs", f"sampleWeight{index}", weight)
        if metric.lower().endswith("topkcategoricalaccuracy"):
            y_pred = y_pred.astype(np.float32)  # all that TensorFlow's in_top_k takes; the values are exact
        state.update_state(y_true, y_pred, sample_weight=weight)
        result = np.asarray(state.result())
        case.store("outputs", f"result{index}", np.exp(result) if metric == "perplexity" else result)


class Data:
    """Targets and predictions of one family for a case: two batches of different size."""

    def __init__(self, name, weighted, steps=()):
        self.name, self.weighted = name, weighted
        self.shapes = [(7, *steps), (4, *steps)]

    def numbers(self, key, shape, low=-1.0, high=1.0):
        values = uniform(hash_name(f"metrics {self.name} {key} {shape}"), np.prod(shape)).reshape(shape)
        return low + (values + 1) / 2 * (high - low)

    def weights(self, shape):
        return np.round(self.numbers("weights", shape, 0, 8)) / 4 if self.weighted else None

    def batches(self, make):
        return [(*make(shape), self.weights(shape)) for shape in self.shapes]

    def regression(self, low=-2.0, high=2.0, features=3):
        def make(shape):
            y_true = self.numbers("true", (*shape, features), low, high)
            noise = self.numbers("noise", (*shape, features), low, high)
            return y_true, 0.6 * y_true + 0.4 * noise + 0.05

        return self.batches(make)

    def signs(self, low):
        """Targets `low` and 1, predictions on both sides of 0."""

        def make(shape):
            y_true = np.where(self.numbers("true", (*shape, 3)) > 0, 1.0, low)
            return y_true, self.numbers("pred", (*shape, 3), -2, 2)

        return self.batches(make)

    def binary(self, labels=None, logits=False):
        """Bits, and probabilities that tend to them; 0, 0.5 and 1 are among them. [B], or [B, labels]."""

        def make(shape):
            full = (*shape, labels) if labels else shape
            y_true = np.where(self.numbers("true", full) > 0.2, 1.0, 0.0)
            y_pred = 0.3 * y_true + 0.7 * self.numbers("pred", full, 0, 1)
            y_pred.reshape(-1)[:3] = 0, 1, 0.5
            return y_true, 5 * (y_pred - 0.45) if logits else y_pred

        return self.batches(make)

    def classes(self, C=5, one_hot=False, logits=False, ties=False):
        """Class numbers (or rows of one 1) and rows of probabilities (or logits) that tend to them."""

        def make(shape):
            labels = np.floor(self.numbers("true", shape, 0, C)).astype(int)
            rows = np.eye(C)[labels] * (0.3 if ties else 1.5) + self.numbers("pred", (*shape, C), -2, 2)
            if ties:
                rows = np.round(rows)
            if not logits:
                rows = np.exp(rows) / np.exp(rows).sum(-1, keepdims=True)
            return np.eye(C)[labels] if one_hot else labels, rows

        return self.batches(make)


def metrics(group):
    """Every metric with sample weights, those without options also plain."""
    for tail, weighted, steps in (("", False, ()), ("/weighted", True, ()), ("/steps/weighted", True, (3,))):

        def add(name, config, make):
            if weighted or not config:
                metric_case(group, name + tail, config, make(Data(name + tail, weighted, steps)))

        means(add)
        if not steps:
            accuracies(add)
            counts(add)
            curves(add)
            scores(add)
    metric_edges(group)


def means(add):
    """Means over samples and steps."""
    for metric in ("meanSquaredError", "rootMeanSquaredError", "meanAbsoluteError", "logCoshError"):
        add(metric, {}, lambda data: data.regression())
    add("meanAbsolutePercentageError", {}, lambda data: data.regression(0.5, 3))
    add("meanSquaredLogarithmicError", {}, lambda data: data.regression(0, 3))
    add("cosineSimilarity", {}, lambda data: data.regression())
    add("poisson", {}, lambda data: data.regression(0, 3))
    add("klDivergence", {}, lambda data: data.classes(one_hot=True))
    for metric in ("hinge", "squaredHinge"):
        add(metric, {}, lambda data: data.signs(-1.0))
        add(metric + "/bits", {}, lambda data: data.signs(0.0))
    add("categoricalHinge", {}, lambda data: data.classes(one_hot=True, logits=True))
    add("binaryCrossentropy", {}, lambda data: data.binary(3))
    add("categoricalCrossentropy", {}, lambda data: data.classes(one_hot=True))
    add("categoricalCrossentropy/smooth", {"labelSmoothing": 0.1}, lambda data: data.classes(one_hot=True))
    add("sparseCategoricalCrossentropy", {}, lambda data: data.classes())
    add("perplexity", {}, lambda data: data.classes())
    add("perplexity/logits", {"fromLogits": True}, lambda data: data.classes(logits=True))
    add("binaryAccuracy", {}, lambda data: data.binary(3))
    add("categoricalAccuracy", {}, lambda data: data.classes(one_hot=True))
    add("sparseCategoricalAccuracy", {}, lambda data: data.classes())


def accuracies(add):
    add("accuracy", {}, lambda data: [(t, np.round(p), w) for t, p, w in data.regression()])
    add("binaryAccuracy/threshold", {"threshold": 0.3}, lambda data: data.binary(1))
    add("topKCategoricalAccuracy", {}, lambda data: data.classes(8, one_hot=True))
    add("topKCategoricalAccuracy/k2", {"k": 2}, lambda data: data.classes(one_hot=True))
    add("sparseTopKCategoricalAccuracy", {}, lambda data: data.classes(8))
    add("sparseTopKCategoricalAccuracy/k1", {"k": 1}, lambda data: data.classes())
    add("sparseTopKCategoricalAccuracy/k2", {"k": 2}, lambda data: data.classes())


def counts(add):
    """True and false positives and negatives, and what follows from them."""
    for metric in ("truePositives", "trueNegatives", "falsePositives", "falseNegatives"):
        add(metric, {}, lambda data: data.binary())
    for metric in ("precision", "recall"):
        add(metric, {}, lambda data: data.binary())
        add(metric + "/labels", {}, lambda data: data.binary(3))
        add(metric + "/threshold", {"thresholds": 0.7}, lambda data: data.binary())
        add(metric + "/thresholds", {"thresholds": [0.1, 0.5, 0.8]}, lambda data: data.binary())
        add(metric + "/topK", {"topK": 2}, lambda data: data.classes(one_hot=True))
        add(metric + "/classId", {"classId": 1}, lambda data: data.binary(3))
        add(metric + "/topK/classId", {"topK": 2, "classId": 3}, lambda data: data.classes(one_hot=True))


def curves(add):
    add("auc", {}, lambda data: data.binary())
    for curve in ("ROC", "PR"):
        for method in ("interpolation", "minoring", "majoring"):
            config = {"curve": curve, "summationMethod": method, "numThresholds": 7}
            add(f"auc/{curve}/{method}", config, lambda data: data.binary())
        config = {"curve": curve, "thresholds": [0.2, 0.45, 0.9]}
        add(f"auc/{curve}/thresholds", config, lambda data: data.binary())
        add(f"auc/{curve}/flattened", {"curve": curve}, lambda data: data.binary(3))
        add(f"auc/{curve}/multiLabel", {"curve": curve, "multiLabel": True}, lambda data: data.binary(3))
    add("auc/PRGAIN", {"curve": "PRGAIN"}, lambda data: data.binary())
    add("auc/logits", {"fromLogits": True}, lambda data: data.binary(logits=True))
    weights = {"multiLabel": True, "labelWeights": [0.5, 2.0, 1.0]}
    add("auc/labelWeights", {**weights, "numThresholds": 20}, lambda data: data.binary(3))


def scores(add):
    for average in (None, "micro", "macro", "weighted"):
        name = f"f1Score/{average or 'none'}"
        add(name, {"average": average}, lambda data: data.classes(one_hot=True))
        add(f"{name}/threshold", {"average": average, "threshold": 0.4}, lambda data: data.binary(3))
    config = {"average": "macro", "beta": 2.0, "threshold": 0.5}
    add("fBetaScore", config, lambda data: data.binary(3))
    for aggregation in ("uniformAverage", "varianceWeightedAverage", None):
        config = {"classAggregation": aggregation}
        add(f"r2Score/{aggregation or 'none'}", config, lambda data: data.regression())


def metric_edges(group):
    """Ties, weights of zero, nothing predicted, one class alone, batches without weight."""

    def add(name, config, *batches):
        metric_case(group, name + "/edges", config, [(*map(np.float64, b[:2]), *b[2:]) for b in batches])

    tied = Data("ties", False)
    for metric, one_hot in (("topKCategoricalAccuracy", True), ("sparseTopKCategoricalAccuracy", False)):
        add(metric + "/ties", {"k": 2}, *tied.classes(one_hot=one_hot, ties=True))
    add("categoricalAccuracy/ties", {}, *tied.classes(one_hot=True, ties=True))
    add("sparseCategoricalAccuracy/ties", {}, *tied.classes(ties=True))
    for average in ("micro", "macro"):
        config = {"average": average}
        add(f"f1Score/{average}/ties", config, *tied.classes(one_hot=True, ties=True))
    add("f1Score/nothing", {"average": "macro"}, (np.eye(3), np.zeros((3, 3)), None))
    add("binaryAccuracy/threshold", {}, ([[0], [1], [1]], [[0.5], [0.5], [0.75]], None))
    none, some = ([0, 0, 1], [0.1, 0.2, 0.3], None), ([1, 1, 0], [0.9, 0.5, 0.6], None)
    for metric in ("precision", "recall"):
        add(metric + "/nothing", {}, none, some)
        add(metric + "/noTargets", {}, ([0, 0, 0], [0.1, 0.9, 0.3], None))
        add(metric + "/noWeight", {}, (*some[:2], np.zeros(3)), (*some[:2], np.ones(3)))
    for curve in ("ROC", "PR"):
        config = {"curve": curve}
        add(f"auc/{curve}/perfect", config, ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], None))
        add(f"auc/{curve}/reversed", config, ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], None))
        add(f"auc/{curve}/onlyOnes", config, ([1, 1, 1], [0.1, 0.6, 0.9], None))
        add(f"auc/{curve}/onlyZeros", config, ([0, 0, 0], [0.1, 0.6, 0.9], None))
        add(f"auc/{curve}/equal", config, ([1, 0, 1], [0.3, 0.3, 0.3], None), ([0], [0.3], None))
        quarters = ([0, 1, 0, 1, 1], [0, 0.25, 0.5, 0.75, 1], None)
        add(f"auc/{curve}/onThresholds", {**config, "numThresholds": 5}, quarters)
    one = np.ones((2, 2))
    add("meanSquaredError/noWeight", {}, (one, 0 * one, np.zeros(2)), (one, 0 * one, np.array([0.0, 2.0])))
    add("rootMeanSquaredError/noWeight", {}, (one, 0 * one, np.zeros(2)))
    add("r2Score/constant", {}, ([[1, 2], [1, 3]], [[1.5, 2], [1, 2.5]], None))
    add("r2Score/worse", {}, ([[1], [2], [4]], [[4], [2], [-1]], None))
    add("r2Score/adjusted", {"numRegressors": 1}, ([[1], [2], [4], [3]], [[1.5], [2], [3.5], [3]], None))
    add("cosineSimilarity/zeros", {}, ([[0, 0], [1, 1], [1, 0]], [[1, 1], [0, 0], [0, 1]], None))
    add("cosineSimilarity/axis", {"axis": -2}, *Data("cosine axis", False).regression())
