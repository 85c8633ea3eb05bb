"""The side of Keras in the exchange of .keras files; `exchange.mjs` beside it says how both are run.

Opens each file that Rondo wrote, compares its answers (predictions, or the losses of further training steps) with
Rondo's, and saves the model again as `NAME.again.keras`, with its own answers from there on in `NAME.keras.json`.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np


class Plain(keras.layers.Layer):
    """x times a weight and a number."""

    def __init__(self, by=1.0, **options):
        super().__init__(**options)
        self.by = by

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor * self.by

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "by": self.by}


@keras.saving.register_keras_serializable("mine")
class Scale(Plain):
    """The same, registered."""


@keras.saving.register_keras_serializable("mine")
class Sum(keras.layers.Layer):
    """A cell: h becomes tanh(x·k + h)."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = self.state_size = self.output_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, x, states, training=False):
        h = keras.ops.tanh(keras.ops.matmul(x, self.kernel) + states[0])
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def wave(shape, k=1):
    """sin(1.7 i + k)"""
    return np.sin(np.arange(np.prod(shape)) * 1.7 + k).reshape(shape).astype("float32")


def answer(name, model):
    if name.startswith("optimizer"):
        losses = []
        for _ in range(3):
            model.reset_metrics()
            step = model.train_on_batch(wave((5, 4, 6)), wave((5, 2), 2), return_dict=True)
            losses.append(float(step["loss"]))
        return losses
    shape = (2, 3) if name.endswith("repeatVector") else (2, 4, 6)
    sequential = isinstance(model, keras.Sequential)
    if not sequential and isinstance(model.input, dict):
        given = {port: wave(shape, i + 1) for i, port in enumerate(sorted(model.input))}
    else:
        given = [wave(shape, i + 1) for i, _ in enumerate(model.inputs)]
    predicted = model.predict(given[0] if sequential else given, verbose=0)
    if name.startswith("ports"):
        ports = sorted(predicted) if isinstance(predicted, dict) else range(len(predicted))
        targets = [wave(predicted[port].shape, i + 1) for i, port in enumerate(ports)]
        for _ in range(3):
            model.train_on_batch(given, dict(zip(ports, targets)) if isinstance(predicted, dict) else targets)
        predicted = model.predict(given, verbose=0)
    if isinstance(predicted, dict):
        predicted = [predicted[key] for key in sorted(predicted)]
    outputs = predicted if isinstance(predicted, list) else [predicted]
    return [value for output in outputs for value in output.ravel().tolist()]


def main(folder):
    failed = False
    for file in sorted(folder.glob("*.keras")):
        name = file.name.removesuffix(".keras")
        if name.endswith(".again"):
            continue
        model = keras.models.load_model(file, custom_objects={"Plain": Plain})
        expected = json.loads((folder / f"{name}.json").read_text())
        given = answer(name, model)
        error = max(abs(a - b) for a, b in zip(expected, given))
        print(f"{name}: {error:.1e}", flush=True)
        failed |= len(expected) != len(given) or not error < 1e-5
        model.save(folder / f"{name}.again.keras")
        (folder / f"{name}.keras.json").write_text(json.dumps(answer(name, model)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
