"""Writes the files in `files/`: models that Keras saved, and what is in them.

To regenerate, with the packages of generate.py:

    venv/bin/python tests/golden/generate_files.py        # seconds

Every model is `files/<name>.keras`, built so that each kind of layer, each place of a layer and each
state of an optimizer stands in one of them. `files/index.json` says what h5py finds in each: for
every group with variables its path, its name, and for every variable its type and shape, and a
checksum: the sum over i of (i + 1) * value i, in float64. The dates in the files change from one run
to the next, and the identities of shared objects.
"""

import io
import json
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


MODELS = [every_layer, graph, shared, wrapped, dtypes, parts]


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


if __name__ == "__main__":
    index = {}
    for make in MODELS:
        keras.utils.clear_session()
        keras.utils.set_random_seed(7)
        name = make.__name__
        path = FOLDER / f"{name}.keras"
        make().save(path)
        with zipfile.ZipFile(path) as archive:
            weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
            index[name] = contents(weights)
    lines = [f" {json.dumps(name)}: {json.dumps(groups)}" for name, groups in index.items()]
    (FOLDER / "index.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
