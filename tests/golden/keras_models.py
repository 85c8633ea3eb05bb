"""The goldens of whole models: each function fills one group."""

import keras
import numpy as np
from golden_file import hash_name, snake, uniform
from keras_cases import make_layer, make_mask, set_weights, spec, weights_of
from keras_losses import make_loss
from keras_optimizers import make_optimizer


def models(group):
    """Sequential models, each trained for three steps on the same batch."""
    B, T, D, C = 6, 5, 3, 4
    labels = np.arange(B) * 3 % C
    sample_weight = np.arange(B) % 3 + 0.5

    adam = spec("adam", learningRate=0.01)
    softmax, linear = spec("dense", units=C, activation="softmax"), spec("dense", units=C)
    first, second = spec("lstm", units=8, returnSequences=True), spec("lstm", units=6)
    both_ways = spec("bidirectional", layer=spec("lstm", units=4), mergeMode="concat")
    masking = spec("masking", maskValue=0.0)
    sequence_gru = spec("gru", units=5, returnSequences=True)
    one_hot = spec("categoricalCrossentropy")
    sparse = spec("sparseCategoricalCrossentropy")
    sparse_logits = spec("sparseCategoricalCrossentropy", fromLogits=True)

    def add(name, layers, optimizer, loss, y, weighted=False):
        model_case(group, name, (B, T, D), layers, optimizer, loss, y, sample_weight if weighted else None)

    add("lstm-lstm/adam", [first, second, softmax], adam, one_hot, np.eye(C)[labels])
    add(
        "lstm-lstm/logits",
        [first, second, linear],
        spec("adam", learningRate=0.01, globalClipNorm=0.05),
        sparse_logits,
        labels,
        weighted=True,
    )
    add("bilstm/adam", [both_ways, softmax], adam, sparse, labels)
    add(
        "simpleRNN/momentum",
        [spec("simpleRNN", units=5), linear],
        spec("sgd", learningRate=0.1, momentum=0.9),
        spec("meanSquaredError"),
        (B, C),
        weighted=True,
    )
    add(
        "masked-gru/rmsprop",
        [masking, sequence_gru, linear],
        spec("rmsprop", learningRate=0.01),
        spec("meanAbsoluteError"),
        (B, T, C),
    )
    add(
        "masked-lstm-gru/adam",
        [masking, first, spec("gru", units=5), softmax],
        adam,
        one_hot,
        np.eye(C)[labels],
        weighted=True,
    )


def model_case(group, name, shape, layers, optimizer, loss, y, sample_weight):
    """`y` is the target itself, or the shape of a generated one."""
    case = group.case(name, "sequential", {"layers": layers, "optimizer": optimizer, "loss": loss})
    if layers[0]["kind"] == "masking":
        x = 2 * uniform(hash_name(name), np.prod(shape)).reshape(shape)
        x = case.store("inputs", "x", x * make_mask("right", *shape[:2])[:, :, None])
    else:
        x = case.generate("inputs", "x", shape, 2.0)
    y = case.generate("inputs", "y", y) if isinstance(y, tuple) else case.store("inputs", "y", y)
    if sample_weight is not None:
        case.store("inputs", "sampleWeight", sample_weight)

    model = keras.Sequential([keras.Input(shape[1:]), *(make_layer(**layer) for layer in layers)])
    weights = {}
    for index, layer in enumerate(model.layers):
        weights |= weights_of(layer, f"{index}.")
    set_weights(case, weights)
    case.store("outputs", "prediction", model.predict_on_batch(x))
    model.compile(make_optimizer(**optimizer), make_loss(**loss), jit_compile=False)
    for step in (1, 2, 3):
        model.reset_metrics()
        value = model.train_on_batch(x, y, sample_weight=sample_weight)
        case.store("outputs", f"loss{step}", np.float64(value))
        for key, variable in weights.items():
            case.store("outputs", f"{step}.{key}", variable.numpy())
