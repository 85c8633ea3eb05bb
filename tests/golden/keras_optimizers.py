"""The goldens of optimizers and schedules: each function fills one group."""

import keras
import numpy as np
import tensorflow as tf
from golden_file import hash_name, snake, uniform
from keras_cases import exact, spec

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamW": keras.optimizers.AdamW,
    "adamax": keras.optimizers.Adamax,
    "nadam": keras.optimizers.Nadam,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
}
SCHEDULES = {
    "exponentialDecay": keras.optimizers.schedules.ExponentialDecay,
    "polynomialDecay": keras.optimizers.schedules.PolynomialDecay,
    "piecewiseConstantDecay": keras.optimizers.schedules.PiecewiseConstantDecay,
    "inverseTimeDecay": keras.optimizers.schedules.InverseTimeDecay,
    "cosineDecay": keras.optimizers.schedules.CosineDecay,
    "cosineDecayRestarts": keras.optimizers.schedules.CosineDecayRestarts,
}
OPTION_NAMES = {  # Keras's options that the mechanical change of case does not give
    "clipNorm": "clipnorm",
    "clipValue": "clipvalue",
    "globalClipNorm": "global_clipnorm",
    "beta1": "beta_1",
    "beta2": "beta_2",
}


def make_schedule(kind, config):
    """The Keras schedule for camelCase options."""
    return exact(SCHEDULES[kind](**{snake(key): value for key, value in config.items()}))


def make_optimizer(kind, config):
    """The Keras optimizer for camelCase options; learningRate may be a schedule, { kind, config }."""
    options = {OPTION_NAMES.get(key, snake(key)): value for key, value in config.items()}
    if isinstance(options.get("learning_rate"), dict):
        options["learning_rate"] = make_schedule(**options["learning_rate"])
    excluded = options.pop("exclude_from_weight_decay", None)
    optimizer = exact(OPTIMIZERS[kind](**options))
    if excluded:
        optimizer.exclude_from_weight_decay(var_names=excluded)
    return optimizer


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


STEPS = 10


def optimizer_kinds(group):
    """Ten steps on two weights: every optimizer with every option that optimizers share, and its own."""
    forms = {  # by the name in cases: the options
        "sgd": {"learningRate": 0.1},
        "sgd/momentum": {"learningRate": 0.1, "momentum": 0.9},
        "sgd/nesterov": {"learningRate": 0.1, "momentum": 0.8, "nesterov": True},
        "rmsprop": {"learningRate": 0.02},
        "rmsprop/centered/momentum": {"learningRate": 0.02, "centered": True, "momentum": 0.9, "rho": 0.8},
        "adagrad": {"learningRate": 0.1},
        "adagrad/options": {"learningRate": 0.1, "initialAccumulatorValue": 0.5, "epsilon": 0.01},
        "adadelta": {"learningRate": 1.0},
        "adadelta/options": {"learningRate": 0.5, "rho": 0.8, "epsilon": 0.01},
        "adam": {"learningRate": 0.05},
        "adam/amsgrad": {"learningRate": 0.05, "amsgrad": True, "beta1": 0.8, "beta2": 0.9},
        "adamW": {"learningRate": 0.05},
        "adamW/amsgrad": {"learningRate": 0.05, "weightDecay": 0.1, "amsgrad": True, "epsilon": 0.001},
        "adamax": {"learningRate": 0.05},
        "adamax/options": {"learningRate": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 0.01},
        "nadam": {"learningRate": 0.05},
        "nadam/options": {"learningRate": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 0.01},
    }
    shared = {
        "": {},
        "weightDecay": {"weightDecay": 0.1},
        "clipNorm": {"clipNorm": 0.8},
        "clipValue": {"clipValue": 0.3},
        "globalClipNorm": {"globalClipNorm": 1.0},
        "ema": {"useEma": True, "emaMomentum": 0.8},
        "emaOverwrite": {"useEma": True, "emaMomentum": 0.8, "emaOverwriteFrequency": 3},
        "accumulation": {"gradientAccumulationSteps": 3},
    }
    for form, settings in forms.items():
        kind = form.partition("/")[0]
        for name, options in shared.items():
            if not name or form in OPTIMIZERS or (kind == "sgd" and name in ("accumulation", "emaOverwrite")):
                add_optimizer(group, f"{form}/{name}".rstrip("/"), kind, settings | options)
    everything = shared["weightDecay"] | shared["clipNorm"] | shared["emaOverwrite"] | shared["accumulation"]
    excluded = {"weightDecay": 0.1, "excludeFromWeightDecay": ["b"]}
    add_optimizer(group, "adam/accumulation/all", "adam", forms["adam"] | everything)
    add_optimizer(group, "adamW/excluded", "adamW", forms["adamW"] | excluded)
    schedules = {
        "exponential": spec("exponentialDecay", initialLearningRate=0.1, decaySteps=4, decayRate=0.5),
        "cosine": spec(
            "cosineDecay",
            initialLearningRate=0.01,
            decaySteps=5,
            alpha=0.1,
            warmupTarget=0.1,
            warmupSteps=3,
        ),
        "piecewise": spec("piecewiseConstantDecay", boundaries=[2, 5], values=[0.1, 0.05, 0.01]),
    }
    for name, learning_rate in schedules.items():
        for kind in ("sgd", "adam", "adamW"):
            config = {"learningRate": learning_rate}
            add_optimizer(group, f"{kind}/schedule/{name}", kind, config)
            if name == "exponential":
                config |= {"gradientAccumulationSteps": 2}
                add_optimizer(group, f"{kind}/schedule/{name}/accumulation", kind, config)


def add_optimizer(group, name, kind, config):
    """One element's gradient is 0 but for step 4; the others' sizes differ from step to step."""
    case = group.case(name, "optimizer", {"optimizer": kind, **config})
    optimizer = make_optimizer(kind, config)
    variables, gradients = {}, {}
    scales = np.array([0.2, 2.0, 0.5, 5.0, 0.1, 1.0, 0.02, 3.0, 0.7, 1.0])
    for key, shape in (("a", (2, 3)), ("b", (3,))):
        variables[key] = keras.Variable(case.generate("weights", key, shape), name=key)
        drawn = uniform(hash_name(f"{name} gradient {key}"), STEPS * np.prod(shape)).reshape(STEPS, *shape)
        drawn *= scales.reshape(-1, *(1 for _ in shape))
        drawn[[step for step in range(STEPS) if step != 3], ..., 1] *= key == "a"
        gradients[key] = case.store("inputs", f"gradient.{key}", drawn)
    values = list(variables.values())
    optimizer.build(values)
    weights, averages, rates = [], [], []
    for step in range(STEPS):
        rates.append(np.asarray(optimizer.learning_rate))
        optimizer.apply([tf.constant(gradients[key][step]) for key in variables], values)
        weights.append([variable.numpy() for variable in values])
        if config.get("useEma"):
            averages.append([average.numpy() for average in optimizer._model_variables_moving_average])
    for index, key in enumerate(variables):
        case.store("outputs", key, np.stack([step[index] for step in weights]))
        if averages:
            case.store("outputs", f"average.{key}", np.stack([step[index] for step in averages]))
    if isinstance(config["learningRate"], dict):
        case.store("outputs", "learningRate", np.stack(rates))


def tables(group):
    """Ten steps on a table of nine rows, of which each step names some, and on a bias: dense updates, as Keras makes them."""
    forms = {  # by the name in cases: the options
        "sgd": {"learningRate": 0.1},
        "sgd/momentum": {"learningRate": 0.1, "momentum": 0.9},
        "sgd/weightDecay": {"learningRate": 0.1, "weightDecay": 0.1},
        "sgd/globalClipNorm": {"learningRate": 0.1, "globalClipNorm": 1.0},
        "rmsprop": {"learningRate": 0.02},
        "rmsprop/centered": {"learningRate": 0.02, "centered": True, "rho": 0.8},
        "rmsprop/momentum": {"learningRate": 0.02, "momentum": 0.9},
        "rmsprop/clipNorm": {"learningRate": 0.02, "clipNorm": 0.8},
        "adagrad": {"learningRate": 0.1},
        "adagrad/clipValue": {"learningRate": 0.1, "clipValue": 0.3},
        "adadelta": {"learningRate": 1.0},
        "adadelta/options": {"learningRate": 0.5, "rho": 0.8, "epsilon": 0.01},
        "adam": {"learningRate": 0.05},
        "adam/amsgrad": {"learningRate": 0.05, "amsgrad": True},
        "adam/ema": {"learningRate": 0.05, "useEma": True, "emaMomentum": 0.8, "emaOverwriteFrequency": 3},
        "adam/accumulation": {"learningRate": 0.05, "gradientAccumulationSteps": 3},
        "adamW": {"learningRate": 0.05},
        "adamax": {"learningRate": 0.05},
        "nadam": {"learningRate": 0.05},
    }
    ids = np.array([[(7 * i * i + 3 * step * (i % 2)) % (9 if step % 3 == 0 else 3) for i in range(6)] for step in range(STEPS)])
    for name, config in forms.items():
        kind = name.partition("/")[0]
        case = group.case(name, "optimizer", {"optimizer": kind, **config})
        optimizer = make_optimizer(kind, config)
        values = [
            keras.Variable(case.generate("weights", "a", (9, 3)), name="a"),
            keras.Variable(case.generate("weights", "b", (3,)), name="b"),
        ]
        case.store("inputs", "ids", ids.astype(float))
        rows = case.generate("inputs", "rows", (STEPS, 6, 3))
        bias = case.generate("inputs", "gradient.b", (STEPS, 3))
        optimizer.build(values)
        weights = []
        for step in range(STEPS):
            dense = np.zeros((9, 3))
            np.add.at(dense, ids[step], rows[step])
            optimizer.apply([tf.constant(dense), tf.constant(bias[step])], values)
            weights.append([variable.numpy() for variable in values])
        for index, key in enumerate(("a", "b")):
            case.store("outputs", key, np.stack([step[index] for step in weights]))


def schedules(group):
    """The learning rate at steps 0 to 29."""
    rate = {"initialLearningRate": 0.1}
    for name, config in {
        "exponentialDecay": {**rate, "decaySteps": 10, "decayRate": 0.5},
        "exponentialDecay/staircase": {**rate, "decaySteps": 7, "decayRate": 0.8, "staircase": True},
        "inverseTimeDecay": {**rate, "decaySteps": 10, "decayRate": 0.5},
        "inverseTimeDecay/staircase": {**rate, "decaySteps": 7, "decayRate": 0.8, "staircase": True},
        "polynomialDecay": {**rate, "decaySteps": 20},
        "polynomialDecay/power": {**rate, "decaySteps": 20, "endLearningRate": 0.02, "power": 2.5},
        "polynomialDecay/cycle": {**rate, "decaySteps": 8, "endLearningRate": 0.01, "cycle": True},
        "polynomialDecay/cycle/power": {**rate, "decaySteps": 7, "power": 0.5, "cycle": True},
        "piecewiseConstantDecay": {"boundaries": [5, 12, 20], "values": [0.1, 0.05, 0.2, 0.01]},
        "cosineDecay": {**rate, "decaySteps": 20},
        "cosineDecay/alpha": {**rate, "decaySteps": 20, "alpha": 0.2},
        "cosineDecay/warmup": {**rate, "decaySteps": 12, "warmupTarget": 0.5, "warmupSteps": 8},
        "cosineDecay/warmup/alpha": {
            "initialLearningRate": 0.0,
            "decaySteps": 15,
            "alpha": 0.1,
            "warmupTarget": 0.3,
            "warmupSteps": 5,
        },
        "cosineDecayRestarts": {**rate, "firstDecaySteps": 4},
        "cosineDecayRestarts/tMul1": {**rate, "firstDecaySteps": 7, "tMul": 1.0, "mMul": 0.5},
        "cosineDecayRestarts/options": {
            **rate,
            "firstDecaySteps": 7,
            "tMul": 1.5,
            "mMul": 0.8,
            "alpha": 0.1,
        },
    }.items():
        kind = name.partition("/")[0]
        case = group.case(name, "schedule", {"schedule": kind, **config})
        function = make_schedule(kind, config)
        steps = case.store("inputs", "step", np.arange(30))
        case.store("outputs", "learningRate", np.stack([np.asarray(function(int(step))) for step in steps]))
