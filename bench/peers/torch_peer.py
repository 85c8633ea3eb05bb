"""PyTorch: python torch_peer.py THREADS. The protocol stands in `protocol.py`."""

import protocol

threads = protocol.limit_threads()

import torch
from torch_models import Model, inputs

torch.set_num_threads(threads)

LOSSES = {
    "sparseCategoricalCrossentropy": torch.nn.CrossEntropyLoss(),
    "meanSquaredError": torch.nn.MSELoss(),
}
RATE = protocol.LEARNING_RATE
OPTIMIZERS = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=RATE, fused=True),
    "adadelta": lambda parameters: torch.optim.Adadelta(parameters, lr=RATE, **protocol.ADADELTA),
}


def make(work, kind):
    x, y = protocol.data(work, 1 if kind == "row" else work.batch)
    model, x, y = Model(work), inputs(work, x), torch.from_numpy(y)
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
    loss_of = LOSSES[work.loss]

    def train():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(*x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


def roof():
    a, b = (torch.rand(protocol.ROOF_SIZE, protocol.ROOF_SIZE) for _ in range(2))
    return lambda: a @ b


protocol.serve("torch", torch.__version__, threads, make, roof)
