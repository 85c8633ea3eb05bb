"""The goldens of activations and of layers without recurrence: each function fills one group."""

import keras
import numpy as np
from golden_file import camel
from keras_cases import ELEMENTWISE, ROWWISE, record


def activations(group):
    """Values and derivatives from 1e-6 to 1000 on both sides; kinks themselves are avoided."""
    steps = [1e-6, 1e-3, 0.01, 0.1, 0.25, 0.49, 0.51, 0.75, 0.9, 0.99, 1.01, 1.25, 1.5, 1.75, 2, 2.25]
    steps += [2.5, 2.75, 2.99, 3.01, 3.5, 4, 4.5, 5, 5.99, 6.01, 7, 8, 9, 10, 12, 15, 17, 20, 25, 30]
    steps += [40, 50, 80, 90, 100, 1000]
    ladder = np.array([-step for step in reversed(steps)] + steps)
    for activation in (*ELEMENTWISE, "gelu approximate", *ROWWISE, "glu"):
        name, _, approximate = activation.partition(" ")
        config = {"activation": camel(name)}
        function = getattr(keras.activations, name)
        if approximate:
            config["approximate"] = True
            function = lambda x: keras.activations.gelu(x, approximate=True)
        points = ladder[ladder <= 80] if name == "exponential" else ladder
        if name not in ELEMENTWISE:
            points = points.reshape(6, -1)
        case = group.case(camel(activation.replace(" ", "_")) + "/ladder", "activation", config)
        points = case.store("inputs", "x", points)
        record(case, {}, {"x": points}, lambda inputs: {"y": function(inputs["x"])})
        case = group.case(camel(activation.replace(" ", "_")) + "/rows", "activation", config)
        rows = case.generate("inputs", "x", (5, 8), 4.0)
        record(case, {}, {"x": rows}, lambda inputs: {"y": function(inputs["x"])})


