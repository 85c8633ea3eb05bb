"""Opens in Keras what Rondo writes: the last word on whether it is a .keras file.

Needs a built library, node, and the packages of generate.py; it is no part of npm test:

    npm run build
    venv/bin/python tests/golden/check_files.py

`write_files.mjs` reads every file of `files/` and writes it anew. Keras must find the same model in
both: configuration, weights, the state of the optimizer. (`shared.keras` is left out:
Keras cannot load its own.) `dense.keras` is made by hand.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from generate_files import FOLDER, MODELS, shared  # registers the class Parts

HERE = Path(__file__).parent


def state(model):
    optimizer = getattr(model, "optimizer", None)
    return [np.array(v) for v in [*model.weights, *(optimizer.variables if optimizer else [])]]


def check_same(original, written):
    first, second = state(original), state(written)
    assert len(first) == len(second), (len(first), len(second))
    for a, b in zip(first, second):
        assert a.dtype == b.dtype and a.shape == b.shape, (a, b)
        rounded = a.astype("float32") if a.dtype == "float64" else a  # float64 is read as float32
        np.testing.assert_array_equal(rounded, b)
    assert original.get_config() == written.get_config()


def check_dense(model):
    kernel, bias = model.layers[0].get_weights()
    assert kernel.tolist() == [[1, -2], [3, -4], [5, -6]] and bias.tolist() == [0.5, -0.5]
    assert model.predict(np.ones((1, 3)), verbose=0).tolist() == [[9.5, 0.0]]
    assert model.optimizer.iterations.numpy() == 5 and model.optimizer.learning_rate.numpy() == 0.25
    slots = [v.numpy().ravel()[0] for v in model.optimizer.variables[2:]]
    assert slots == [1, 2, 3, 4], slots


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["node", HERE / "write_files.mjs", folder], check=True)
        for name in [make.__name__ for make in MODELS if make is not shared]:
            paths = [base / f"{name}.keras" for base in (FOLDER, Path(folder))]
            check_same(*(keras.models.load_model(path) for path in paths))
            with zipfile.ZipFile(paths[1]) as archive:
                assert archive.testzip() is None
            print(f"{name}: the same model")
        check_dense(keras.models.load_model(Path(folder) / "dense.keras"))
        print("dense: as it was made")
    sys.exit(0)
