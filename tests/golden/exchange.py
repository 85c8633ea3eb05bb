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
    names = sorted(model.input) if isinstance(model.input, dict) else [t.name for t in model.inputs]
    given = {port: wave(shape, i + 1) for i, port in enumerate(names)}
    return model.predict(given, verbose=0)["y"].ravel().tolist()


def main(folder):
    failed = False
    for file in sorted(folder.glob("*.keras")):
        name = file.name.removesuffix(".keras")
        if name.endswith(".again"):
            continue
        model = keras.models.load_model(file)
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
