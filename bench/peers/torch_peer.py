"""PyTorch: python torch_peer.py THREADS. The protocol stands in `protocol.py`."""

import protocol

threads = protocol.limit_threads()

import torch
from torch_models import Model, Tagger, inputs

torch.set_num_threads(threads)

LOSSES = {
    "sparseCategoricalCrossentropy": lambda logits, classes: torch.nn.functional.cross_entropy(
        logits.flatten(0, -2), classes.flatten()
    ),
    "meanSquaredError": torch.nn.functional.mse_loss,
}
RATE = protocol.LEARNING_RATE
OPTIMIZERS = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=RATE, fused=True),
    "adadelta": lambda parameters: torch.optim.Adadelta(parameters, lr=RATE, **protocol.ADADELTA),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=RATE),
}


def make(work, kind):
    x, y = protocol.data(work, work.rows(kind))
    try:
        model = Tagger(work) if work.loss == "crf" else Model(work)
    except ImportError:
        raise protocol.Unsupported("pytorch-crf is not installed") from None
    x, y = inputs(work, x), torch.from_numpy(y)
    if work.masked:
        y = y.flip(0)  # as the inputs are
    if kind == "losses":
        model.take_given_weights()
    elif kind != "train":
        model.eval()

        def infer():
            with torch.inference_mode():
                return model(*x)

        return infer

    optimizer = OPTIMIZERS[work.optimizer](model.parameters())
    loss_of = LOSSES.get(work.loss)

    def train():
        optimizer.zero_grad(set_to_none=True)
        loss = model.loss(*x, y) if loss_of is None else loss_of(model(*x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


def roof():
    a, b = (torch.rand(protocol.ROOF_SIZE, protocol.ROOF_SIZE) for _ in range(2))
    return lambda: a @ b


protocol.serve("torch", torch.__version__, threads, make, roof, taggers=True)
