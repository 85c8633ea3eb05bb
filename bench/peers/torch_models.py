"""The works as PyTorch modules, for `torch_peer.py` and for the ONNX export."""

import torch
from protocol import given
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

MODULES = {"simpleRNN": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Model(nn.Module):
    """Recurrent layers and a Dense layer on the last state, or on every output. Layers of one size are one
    module of several layers, as PyTorch's users write it."""

    def __init__(self, work):
        super().__init__()
        make = MODULES[work.cell]
        alike = len(set(work.units)) == 1
        channels = (*work.input[3:], *work.filters)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, filters, work.kernel) for inputs, filters in zip(channels, work.filters)
        ).to(memory_format=torch.channels_last)
        self.pool = nn.MaxPool2d(work.pool)
        sizes = list(zip((work.features, *work.units[:-1]), work.units, strict=True))
        depth = len(sizes) if alike else 1
        self.table = nn.Embedding(work.words, work.embedding) if work.words else nn.Identity()
        self.activation = nn.Sigmoid() if work.activation == "sigmoid" else nn.Identity()
        self.layers = nn.ModuleList(
            make(
                inputs,
                units,
                num_layers=depth,
                batch_first=True,
                bidirectional=work.bidirectional,
                dropout=work.dropout if depth > 1 else 0.0,  # between the module's own layers
            )
            for inputs, units in (sizes[:1] if alike else sizes)
        )
        self.dropout = nn.Dropout(work.dropout) if work.dropout > 0 else nn.Identity()
        self.bidirectional = work.bidirectional
        self.per_step = work.perStep
        self.states = [None] * len(self.layers) if work.stateful else None  # in which a batch ended
        last = work.units[-1] * (2 if work.bidirectional else 1)
        self.hidden = nn.Linear(last, work.hidden) if work.hidden else nn.Identity()
        self.head = nn.Linear(work.hidden or last, work.outputs)

    def forward(self, x, lengths=None):
        """x [B, T, D], [B, T, H, W, C] or ids [B, T] -> [B, outputs] or [B, T, outputs]; lengths [B],
        descending, where sequences end early."""
        steps = x.shape[1]
        x = self.table(x)
        if self.convolutions:
            B, T = x.shape[:2]
            x = x.flatten(0, 1).permute(0, 3, 1, 2)  # [B * T, C, H, W], the channels last in memory
            for convolution in self.convolutions:
                x = torch.relu(convolution(x))
            x = self.pool(x).permute(0, 2, 3, 1).reshape(B, T, -1)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True)
        for i, layer in enumerate(self.layers):
            x, state = layer(self.dropout(x), self.states and self.states[i])
            if self.states is not None:
                self.states[i] = tuple(part.detach() for part in state)
        if self.per_step:
            h = x if lengths is None else pad_packed_sequence(x, batch_first=True, total_length=steps)[0]
        else:
            h = state[0] if isinstance(state, tuple) else state  # [layers * directions, B, units]
            h = torch.cat([h[-2], h[-1]], dim=-1) if self.bidirectional else h[-1]
        return self.activation(self.head(self.hidden(h)))

    @torch.no_grad()
    def take_given_weights(self):
        """The weights of kind "losses". Where two biases do the work of one, one learns."""
        for table in self.table.parameters():
            table.copy_(torch.from_numpy(given(*table.shape)))
        convolutional = len(self.convolutions) > 0
        for layer in (*self.convolutions, *self.layers, self.hidden, self.head):
            for name, parameter in layer.named_parameters():
                if parameter.ndim == 4:
                    filters, channels, height, width = parameter.shape
                    matrix = torch.from_numpy(given(height * width * channels, filters, 1, True))
                    kernel = matrix.reshape(height, width, channels, filters)
                    parameter.copy_(kernel.permute(3, 2, 0, 1))
                    continue
                if parameter.ndim == 1:
                    parameter.zero_()
                    parameter.requires_grad_(isinstance(layer, nn.GRU) or not name.startswith("bias_hh"))
                    continue
                columns, inputs = parameter.shape
                units = getattr(layer, "hidden_size", columns)
                parameter.copy_(torch.from_numpy(given(inputs, units, columns // units, convolutional).T))


class Tagger(nn.Module):
    """A model that scores tags at every step, and the conditional random field of pytorch-crf."""

    def __init__(self, work):
        super().__init__()
        from torchcrf import CRF

        self.model = Model(work)
        self.crf = CRF(work.outputs, batch_first=True)

    def loss(self, ids, lengths, tags):
        return -self.crf(self.model(ids, lengths), tags, mask=ids != 0, reduction="mean")

    def forward(self, ids, lengths):
        """ids [B, T] -> the best tags [B, T], 0 where there is no id."""
        tags = torch.zeros_like(ids)
        paths = self.crf.decode(self.model(ids, lengths), mask=ids != 0)
        for row, path in zip(tags, paths, strict=True):
            row[: len(path)] = torch.tensor(path)
        return tags

    @torch.no_grad()
    def take_given_weights(self):
        self.model.take_given_weights()
        for parameter in self.crf.parameters():
            parameter.zero_()


class Step(nn.Module):
    """One step of a work over ids, with its states [layers, B, units] in and out: for streams."""

    def __init__(self, work):
        super().__init__()
        self.model = Model(work)

    def forward(self, x, h, c):
        """ids [B, 1] -> logits [B, outputs] and the states after it."""
        (layer,) = self.model.layers
        y, (h, c) = layer(self.model.table(x), (h, c))
        return self.model.head(y[:, 0]), h, c


def inputs(work, x):
    """What `forward` takes, the longest sequence first: PyTorch packs them fastest so."""
    x = torch.from_numpy(x)
    if not work.masked:
        return (x,)
    lengths = torch.tensor(work.lengths(len(x)))
    return x.flip(0).contiguous(), lengths.flip(0).contiguous()
