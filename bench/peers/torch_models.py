"""The works as PyTorch modules, for `torch_peer.py` and for the ONNX export."""

import torch
from protocol import CLASSES, D
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

MODULES = {"simpleRNN": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Classifier(nn.Module):
    """Recurrent layers and a Dense layer on the last state. Layers of one size are one module of
    several layers, as PyTorch's users write it."""

    def __init__(self, work):
        super().__init__()
        make = MODULES[work.cell]
        alike = len(set(work.units)) == 1
        sizes = [(D, work.units[0])] if alike else list(zip((D, *work.units[:-1]), work.units, strict=True))
        self.layers = nn.ModuleList(
            make(
                inputs,
                units,
                num_layers=len(work.units) if alike else 1,
                batch_first=True,
                bidirectional=work.bidirectional,
            )
            for inputs, units in sizes
        )
        self.bidirectional = work.bidirectional
        self.head = nn.Linear(work.units[-1] * (2 if work.bidirectional else 1), CLASSES)

    def forward(self, x, lengths=None):
        """x [B, T, D] -> logits [B, 10]; lengths [B], descending, where sequences end early."""
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True)
        for layer in self.layers:
            x, state = layer(x)
        h = state[0] if isinstance(state, tuple) else state  # [layers * directions, B, units]
        return self.head(torch.cat([h[-2], h[-1]], dim=-1) if self.bidirectional else h[-1])


def inputs(work, x):
    """What `forward` takes, the longest sequence first: PyTorch packs them fastest so."""
    x = torch.from_numpy(x)
    if not work.masked:
        return (x,)
    lengths = torch.tensor(work.lengths(len(x)))
    return x.flip(0).contiguous(), lengths.flip(0).contiguous()
