"""Writes the files in `files/`: models that Keras saved, and what is in them.

To regenerate, with the packages of generate.py:

    venv/bin/python tests/golden/generate_files.py [NAME ...]        # all: seconds

Every model is `files/<name>.keras`, built so that each kind of layer, each place of a layer and each
state of an optimizer stands in one of them. `files/index.json` says what h5py finds in each: for
every group with variables its path, its name, and for every variable its type and shape, and a
checksum: the sum over i of (i + 1) * value i, in float64. `files/answers.json` says what Keras answers,
from the files as they are, to inputs of the given shapes that hold sin(1.7 i + k), i counting their
elements and k the inputs from 1. The dates in the files change from one run
to the next, and the identities of shared objects.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import ml_dtypes
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent / "files"


def every_layer():
    """Each layer that Rondo has, and the wrappers, in a row; compiled, and trained for a step."""
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(5, 3, mask_zero=True, name="table"),
            layers.Masking(),
            layers.SimpleRNN(2, return_sequences=True),
            layers.LSTM(2, return_sequences=True, dropout=0.1),
            layers.GRU(2, return_sequences=True, recurrent_dropout=0.1),
            layers.GRU(2, return_sequences=True, reset_after=False),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both"),
            layers.RNN(
                layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(3), layers.LSTMCell(2)]),
                return_sequences=True,
            ),
            layers.RNN(layers.SimpleRNNCell(2), return_sequences=True),
            layers.TimeDistributed(layers.Dense(2, name="inner")),
            layers.TimeDistributed(layers.Dense(3, use_bias=False)),
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.Flatten(),
            layers.Reshape((4, 3)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, name="first"),
            layers.Activation("relu"),
            layers.Dense(2, name="frozen", trainable=False),
            layers.Dense(1),
        ],
        name="every_layer",
    )
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.array([[1, 2, 3, 0], [4, 3, 2, 1]]), np.array([[1.0], [2.0]]))
    return model


def graph():
    """Two inputs, layers in two places, nested models, momentum."""
    left, right = keras.Input((3, 2), name="left"), keras.Input((3, 2), name="right")
    reader, twice = layers.LSTM(2, name="reader"), layers.Dense(4, name="twice")
    head = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="own")], name="head")
    inner_in = keras.Input((4,), name="inner_in")
    inner = keras.Model(inner_in, layers.Dense(3, name="last")(inner_in), name="inner")
    joined = layers.Concatenate(name="joined")([reader(left), reader(right)])
    outputs = [inner(twice(head(twice(joined)))), layers.Dense(1, name="side")(joined)]
    model = keras.Model([left, right], outputs, name="graph")
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), ["mse", "mae"])
    rng = np.random.default_rng(1)
    x = [rng.standard_normal((2, 3, 2)).astype("float32") for _ in range(2)]
    model.train_on_batch(x, [np.ones((2, 3)), np.ones((2, 1))])
    return model


def shared():
    """A layer in two nested models, which Keras writes once, and then cannot load."""
    layer = layers.Dense(2, name="shared")
    first = keras.Sequential([keras.Input((2,)), layer], name="first")
    second = keras.Sequential([keras.Input((2,)), layer, layers.Dense(2, name="own")], name="second")
    inputs = keras.Input((2,), name="input")
    return keras.Model(inputs, second(first(inputs)), name="shared")


def wrapped():
    """Wrappers in wrappers, a learning rate that follows a schedule, averages of the weights."""
    cells = [layers.GRUCell(2), layers.SimpleRNNCell(2)]
    model = keras.Sequential(
        [
            keras.Input((2, 3, 2)),
            layers.TimeDistributed(layers.Bidirectional(layers.RNN(cells), merge_mode="sum")),
            layers.Bidirectional(layers.GRU(2), backward_layer=layers.LSTM(2, go_backwards=True)),
            keras.Sequential([layers.Dense(2), keras.Sequential([layers.Dense(2)])]),
        ],
        name="wrapped",
    )
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(keras.optimizers.AdamW(rate, amsgrad=True, use_ema=True), "mse")
    model.train_on_batch(np.ones((1, 2, 3, 2)), np.ones((1, 2)))
    return model


def nested():
    """Models within TimeDistributed, and models within those; a dropout in a call of a functional model."""
    words = keras.Input((4, 2), name="words")
    read = layers.GRU(3, return_sequences=True, dropout=0.5, name="read")(words)
    innermost = keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="innermost")
    head = keras.Sequential([layers.Dense(3, "tanh"), innermost], name="head")
    found = [layers.GlobalMaxPooling1D(name="pooled")(read), head(layers.LSTM(2, name="last")(read))]
    reader = keras.Model(words, layers.Concatenate(name="joined")(found), name="reader")
    sentences = keras.Input((3, 4, 2), name="sentences")
    each = layers.TimeDistributed(reader, name="each")(sentences)
    scores = keras.Sequential([layers.Dense(3, "relu"), layers.LayerNormalization()], name="scores")
    scored = layers.TimeDistributed(scores, name="scored")(each)
    model = keras.Model(sentences, layers.Dense(1)(layers.SimpleRNN(2)(scored)), name="nested")
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 3, 4, 2)), np.ones((2, 1)))
    return model


def named():
    """Inputs and outputs by name, not in the order of their names; outputs of one shape. Losses are functions."""
    words, hints = keras.Input((4, 6), name="words"), keras.Input((4, 6), name="hints")
    read = layers.GRU(3, name="read")
    joined = layers.Concatenate(name="joined")([read(words), read(hints)])
    outputs = {name: layers.Dense(2, name=f"{name}_head")(joined) for name in ["topic", "score", "alike"]}
    model = keras.Model({"words": words, "hints": hints}, outputs, name="named")
    functions = {"topic": keras.losses.mean_squared_error, "alike": keras.losses.huber}
    counted = {"score": [keras.metrics.binary_accuracy], "topic": [keras.metrics.mean_absolute_error]}
    model.compile("adam", {**functions, "score": "mae"}, metrics=counted)
    x = {"words": np.ones((2, 4, 6)), "hints": np.zeros((2, 4, 6))}
    model.train_on_batch(x, {name: np.ones((2, 2)) for name in outputs})
    return model


def listed():
    """Inputs and outputs in lists, not in the order of their names; outputs of one shape, and several of one layer."""
    right, left = keras.Input((4, 6), name="right"), keras.Input((4, 6), name="left")
    read = layers.LSTM(3, return_state=True, name="read")(left)
    joined = layers.Concatenate(name="joined")([read[0], layers.GlobalMaxPooling1D(name="most")(right)])
    heads = [layers.Dense(2, name=name)(joined) for name in ["topic", "score", "alike"]]
    model = keras.Model([right, left], [*read, *heads], name="listed")
    # A list of functions, of which some outputs have none.
    functions = [None, None, None, keras.losses.mean_squared_error, None, keras.losses.mean_absolute_error]
    model.compile("adam", functions)
    ones = [np.ones((2, 3))] * 3 + [np.ones((2, 2))] * 3
    model.train_on_batch([np.ones((2, 4, 6)), np.zeros((2, 4, 6))], ones)
    return model


def dtypes():
    """Layers of other types, not compiled."""
    types = ["bfloat16", "float16", "float64", "float32"]
    model = keras.Sequential(
        [keras.Input((3,)), *(layers.Dense(2, dtype=dtype, name=dtype) for dtype in types)], name="dtypes"
    )
    tiny = np.array([[2.0**-24, -(2.0**-15)], [65504.0, -0.0], [np.inf, 1 / 3]])
    model.layers[0].set_weights([tiny, np.array([1 / 3, -2.5])])
    model.layers[1].set_weights([tiny[:2], np.array([np.nan, -2.5])])
    return model


@keras.saving.register_keras_serializable("rondo")
class Parts(keras.Model):
    """A class of one's own that holds layers in lists, dictionaries and private attributes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._hidden = layers.Dense(1, name="hidden")
        self.blocks = [layers.Dense(2, name="b0"), layers.Dense(2, name="b1"), [layers.Dense(2, name="b2")]]
        self.by_name = {"reader": layers.GRU(2, name="reader")}
        self.again = self.blocks[1]

    def call(self, x):
        x = self.by_name["reader"](x)
        return self._hidden(self.blocks[2][0](self.blocks[1](self.blocks[0](x))))


def parts():
    model = Parts(name="parts")
    model(np.ones((1, 3, 2), "float32"))
    return model


def pictures():
    """Convolutions and pools over time and pictures, and what resizes pictures."""
    film = keras.Input((3, 8, 8, 1), name="film")
    each = layers.TimeDistributed(layers.Conv2D(2, 3, padding="same", activation="relu"))(film)
    moving = layers.ConvLSTM2D(2, 2, padding="same")(each)
    made = layers.UpSampling2D((2, 1))(layers.ZeroPadding2D((1, 0))(moving))
    made = layers.MaxPooling2D(2, padding="same")(layers.Cropping2D(((1, 2), (0, 1)))(made))
    made = layers.AveragePooling2D(2, strides=1)(layers.Conv2D(4, 2, strides=2, groups=2)(made))
    largest = layers.GlobalMaxPooling2D()(made)
    mean = layers.GlobalAveragePooling2D(keepdims=True)(made)
    whole = layers.MaxPooling3D(2)(film)
    lines = layers.ConvLSTM1D(2, 2, return_sequences=True)(layers.Reshape((1, 16, 1))(whole))
    series = layers.Conv1D(3, 2, padding="causal", dilation_rate=2)(layers.Reshape((15, 2))(lines))
    series = layers.UpSampling1D(2)(layers.AveragePooling1D(2)(layers.MaxPooling1D(3, padding="same")(series)))
    joined = layers.Concatenate()([largest, layers.Flatten()(mean), layers.Flatten()(series)])
    model = keras.Model(film, layers.Dense(2)(joined), name="pictures")
    model.compile("adam", "mse")
    return model


MODELS = [every_layer, graph, shared, wrapped, nested, named, listed, dtypes, parts, pictures]
ANSWERED = {
    "pictures": [(2, 3, 8, 8, 1)],
    "graph": [(2, 3, 2), (2, 3, 2)],
    "wrapped": [(2, 2, 3, 2)],
    "nested": [(2, 3, 4, 2)],
    "named": {"words": (2, 4, 6), "hints": (2, 4, 6)},
    "listed": [(2, 4, 6), (2, 4, 6)],
}


def answer(name, inputs):
    """What a model answers: a list for each of its outputs, by its name where the outputs have names."""
    shapes = inputs.values() if isinstance(inputs, dict) else inputs
    waves = [np.sin(np.arange(np.prod(shape)) * 1.7 + k).reshape(shape) for k, shape in enumerate(shapes, 1)]
    model = keras.models.load_model(FOLDER / f"{name}.keras")
    given = dict(zip(inputs, waves)) if isinstance(inputs, dict) else waves
    predicted = model.predict(given if len(waves) > 1 else waves[0], verbose=0)
    if isinstance(predicted, dict):
        return {"inputs": inputs, "outputs": {key: y.ravel().tolist() for key, y in predicted.items()}}
    outputs = predicted if isinstance(predicted, list) else [predicted]
    return {"inputs": inputs, "outputs": [output.ravel().tolist() for output in outputs]}


def contents(file):
    """Every group `vars` by the path of the object that it belongs to."""
    groups = {}

    def visit(path, found):
        if not isinstance(found, h5py.Group) or path.rsplit("/", 1)[-1] != "vars":
            return
        arrays = [found[str(i)] for i in range(len(found))]
        groups[path[: -len("/vars")]] = {
            "name": found.attrs.get("name"),
            "variables": [variable(array) for array in arrays],
        }

    file.visititems(visit)
    return groups


def variable(dataset):
    dtype = dataset.attrs.get("dtype", dataset.dtype.name)
    values = np.array(dataset)
    if dtype == "bfloat16":
        values = values.view(ml_dtypes.bfloat16)
    values = values.astype("float32" if "float" in dtype else "float64").astype("float64").ravel()
    finite = np.where(np.isfinite(values), values, 0)
    checksum = float(finite @ np.arange(1, finite.size + 1))
    return {"dtype": dtype, "shape": list(dataset.shape), "checksum": checksum}


def write_lines(path, entries):
    lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    wanted = sys.argv[1:] or [make.__name__ for make in MODELS]
    known = json.loads((FOLDER / "index.json").read_text())
    index = {}
    for make in MODELS:
        name = make.__name__
        path = FOLDER / f"{name}.keras"
        if name in wanted:
            keras.utils.clear_session()
            keras.utils.set_random_seed(7)
            make().save(path)
            with zipfile.ZipFile(path) as archive:
                weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
                known[name] = contents(weights)
        index[name] = known[name]
    write_lines(FOLDER / "index.json", index)
    write_lines(FOLDER / "answers.json", {name: answer(name, shapes) for name, shapes in ANSWERED.items()})
