"""The goldens of regularizers and constraints: each function fills one group."""

import numpy as np
import tensorflow as tf
from keras_cases import make_penalty


def given(case, shape):
    """Weights with zeros among them: the first element, and the last column."""
    x = case.generate("inputs", "x", shape, 2.0) if "zeros" not in case.name else None
    if x is None:
        x = 2 * np.sin(np.arange(np.prod(shape)) * 1.7 + 1).reshape(shape)
        x.reshape(-1)[0] = 0
        x[..., -1] = 0
        x = case.store("inputs", "x", x)
    return tf.constant(x)


def regularizers(group):
    """The penalty of given weights, and its gradient."""
    shapes = {"": (4, 3), "/zeros": (4, 3), "/vector": (5,), "/rank3": (2, 3, 2)}
    kinds = {
        "l1": {},
        "l1/factor": {"l1": 0.3},
        "l2": {},
        "l2/factor": {"l2": 0.3},
        "l1l2": {},
        "l1l2/both": {"l1": 0.2, "l2": 0.05},
        "l1l2/l2": {"l2": 0.1},
        "orthogonalRegularizer": {},
        "orthogonalRegularizer/rows": {"factor": 0.5, "mode": "rows"},
        "orthogonalRegularizer/columns": {"factor": 0.5, "mode": "columns"},
    }
    for name, config in kinds.items():
        kind = name.partition("/")[0]
        for tail, shape in shapes.items():
            if kind == "orthogonalRegularizer" and len(shape) != 2:
                continue
            case = group.case(name + tail, "regularizer", {"regularizer": kind, **config})
            x = given(case, shape)
            with tf.GradientTape() as tape:
                tape.watch(x)
                penalty = make_penalty(kind, config)(x)
            case.store("outputs", "penalty", penalty)
            gradient = tape.gradient(penalty, x)
            case.store("gradients", "x", np.zeros(shape) if gradient is None else gradient)


def constraints(group):
    """Given weights, and what becomes of them."""
    kinds = {
        "maxNorm": {},
        "maxNorm/value": {"maxValue": 1.5},
        "maxNorm/axis1": {"maxValue": 1.5, "axis": 1},
        "minMaxNorm": {},
        "minMaxNorm/values": {"minValue": 2.0, "maxValue": 2.5},
        "minMaxNorm/rate": {"minValue": 0.5, "maxValue": 1.0, "rate": 0.3},
        "minMaxNorm/axis1": {"minValue": 2.0, "maxValue": 2.5, "axis": 1},
        "nonNeg": {},
        "unitNorm": {},
        "unitNorm/axis1": {"axis": 1},
    }
    for name, config in kinds.items():
        kind = name.partition("/")[0]
        for tail, shape in {"": (4, 3), "/zeros": (4, 3), "/vector": (5,)}.items():
            if "axis" not in config or len(shape) > 1:
                constraint_case(group, name + tail, kind, config, shape)
    for kind in ("maxNorm", "minMaxNorm", "unitNorm"):
        constraint_case(group, f"{kind}/axes01", kind, {"axis": [0, 1]}, (2, 3, 2))


def constraint_case(group, name, kind, config, shape):
    case = group.case(name, "constraint", {"constraint": kind, **config})
    case.store("outputs", "x", make_penalty(kind, config)(given(case, shape)))
