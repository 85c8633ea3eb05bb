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
LAYERS = {
    "simpleRNN": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "bidirectional": keras.layers.Bidirectional,
    "timeDistributed": keras.layers.TimeDistributed,
    "dense": keras.layers.Dense,
    "masking": keras.layers.Masking,
    "embedding": keras.layers.Embedding,
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
    "dropout": keras.layers.Dropout,
    "gaussianNoise": keras.layers.GaussianNoise,
    "spatialDropout1d": keras.layers.SpatialDropout1D,
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


OWN = {"hardSigmoidKeras2": hard_sigmoid_keras2}


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


def make_layer(kind, config):
    """The Keras layer for camelCase options."""
    options = {snake(key): value for key, value in config.items()}
    for key, value in options.items():
        if key == "layer":
            options[key] = make_layer(**value)
        elif key.endswith(("_regularizer", "_constraint")):
            options[key] = make_penalty(**value)
    for key in ("activation", "recurrent_activation"):
        if key in options:
            options[key] = OWN.get(options[key], snake(options[key]))
    return LAYERS[kind](**options)


def weights_of(layer, prefix=""):
    """{camelCase name: Keras variable}, in Keras's order; forward.kernel, … of a Bidirectional."""
    if isinstance(layer, keras.layers.Bidirectional):
        forward = weights_of(layer.forward_layer, prefix + "forward.")
        return forward | weights_of(layer.backward_layer, prefix + "backward.")
    if isinstance(layer, keras.layers.TimeDistributed):
        return weights_of(layer.layer, prefix)
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
