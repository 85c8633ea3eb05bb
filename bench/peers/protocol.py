"""What the Python peers share: the works and the conversation with the bench driver.

A peer is a long-lived process that speaks JSON lines, so that the driver can interleave peers round
by round. It is started as `python NAME_peer.py THREADS …` and says, once it has loaded,

    {"peer": "torch", "version": "2.15.0", "threads": 2, "ready": true}

Then it answers each line of its standard input with one line:

    {"work": "W1", "kind": "train", "seconds": 0.5}
    {"work": "W1", "kind": "train", "ms": 45.8, "repetitions": 11}          the median
    {"work": "W9", "kind": "train", "unsupported": "no work W9"}

Kinds: "train" is one optimizer step on the batch, "infer" the batch's outputs, "row" one row's
outputs, and "roof" of work "sgemm" the product of two 1024 x 1024 float32 matrices, answered in
"gflops". "stream" draws the next id of one sequence that goes on, "streams" those of 64 side by side:
a time step from the states of the one before, its logits, and ids drawn from them at a temperature of
0.8. A request may ask for a least number of "repetitions" (5 without it). The first request for a work
builds, compiles and warms up before the clock runs; the result is in host memory when it stops.

Kind "losses" measures nothing. It answers the "losses" of the first three training steps, without
dropout and from weights that are the same for all: `given`, and biases of zero. So the driver can see
that all compute the same. Sequences are cut to 28 steps: over a hundred, rounding would grow with such
weights until nothing is left to compare.
"""

import json
import math
import os
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

LEARNING_RATE = 1e-3
ROOF_SIZE = 1024
STREAMS = 64
COMPARED_STEPS = 28
ADADELTA = {"rho": 0.95, "eps": 1e-6}


@dataclass(frozen=True)
class Work:
    """Recurrent layers of `units`, then a Dense layer of `outputs` on the last step; rows of the input
    are [steps, features], or [steps] ids below `words`, each of which stands for a vector of size
    `embedding`. With `filters` they are [steps, height, width, channels]: each step goes through
    convolutions of kernel x kernel with relu, a maximum over pool x pool, and is flattened; `hidden` is a
    Dense layer before the last. A masked work has sequences of `shortest` to steps - 1 steps, evenly
    spread; the rest is 0, which no id of a step is. `dropout` is that of each recurrent layer's input.
    `perStep`: outputs and targets at every step. `stateful`: a batch begins with the states in which the
    one before ended. Losses are means, and cross-entropy takes the outputs as logits; "crf" takes them as
    the scores of tags, of which a conditional random field is trained and its best sequences inferred."""

    name: str
    batch: int
    input: list
    cell: str
    units: list
    outputs: int
    loss: str
    optimizer: str
    bidirectional: bool = False
    masked: bool = False
    shortest: int = 1
    perStep: bool = False
    stateful: bool = False
    dropout: float = 0.0
    words: int = 0
    embedding: int = 0
    activation: str = "linear"
    filters: tuple = ()
    kernel: int = 1
    pool: int = 1
    hidden: int = 0

    @property
    def features(self):
        """Numbers of a step that the first recurrent layer reads."""
        if not self.filters:
            return self.embedding or self.input[1]
        _, height, width, _ = self.input
        lost = len(self.filters) * (self.kernel - 1)
        return (height - lost) // self.pool * ((width - lost) // self.pool) * self.filters[-1]

    def lengths(self, rows):
        steps, shortest = self.input[0], self.shortest
        return [shortest + i * (steps - shortest) // rows for i in range(rows)] if rows > 1 else [steps // 2]

    def rows(self, kind):
        return {"row": 1, "stream": 1, "streams": STREAMS}.get(kind, self.batch)


WORKS = {
    name: Work(name, **fields)
    for name, fields in json.loads(Path(__file__).with_name("works.json").read_text()).items()
}


LAYERS = {"rnn": "simpleRNN", "lstm": "lstm", "gru": "gru"}


def work_of(name):
    """A work by its name, or of one recurrent layer by its sizes: "lstm:128,28,64,512" has 128 rows of 28
    steps of 64 features and 512 units; "bilstm:..." reads them in both directions. None: there is none."""
    if name in WORKS:
        return WORKS[name]
    sizes = re.fullmatch(r"(bi)?(rnn|lstm|gru):(\d+),(\d+),(\d+),(\d+)", name)
    if sizes is None:
        return None
    batch, steps, features, units = map(int, sizes.groups()[2:])
    return Work(
        name,
        batch=batch,
        input=[steps, features],
        cell=LAYERS[sizes[2]],
        units=[units],
        outputs=10,
        loss="sparseCategoricalCrossentropy",
        optimizer="adam",
        bidirectional=sizes[1] is not None,
    )


class Unsupported(Exception):
    """The framework does not offer this work; the message says why."""


def limit_threads():
    """The THREADS argument, made known to every library that reads it from the environment. To be
    called before the framework is imported. Some libraries keep a thread beside those they were
    given, or read the number of processors only: so the process gets no more processors either."""
    threads = int(sys.argv[1])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    return threads


def spread(count, step):
    """Numbers from 0 to 1, evenly spread: the fractions of the multiples of `step`, float64."""
    import numpy as np

    return np.arange(count) * step % 1


def data(work, rows):
    """x [rows, *input] float32 or ids int32, and y, class numbers [rows] int64 or values [rows, outputs]
    float32, of a work with outputs per step [rows, steps] or [rows, steps, outputs]; the same in every run
    and for all peers."""
    import numpy as np

    x = spread(rows * math.prod(work.input), (math.sqrt(5) - 1) / 2).reshape(rows, *work.input)
    x = (1 + x * (work.words - 1)).astype(np.int32) if work.words else x.astype(np.float32)
    shape = (rows, work.input[0]) if work.perStep else (rows,)
    if work.loss == "meanSquaredError":
        shape = (*shape, work.outputs)
        y = spread(math.prod(shape), math.sqrt(2)).reshape(shape).astype(np.float32)
    else:
        y = (spread(math.prod(shape), math.sqrt(2)) * work.outputs).astype(np.int64).reshape(shape)
    if work.masked:
        active = np.arange(work.input[0]) < np.array(work.lengths(rows))[:, None]
        for values in (x, y) if work.perStep else (x,):
            values *= active.reshape(active.shape + (1,) * (values.ndim - 2)).astype(values.dtype)
    return x, y


def given(inputs, units, gates=1, convolutional=False):
    """The weights of kind "losses": [inputs, gates * units] float32, from -0.5 to 0.5, of convolutional
    works times 12 / sqrt(inputs). All gates have the same, so their order does not matter."""
    import numpy as np

    one = spread(inputs * units, (math.sqrt(5) - 1) / 2).reshape(inputs, units) - 0.5
    one *= 12 / math.sqrt(inputs) if convolutional else 1
    return np.tile(one.astype(np.float32), gates)


def best(candidates):
    """The fastest of several functions that do the same, by the least of three runs after one."""

    def least(run):
        run()
        return min(timed(run) for _ in range(3))

    return min(candidates, key=least)


def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(run, seconds, repetitions):
    """The median in seconds, and how often it ran."""
    times, start = [], time.perf_counter()
    while len(times) < repetitions or time.perf_counter() - start < seconds:
        times.append(timed(run))
    times.sort()
    middle = len(times) // 2
    return (times[middle] + times[-1 - middle]) / 2, len(times)


def finite(result):
    """The result, or the sum of several, as a float."""
    total = float(result.sum() if hasattr(result, "sum") else result)
    if not math.isfinite(total):
        raise ArithmeticError("the result is not finite")
    return total


def warm_up(run):
    """Runs once to see that the result is a number, then for half a second."""
    start = time.perf_counter()
    finite(run())
    while time.perf_counter() - start < 0.5:
        run()


def serve(peer, version, threads, make, roof=None, taggers=False):
    """Answers requests until standard input ends.

    `make(work, kind)` gives the function to time, which returns the loss or the outputs; `roof()` the
    one that multiplies two matrices of ROOF_SIZE; `taggers` says whether it knows works of the loss
    "crf". Kind "losses" is a training step from given weights.
    """
    # Libraries print to standard output: keep it for answers and send the rest to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runs = {}

    def answer(line):
        print(json.dumps(line), file=answers)

    def prepared(name, kind):
        if kind == "roof":
            if name != "sgemm" or roof is None:
                raise Unsupported(f"no roof {name}")
            return roof()
        work = work_of(name)
        if work is None:
            raise Unsupported(f"no work {name}")
        if kind not in ("train", "infer", "row", "losses"):
            raise Unsupported(f"no kind {kind}")
        if work.loss == "crf" and not taggers:
            raise Unsupported("no conditional random fields")
        if kind == "losses":
            steps, *step = work.input
            work = replace(work, dropout=0.0, input=[min(steps, COMPARED_STEPS), *step])
        return make(work, kind)

    answer({"peer": peer, "version": version, "threads": threads, "ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        name, kind = request["work"], request["kind"]
        reply = {"work": name, "kind": kind}
        try:
            if kind == "losses":
                run = prepared(name, kind)
                answer(reply | {"losses": [finite(run()) for _ in range(3)]})
                continue
            if (name, kind) not in runs:
                runs[name, kind] = prepared(name, kind)
                warm_up(runs[name, kind])
        except Unsupported as reason:
            answer(reply | {"unsupported": str(reason)})
            continue
        repetitions = request.get("repetitions", 5)
        median, count = measure(runs[name, kind], request.get("seconds", 0.5), repetitions)
        result = {"ms": round(1e3 * median, 4)}
        if kind == "roof":
            result = {"gflops": round(2 * ROOF_SIZE**3 / median / 1e9, 1)}
        answer(reply | result | {"repetitions": count})
