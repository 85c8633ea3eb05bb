"""The goldens of optimizers and schedules: each function fills one group."""

import keras
import numpy as np
import tensorflow as tf
from golden_file import snake

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
}
OPTION_NAMES = {  # Keras's options that the mechanical change of case does not give
    "clipNorm": "clipnorm",
    "clipValue": "clipvalue",
    "globalClipNorm": "global_clipnorm",
    "beta1": "beta_1",
    "beta2": "beta_2",
}


def make_optimizer(kind, config):
    options = {OPTION_NAMES.get(key, snake(key)): value for key, value in config.items()}
    return OPTIMIZERS[kind](**options)


def optimizers(group):
    """Five steps on two weights, the clipping limits sometimes reached and sometimes not."""
    forms = {
        "sgd": {"learningRate": 0.1},
        "sgd/momentum": {"learningRate": 0.1, "momentum": 0.9},
        "sgd/nesterov": {"learningRate": 0.1, "momentum": 0.9, "nesterov": True},
        "rmsprop": {"learningRate": 0.01},
        "rmsprop/rho": {"learningRate": 0.01, "rho": 0.5, "epsilon": 0.001},
        "rmsprop/momentum": {"learningRate": 0.01, "momentum": 0.9},
        "rmsprop/centered": {"learningRate": 0.01, "centered": True},
        "rmsprop/centered/momentum": {
            "learningRate": 0.01,
            "centered": True,
            "momentum": 0.9,
        },
        "adam": {"learningRate": 0.01},
        "adam/betas": {
            "learningRate": 0.01,
            "beta1": 0.5,
            "beta2": 0.9,
            "epsilon": 0.001,
        },
        "adam/amsgrad": {"learningRate": 0.01, "amsgrad": True},
    }
    clips = {
        "": {},
        "/clipNorm": {"clipNorm": 1.0},
        "/clipValue": {"clipValue": 0.3},
        "/globalClipNorm": {"globalClipNorm": 1.0},
    }
    for form, settings in forms.items():
        kind = form.partition("/")[0]
        for clip, limit in clips.items():
            config = {**settings, **limit}
            case = group.case(form + clip, "optimizer", {"optimizer": kind, **config})
            optimizer = make_optimizer(kind, config)
            variables = {}
            for key, shape in (("a", (3, 4)), ("b", (5,))):
                variables[key] = keras.Variable(case.generate("weights", key, shape), name=key)
            optimizer.build(list(variables.values()))
            for step, scale in enumerate((0.2, 2.0, 0.5, 5.0, 0.1), start=1):
                gradients = [
                    tf.constant(case.generate("inputs", f"gradient{step}.{key}", variable.shape, scale))
                    for key, variable in variables.items()
                ]
                optimizer.apply(gradients, list(variables.values()))
                for key, variable in variables.items():
                    case.store("outputs", f"{key}{step}", variable.numpy())


