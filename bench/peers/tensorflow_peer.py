"""Keras on TensorFlow: python tensorflow_peer.py THREADS graph|xla. The protocol: `protocol.py`."""

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


def make(work, kind):
    x, y = protocol.data(work, 1 if kind == "row" else work.batch)
    lengths = tf.constant(work.lengths(len(x)))
    mask = tf.sequence_mask(lengths, protocol.T) if work.masked else None
    x, y = tf.constant(x), tf.constant(y)
    last = len(work.units) - 1
    layers = [LAYERS[work.cell](units, return_sequences=i < last) for i, units in enumerate(work.units)]
    if work.bidirectional:
        layers = [keras.layers.Bidirectional(layer) for layer in layers]
    head = keras.layers.Dense(protocol.CLASSES)
    compiled = tf.function(jit_compile=mode == "xla", autograph=False)

    def logits(x):
        for layer in layers:
            x = layer(x, mask=mask)
        return head(x)

    logits(x)  # builds the layers
    if kind != "train":
        infer = compiled(logits)
        return lambda: infer(x).numpy()

    variables = [variable for layer in (*layers, head) for variable in layer.trainable_variables]
    optimizer = keras.optimizers.Adam(protocol.LEARNING_RATE)
    optimizer.build(variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @compiled
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, logits(x))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss

    return lambda: step(x, y).numpy()


def roof():
    a, b = (tf.random.uniform((protocol.ROOF_SIZE, protocol.ROOF_SIZE)) for _ in range(2))
    product = tf.function(lambda: tf.matmul(a, b))
    return lambda: product().numpy()


protocol.serve(f"tensorflow-{mode}", tf.__version__, threads, make, roof)
