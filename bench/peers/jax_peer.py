"""JAX with optax: python jax_peer.py THREADS. The protocol stands in `protocol.py`.

The layers are the usual `lax.scan` over time with the input's product taken out of the loop. Scans
are unrolled once, twice and wholly (long ones four times), and the fastest is used, chosen for each work and kind.
"""

import functools
import os

import protocol

threads = protocol.limit_threads()
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = str(threads)  # the size of XLA's thread pool

import jax
import jax.numpy as jnp
import numpy as np
import optax

GATES = {"simpleRNN": 1, "lstm": 4, "gru": 3}
LOSSES = {
    "sparseCategoricalCrossentropy": optax.softmax_cross_entropy_with_integer_labels,
    "meanSquaredError": optax.squared_error,
}
OPTIMIZERS = {
    "adam": optax.adam,
    "adadelta": lambda rate: optax.adadelta(rate, **protocol.ADADELTA),
    "sgd": optax.sgd,
}
ACTIVATIONS = {"linear": lambda x: x, "sigmoid": jax.nn.sigmoid}


def simple_rnn(weights, state, projected):
    (h,) = state
    return (jnp.tanh(projected + h @ weights["recurrent"]),)


def lstm(weights, state, projected):
    h, c = state
    i, f, g, o = jnp.split(projected + h @ weights["recurrent"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(weights, state, projected):
    (h,) = state
    xz, xr, xh = jnp.split(projected, 3, axis=-1)
    hz, hr, hh = jnp.split(h @ weights["recurrent"] + weights["recurrent_bias"], 3, axis=-1)
    z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
    return (z * h + (1 - z) * jnp.tanh(xh + r * hh),)


CELLS = {"simpleRNN": (simple_rnn, 1), "lstm": (lstm, 2), "gru": (gru, 1)}  # and how many states


def zeros(cell, rows, units):
    """The states of a layer before the first step."""
    return tuple(jnp.zeros((rows, units)) for _ in range(CELLS[cell][1]))


def run_layer(cell, weights, x, mask, unroll, reverse=False, start=None):
    """x [T, B, D], mask [T, B, 1] or None -> outputs [T, B, H] and the last states, h [B, H] the first."""
    function, _ = CELLS[cell]
    if start is None:
        start = zeros(cell, x.shape[1], weights["recurrent"].shape[0])

    def step(state, inputs):
        projected, active = inputs
        new = function(weights, state, projected)
        if active is not None:
            new = tuple(jnp.where(active, a, b) for a, b in zip(new, state, strict=True))
        return new, new[0]

    inputs = (x @ weights["kernel"] + weights["bias"], mask)
    final, outputs = jax.lax.scan(step, start, inputs, reverse=reverse, unroll=unroll)
    return outputs, final


def parameters(work, matrix):
    """All weights; `matrix(inputs, units, gates)` makes those that are not biases."""
    gates = GATES[work.cell]

    def layer(inputs, units):
        weights = {
            "kernel": matrix(inputs, units, gates),
            "recurrent": matrix(units, units, gates),
            "bias": jnp.zeros(gates * units),
        }
        return weights | ({"recurrent_bias": jnp.zeros(gates * units)} if work.cell == "gru" else {})

    channels = (*work.input[3:], *work.filters)
    window = work.kernel**2
    kernels = [
        {
            "kernel": matrix(window * C, F, 1).reshape(work.kernel, work.kernel, C, F),
            "bias": jnp.zeros(F),
        }
        for C, F in zip(channels, work.filters)
    ]
    sides = 2 if work.bidirectional else 1
    table = {"table": matrix(work.words, work.embedding, 1)} if work.words else {}
    sizes = zip((work.features, *work.units[:-1]), work.units, strict=True)
    layers = [[layer(inputs, units) for _ in range(sides)] for inputs, units in sizes]
    dense = [units for units in (sides * work.units[-1], work.hidden, work.outputs) if units]
    head = [
        {"kernel": matrix(inputs, units, 1), "bias": jnp.zeros(units)}
        for inputs, units in zip(dense, dense[1:])
    ]
    return {**table, "convolutions": kernels, "layers": layers, "head": head}


def random_matrix():
    keys = iter(jax.random.split(jax.random.key(0), 16))
    return lambda inputs, units, gates: jax.random.normal(next(keys), (inputs, gates * units)) * 0.1


def look(work, convolutions, x):
    """Pictures x [B, T, H, W, C] -> [B, T, D]."""
    B, T, *step = x.shape
    x = x.reshape(B * T, *step)
    for weights in convolutions:
        layout = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, weights["kernel"], (1, 1), "VALID", dimension_numbers=layout)
        x = jax.nn.relu(y + weights["bias"])
    window = (1, work.pool, work.pool, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID").reshape(B, T, -1)


def drop(x, rate, key):
    """The same elements of x [T, B, D] at all time steps."""
    keep = jax.random.bernoulli(key, 1 - rate, (1, *x.shape[1:]))
    return jnp.where(keep, x / (1 - rate), 0)


def outputs(work, params, x, mask, unroll, key=None, starts=None):
    """x [B, T, D] or ids [B, T] -> [B, outputs] or [B, T, outputs], and the states of each layer after it;
    dropout where there is a key. A bidirectional layer can only be the last, and starts from zero."""
    if work.filters:
        x = look(work, params["convolutions"], x)
    x = jnp.swapaxes(x, 0, 1)
    if work.words:
        x = params["table"][x]
    finals = []
    for number, sides in enumerate(params["layers"]):
        if key is not None:
            x = drop(x, work.dropout, jax.random.fold_in(key, number))
        start = None if starts is None else starts[number]
        runs = [
            run_layer(work.cell, side, x, mask, unroll, i == 1, start) for i, side in enumerate(sides)
        ]
        x = jnp.concatenate([outputs for outputs, _ in runs], axis=-1)
        last = jnp.concatenate([final[0] for _, final in runs], axis=-1)
        finals.append(runs[0][1])
    y = jnp.swapaxes(x, 0, 1) if work.perStep else last
    for weights in params["head"]:
        y = y @ weights["kernel"] + weights["bias"]
    return ACTIVATIONS[work.activation](y), finals


def make(work, kind):
    x, y = protocol.data(work, work.rows(kind))
    steps = work.input[0]
    mask = None
    if work.masked:
        mask = (np.arange(steps)[:, None] < np.array(work.lengths(len(x))))[:, :, None]
    x, y = jnp.asarray(x), jnp.asarray(y)
    if kind == "losses":
        matrix = functools.partial(protocol.given, convolutional=bool(work.filters))
        return make_train(work, x, y, mask, 1, matrix)
    make_run = make_train if kind == "train" else make_infer
    unrolls = sorted({1, min(2, steps), steps if steps <= 40 else 4})  # many steps compile for minutes
    return protocol.best([make_run(work, x, y, mask, unroll, random_matrix()) for unroll in unrolls])


def make_infer(work, x, y, mask, unroll, matrix):
    params = parameters(work, matrix)
    infer = jax.jit(lambda params, x: outputs(work, params, x, mask, unroll)[0])
    return lambda: np.asarray(infer(params, x))


def make_train(work, x, y, mask, unroll, matrix):
    optimizer = OPTIMIZERS[work.optimizer](protocol.LEARNING_RATE)
    params = parameters(work, matrix)
    key = jax.random.key(1) if work.dropout > 0 else None
    starts = [zeros(work.cell, work.batch, units) for units in work.units] if work.stateful else None
    state = (params, optimizer.init(params), key, starts)

    def loss_of(params, x, y, key, starts):
        predicted, finals = outputs(work, params, x, mask, unroll, key, starts)
        return LOSSES[work.loss](predicted, y).mean(), finals if work.stateful else None

    def step(state, x, y):
        params, slots, key, starts = state
        now = None
        if key is not None:
            key, now = jax.random.split(key)
        (loss, starts), gradients = jax.value_and_grad(loss_of, has_aux=True)(params, x, y, now, starts)
        updates, slots = optimizer.update(gradients, slots, params)
        return (optax.apply_updates(params, updates), slots, key, starts), loss

    step = jax.jit(step, donate_argnums=0)

    def train():
        nonlocal state
        state, loss = step(state, x, y)
        jax.block_until_ready(state)
        return float(loss)

    return train


def roof():
    keys = jax.random.split(jax.random.key(0))
    a, b = (jax.random.uniform(key, (protocol.ROOF_SIZE, protocol.ROOF_SIZE)) for key in keys)
    product = jax.jit(jnp.matmul)
    return lambda: np.asarray(product(a, b))


protocol.serve("jax", jax.__version__, threads, make, roof)
