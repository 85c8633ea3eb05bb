"""What the Keras generators share: layers by kind, weights, masks, and a case's outputs and gradients."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from golden_file import camel, hash_name, snake, uniform

keras.config.set_floatx("float64")
SOURCE = f"Keras {keras.__version__} on TensorFlow {tf.__version__}, computed in float64, stored as float32"
class UnmaskedActivity(keras.layers.Layer):
    """Adds the L2 penalty of its input to the loss, of the steps that are not masked alone, by rows."""

    def __init__(self, l2):
        super().__init__()
        self.l2, self.supports_masking = np.float64(l2), True

    def call(self, x, mask=None):
        counted = keras.ops.where(mask[:, :, None], x, 0)
        self.add_loss(self.l2 * keras.ops.sum(counted**2) / keras.ops.cast(keras.ops.shape(x)[0], x.dtype))
        return x


class DenseEmbedding(keras.layers.Embedding):
    """
    An embedding whose table has a whole gradient. Keras's own is a list of rows, an id that occurs twice twice in it, and
    optimizers then square the gradients of both, not their sum.
    """

    def call(self, ids):
        return keras.ops.one_hot(ids, self.input_dim, dtype=self.compute_dtype) @ self.embeddings


class MaxPooling3D(keras.layers.MaxPooling3D):
    """TensorFlow has no kernel of it for float64; maxima of float32 numbers are the same."""

    def call(self, x):
        return tf.cast(super().call(tf.cast(x, "float32")), x.dtype)


LAYERS = {
    "simpleRNN": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "bidirectional": keras.layers.Bidirectional,
    "timeDistributed": keras.layers.TimeDistributed,
    "dense": keras.layers.Dense,
    "masking": keras.layers.Masking,
    "embedding": DenseEmbedding,
    "sparseEmbedding": keras.layers.Embedding,
    "flatten": keras.layers.Flatten,
    "repeatVector": keras.layers.RepeatVector,
    "permute": keras.layers.Permute,
    "zeroPadding1d": keras.layers.ZeroPadding1D,
    "cropping1d": keras.layers.Cropping1D,
    "add": keras.layers.Add,
    "subtract": keras.layers.Subtract,
    "multiply": keras.layers.Multiply,
    "average": keras.layers.Average,
    "maximum": keras.layers.Maximum,
    "minimum": keras.layers.Minimum,
    "concatenate": keras.layers.Concatenate,
    "dot": keras.layers.Dot,
    "globalMaxPooling1d": keras.layers.GlobalMaxPooling1D,
    "globalAveragePooling1d": keras.layers.GlobalAveragePooling1D,
    "batchNormalization": keras.layers.BatchNormalization,
    "layerNormalization": keras.layers.LayerNormalization,
    "unitNormalization": keras.layers.UnitNormalization,
    "leakyReLU": keras.layers.LeakyReLU,
    "elu": keras.layers.ELU,
    "reLU": keras.layers.ReLU,
    "softmax": keras.layers.Softmax,
    "activityRegularization": keras.layers.ActivityRegularization,
    "unmaskedActivity": UnmaskedActivity,
    "dropout": keras.layers.Dropout,
    "gaussianNoise": keras.layers.GaussianNoise,
    "spatialDropout1d": keras.layers.SpatialDropout1D,
    "conv1d": keras.layers.Conv1D,
    "conv2d": keras.layers.Conv2D,
    "maxPooling1d": keras.layers.MaxPooling1D,
    "maxPooling2d": keras.layers.MaxPooling2D,
    "maxPooling3d": MaxPooling3D,
    "averagePooling1d": keras.layers.AveragePooling1D,
    "averagePooling2d": keras.layers.AveragePooling2D,
    "globalMaxPooling2d": keras.layers.GlobalMaxPooling2D,
    "globalAveragePooling2d": keras.layers.GlobalAveragePooling2D,
    "zeroPadding2d": keras.layers.ZeroPadding2D,
    "cropping2d": keras.layers.Cropping2D,
    "upSampling1d": keras.layers.UpSampling1D,
    "upSampling2d": keras.layers.UpSampling2D,
    "convLstm1d": keras.layers.ConvLSTM1D,
    "convLstm2d": keras.layers.ConvLSTM2D,
}
REGULARIZERS = {
    "l1": keras.regularizers.L1,
    "l2": keras.regularizers.L2,
    "l1l2": keras.regularizers.L1L2,
    "orthogonalRegularizer": keras.regularizers.OrthogonalRegularizer,
}
CONSTRAINTS = {
    "maxNorm": keras.constraints.MaxNorm,
    "minMaxNorm": keras.constraints.MinMaxNorm,
    "nonNeg": keras.constraints.NonNeg,
    "unitNorm": keras.constraints.UnitNorm,
}
ELEMENTWISE = (
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear "
    "log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign sparse_plus "
    "sparse_sigmoid squareplus tanh tanh_shrink"
).split()
ROWWISE = ("softmax", "log_softmax", "sparsemax")  # over the last axis


def hard_sigmoid_keras2(x):
    """What Keras 1 and 2 call hard_sigmoid; Keras 3 has another function of that name only."""
    return tf.clip_by_value(0.2 * x + 0.5, 0, 1)


def sparsemax(x):
    """The projection of rows on the simplex; Keras 3.15 adds up the cumulative sums, and its rows are not on it."""
    x = tf.convert_to_tensor(x)
    falling = tf.sort(x, direction="DESCENDING")
    ranks = tf.range(1, x.shape[-1] + 1, dtype=x.dtype)
    sums = tf.cumsum(falling, axis=-1)
    support = tf.cast(ranks * falling > sums - 1, x.dtype)  # the largest, as many as are above the threshold
    count = tf.reduce_sum(support, axis=-1, keepdims=True)
    return tf.maximum(x - (tf.reduce_sum(support * falling, axis=-1, keepdims=True) - 1) / count, 0)


OWN = {"hardSigmoidKeras2": hard_sigmoid_keras2, "sparsemax": sparsemax}


def spec(kind, **config):
    """How a case names a layer, loss, optimizer, schedule, regularizer or constraint."""
    return {"kind": kind, "config": config}


def exact(thing):
    """The same with float64 options; Keras on TensorFlow rounds floats to float32 when it casts them."""
    for name, value in vars(thing).items():
        if tf.is_tensor(value) and value.dtype == tf.float32:
            setattr(thing, name, tf.constant(float(str(value.numpy())), tf.float64))
        elif type(value) is float:
            setattr(thing, name, np.float64(value))
        elif isinstance(value, (list, tuple)) and value and all(type(part) is float for part in value):
            setattr(thing, name, [np.float64(part) for part in value])
    return thing


def make_mask(kind, B, T):
    """[B, T] of 0 and 1, or None. "emptyRows" has gaps, and nothing at all in rows 1, 4, 7, …"""
    lengths = T - np.arange(B) * (T - 1) % T  # T, 1, 2, …: every length in turn
    steps = np.arange(T)
    if kind == "none":
        return None
    if kind == "right":
        return (steps < lengths[:, None]).astype(float)
    if kind == "left":
        return (steps >= T - lengths[:, None]).astype(float)
    gaps = (uniform(hash_name(f"gaps {B}x{T}"), B * T).reshape(B, T) > -0.3).astype(float)
    if kind == "emptyRows":
        gaps[1::3] = 0
    return gaps


def add_mask(case, kind, B, T, key="mask"):
    """Stores a mask among the case's inputs; gives back what the layer takes."""
    mask = make_mask(kind, B, T)
    return None if mask is None else tf.constant(case.store("inputs", key, mask) > 0)


def make_penalty(kind, config):
    """The Keras regularizer or constraint for camelCase options."""
    return exact((REGULARIZERS | CONSTRAINTS)[kind](**{snake(key): value for key, value in config.items()}))


def graph_of(config, values):
    """The layers of a functional model by name, and all its values by name, from those of its inputs on."""
    made = {key: make_layer(**layer, name=key) for key, layer in config["layers"].items()}
    values = dict(values)
    for call in config["calls"]:
        sources = [values[source] for source in call["inputs"]]
        states = {"initial_state": [values[state] for state in call["states"]]} if "states" in call else {}
        result = made[call["layer"]](sources if len(sources) > 1 else sources[0], **states)
        names = call["output"]
        values |= {names: result} if isinstance(names, str) else dict(zip(names, result, strict=True))
    return made, values


def make_model(kind, config, name):
    """A model as a layer of another."""
    if kind == "sequential":
        return keras.Sequential([make_layer(**layer) for layer in config["layers"]], name=name)
    inputs = {key: keras.Input(shape, name=key) for key, shape in config["inputs"].items()}
    _, values = graph_of(config, inputs)
    (given,), (result,) = inputs.values(), config["outputs"]
    return keras.Model(given, values[result], name=name)


def make_layer(kind, config, name=None):
    """The Keras layer for camelCase options."""
    if kind in ("sequential", "functional"):
        return make_model(kind, config, name)
    options = {snake(key): value for key, value in config.items()}
    for key, value in options.items():
        if key == "layer":
            options[key] = make_layer(**value)
        elif key.endswith(("_regularizer", "_constraint")):
            options[key] = make_penalty(**value)
    for key in ("activation", "recurrent_activation"):
        if key in options:
            options[key] = OWN.get(options[key], snake(options[key]))
    return LAYERS[kind](**options) if name is None else LAYERS[kind](**options, name=name)


def weights_of(layer, prefix=""):
    """
    {camelCase name: Keras variable}, in Keras's order; forward.kernel, … of a Bidirectional, 0.kernel, … of a Sequential,
    and with the names of its layers of a functional model.
    """
    if isinstance(layer, keras.layers.Bidirectional):
        forward = weights_of(layer.forward_layer, prefix + "forward.")
        return forward | weights_of(layer.backward_layer, prefix + "backward.")
    if isinstance(layer, keras.layers.TimeDistributed):
        return weights_of(layer.layer, prefix)
    if isinstance(layer, keras.Model):
        of_place = enumerate(layer.layers) if isinstance(layer, keras.Sequential) else None
        parts = of_place or [(part.name, part) for part in layer.layers]
        return {key: each for name, part in parts for key, each in weights_of(part, f"{prefix}{name}.").items()}
    weights = {prefix + camel(variable.name): variable for variable in layer.weights}
    if len(weights) != len(layer.weights):
        raise ValueError(f"{layer.name}: weights of one name")
    return weights


def set_weights(case, variables, scales={}):
    """Generates the weights (name: Keras variable) of a case; gives back the trainable tf.Variables."""
    for key, variable in variables.items():
        name = key.split(".")[-1]
        if name == "movingVariance":
            values = 1 + 0.7 * uniform(hash_name(f"{case.name} {key}"), np.prod(variable.shape))
            variable.assign(case.store("weights", key, values.reshape(variable.shape)))
            continue
        by_fan_in = 1.5 / variable.shape[0] ** 0.5
        scale = {"kernel": by_fan_in, "recurrentKernel": by_fan_in, "bias": 0.5, "gamma": 1.5} | scales
        variable.assign(case.generate("weights", key, variable.shape, scale.get(name, 0.5)))
    return {key: variable.value for key, variable in variables.items() if variable.trainable}


def named(outputs, names):
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return dict(zip(names, outputs, strict=True))


def record(case, variables, inputs, call, suffix=""):
    """Runs `call(inputs)`, a dictionary of outputs; stores those and the gradients."""
    inputs = {key: tf.constant(value) for key, value in inputs.items()}
    with tf.GradientTape() as tape:
        for value in inputs.values():
            tape.watch(value)
        outputs = call(inputs)
        terms = [
            tf.reduce_sum(case.generate("lossWeights", key + suffix, value.shape) * value)
            for key, value in outputs.items()
        ]
        loss = tf.add_n(terms)
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(loss, inputs | variables, unconnected_gradients=zero)
    for key, value in outputs.items():
        case.store("outputs", key + suffix, value)
    for key, value in gradients.items():
        case.store("gradients", key + suffix, tf.convert_to_tensor(value))  # a table's may be sparse
