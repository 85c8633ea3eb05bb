"""Keras on TensorFlow: python tensorflow_peer.py THREADS graph|xla. The protocol: `protocol.py`."""

import math
import os
import sys

import protocol

threads = protocol.limit_threads()
os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)

mode = sys.argv[2]
if mode not in ("graph", "xla"):
    sys.exit(f"tensorflow_peer: received mode {mode}, expected graph or xla")
LAYERS = {"simpleRNN": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
GATES = {"simpleRNN": 1, "lstm": 4, "gru": 3}
LOSSES = {
    "sparseCategoricalCrossentropy": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "meanSquaredError": keras.losses.MeanSquaredError(),
}
ADADELTA = {"rho": protocol.ADADELTA["rho"], "epsilon": protocol.ADADELTA["eps"]}
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adadelta": lambda rate: keras.optimizers.Adadelta(rate, **ADADELTA),
    "sgd": keras.optimizers.SGD,
}


def make(work, kind):
    x, y = protocol.data(work, work.rows(kind))
    lengths = tf.constant(work.lengths(len(x)))
    mask = tf.sequence_mask(lengths, work.input[0]) if work.masked else None
    x, y = tf.constant(x), tf.constant(y)
    training = kind in ("train", "losses")
    last = len(work.units) - 1
    options = {
        "dropout": work.dropout,
        "stateful": work.stateful,
        "unroll": work.input[0] == 1,  # one step needs no loop
    }
    layers = [
        LAYERS[work.cell](units, return_sequences=work.perStep or i < last, **options)
        for i, units in enumerate(work.units)
    ]
    if work.bidirectional:
        layers = [keras.layers.Bidirectional(layer) for layer in layers]
    tables = [keras.layers.Embedding(work.words, work.embedding)] if work.words else []
    convolutions = [keras.layers.Conv2D(count, work.kernel, activation="relu") for count in work.filters]
    pool = keras.layers.MaxPooling2D(work.pool)
    dense = [keras.layers.Dense(units) for units in (work.hidden,) if units]
    dense.append(keras.layers.Dense(work.outputs, work.activation))
    compiled = tf.function(jit_compile=mode == "xla", autograph=False)

    def outputs(x):
        for table in tables:
            x = table(x)
        if convolutions:
            B, T, *step = x.shape
            x = tf.reshape(x, (B * T, *step))
            for layer in convolutions:
                x = layer(x)
            x = tf.reshape(pool(x), (B, T, work.features))
        for layer in layers:
            x = layer(x, mask=mask, training=training)
        for layer in dense:
            x = layer(x)
        return x

    outputs(x)  # builds the layers
    if work.stateful:
        for layer in layers:
            layer.reset_state()
    if not training:
        infer = compiled(outputs)
        return lambda: infer(x).numpy()

    if kind == "losses":
        for layer in (*tables, *convolutions, *layers, *dense):
            gates = GATES[work.cell] if layer in layers else 1
            for variable in layer.trainable_variables:
                take_given_weights(variable, gates, bool(convolutions))
    every = (*tables, *convolutions, *layers, *dense)
    variables = [variable for layer in every for variable in layer.trainable_variables]
    optimizer = OPTIMIZERS[work.optimizer](protocol.LEARNING_RATE)
    optimizer.build(variables)
    loss_of = LOSSES[work.loss]

    @compiled
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, outputs(x))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        if mode == "xla":  # which does not compile what Keras does with the rows of a table alone
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, variables)
        return loss

    return lambda: step(x, y).numpy()


def take_given_weights(variable, gates, convolutional):
    if variable.name == "bias":
        variable.assign(tf.zeros(variable.shape))
    else:
        *shape, columns = variable.shape
        values = protocol.given(math.prod(shape), columns // gates, gates, convolutional)
        variable.assign(values.reshape(variable.shape))


def roof():
    a, b = (tf.random.uniform((protocol.ROOF_SIZE, protocol.ROOF_SIZE)) for _ in range(2))
    product = tf.function(lambda: tf.matmul(a, b))
    return lambda: product().numpy()


protocol.serve(f"tensorflow-{mode}", tf.__version__, threads, make, roof)
