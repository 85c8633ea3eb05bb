"""What the Python peers share: the works and the conversation with the bench driver.

A peer is a long-lived process that speaks JSON lines, so that the driver can interleave peers round
by round. It is started as `python NAME_peer.py THREADS …` and says, once it has loaded,

    {"peer": "torch", "version": "2.15.0", "threads": 2, "ready": true}

Then it answers each line of its standard input with one line:

    {"work": "W1", "kind": "train", "seconds": 0.5}
    {"work": "W1", "kind": "train", "ms": 45.8, "repetitions": 11}          the median
    {"work": "W9", "kind": "train", "unsupported": "no work W9"}

Kinds: "train" is one optimizer step on the batch, "infer" the batch's logits, "row" one row's logits,
and "roof" of work "sgemm" the product of two 1024 x 1024 float32 matrices, answered in "gflops".
A request may ask for a least number of "repetitions" (5 without it). The first request for a work
builds, compiles and warms up before the clock runs; the result is in host memory when it stops.
"""

import json
import math
import os
import sys
import time
from dataclasses import dataclass

T, D, CLASSES = 28, 28, 10
LEARNING_RATE = 1e-3
ROOF_SIZE = 1024


@dataclass(frozen=True)
class Work:
    """Recurrent layers of `units`, then Dense 10; inputs [batch, 28, 28], Adam, sparse categorical
    cross-entropy from logits. A masked work has sequences of 1 to 27 steps, 14 on the average."""

    cell: str
    units: tuple
    batch: int
    bidirectional: bool = False
    masked: bool = False

    def lengths(self, rows):
        return [1 + i * (T - 1) // rows for i in range(rows)] if rows > 1 else [T // 2]


WORKS = {
    "W1": Work("lstm", (64, 32), 500),
    "W2": Work("lstm", (64,), 500, bidirectional=True),
    "W3": Work("lstm", (256, 256), 128),
    "W4": Work("simpleRNN", (50,), 50),
    "G1": Work("gru", (64, 32), 500),
    "G3": Work("gru", (256, 256), 128),
    "M1": Work("lstm", (64, 32), 500, masked=True),
    "M3": Work("lstm", (256, 256), 128, masked=True),
}


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


def data(work, rows):
    """x [rows, 28, 28] float32 and y [rows] int64, the same in every run."""
    import numpy as np

    random = np.random.default_rng(7)
    x = random.random((rows, T, D), dtype=np.float32)
    if work.masked:
        x *= (np.arange(T) < np.array(work.lengths(rows))[:, None])[:, :, None]
    return x, random.integers(0, CLASSES, rows)


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


def warm_up(run):
    """Runs once to see that the result is a number, then for half a second."""
    result, start = run(), time.perf_counter()
    if not math.isfinite(float(result.sum() if hasattr(result, "sum") else result)):
        raise ArithmeticError("the result is not finite")
    while time.perf_counter() - start < 0.5:
        run()


def serve(peer, version, threads, make, roof=None):
    """Answers requests until standard input ends.

    `make(work, kind)` gives the function to time, which returns the loss or the logits; `roof()` the
    one that multiplies two matrices of ROOF_SIZE.
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
        if name not in WORKS:
            raise Unsupported(f"no work {name}")
        if kind not in ("train", "infer", "row"):
            raise Unsupported(f"no kind {kind}")
        return make(WORKS[name], kind)

    answer({"peer": peer, "version": version, "threads": threads, "ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        name, kind = request["work"], request["kind"]
        reply = {"work": name, "kind": kind}
        try:
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
