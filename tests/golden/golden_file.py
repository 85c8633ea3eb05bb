"""The golden file format, writing side; `load.ts` beside it is the reading side.

A group of cases is two files: `<group>.json`, the index, and `<group>.bin`, little-endian float32
values. Every tensor of a case stands in one of five sections:

    inputs       what goes in: x, mask (0 or 1), initial states, targets, …
    weights      the layer's weights, in Keras's order and layout
    lossWeights  one tensor for each output; the loss is sum(lossWeights[k] * outputs[k]) over all k
    outputs      what the reference computed
    gradients    d loss / d input and d loss / d weight, under the input's or the weight's name

An index entry {"shape", "scale"} is not stored: its values are `scale * uniform(seed, i)`, where the
seed is the hash of "group/case/section/tensor". An entry {"shape", "offset"} is stored from that
element of the .bin file on. {"shape", "offset", "stride"} is a tensor too large to store in full:
only its elements 0, stride, 2 * stride, … (row-major) are there; the stride shares no factor with
the last axis, so that the sample visits every column.

All values that go in are exact in float32. References compute in float64 and are rounded to
float32 when stored, so they are off by half a unit in the last place of float32 at most.
"""

import json
from math import gcd, prod
from pathlib import Path

import numpy as np

SECTIONS = ("inputs", "weights", "lossWeights", "outputs", "gradients")
STORED_IN_FULL = 2048  # elements; larger tensors are sampled
FOLDER = Path(__file__).parent


def hash_name(name):
    """FNV-1a, 32 bits, of an ASCII string."""
    value = 0x811C9DC5
    for byte in name.encode("ascii"):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def uniform(seed, count):
    """`count` float64 values in [-1, 1), multiples of 2^-23: a counter in steps of the golden ratio,
    mixed by MurmurHash3's 32-bit finalizer."""
    h = np.uint32(seed) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def camel(name):
    """recurrent_kernel -> recurrentKernel."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def snake(name):
    """returnSequences -> return_sequences."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


class Case:
    """One case of a group; filled section by section. Arrays that come back are float64."""

    def __init__(self, group, name, kind, config):
        self.group, self.name, self.kind, self.config = group, name, kind, config
        self.sections = {section: {} for section in SECTIONS}

    def generate(self, section, key, shape, scale=1.0):
        """A pseudorandom tensor in [-scale, scale), known to reader and writer by its name alone."""
        seed = hash_name(f"{self.group.name}/{self.name}/{section}/{key}")
        self._declare(section, key, {"shape": list(shape), "scale": scale})
        values = (uniform(seed, prod(shape)) * scale).astype(np.float32)
        return values.astype(np.float64).reshape(shape)

    def store(self, section, key, values):
        """Stores `values`, in full or sampled; gives them back as rounded to float32."""
        values = np.asarray(values)
        rounded = values.astype("<f4")
        if not np.isfinite(rounded).all():
            raise ValueError(f"{self.group.name}/{self.name}: {section}.{key} is not finite")
        entry = {"shape": list(values.shape), "offset": self.group.size}
        stride = -(-values.size // STORED_IN_FULL)
        while values.ndim and gcd(stride, values.shape[-1]) > 1:
            stride += 1
        if values.size > STORED_IN_FULL:
            entry["stride"] = stride
            self.group.append(rounded.ravel()[::stride])
        else:
            self.group.append(rounded.ravel())
        self._declare(section, key, entry)
        return rounded.astype(np.float64)

    def _declare(self, section, key, entry):
        if key in self.sections[section]:
            raise ValueError(f"{self.group.name}/{self.name}: {section}.{key} declared twice")
        self.sections[section][key] = entry


class Group:
    """The cases of one pair of files; `source` names the reference and its versions."""

    def __init__(self, name, source):
        self.name, self.source = name, source
        self.cases, self.chunks, self.size = {}, [], 0

    def case(self, name, kind, config):
        if name in self.cases:
            raise ValueError(f"{self.name}: case {name} declared twice")
        self.cases[name] = Case(self, name, kind, config)
        return self.cases[name]

    def append(self, values):
        self.chunks.append(values)
        self.size += values.size

    def write(self, folder=FOLDER):
        lines = [
            json.dumps(
                {"name": case.name, "kind": case.kind, "config": case.config}
                | {section: entries for section, entries in case.sections.items() if entries},
                separators=(",", ":"),
            )
            for case in self.cases.values()
        ]
        head = {"group": self.name, "source": self.source, "elements": self.size}
        head["generator"] = uniform(hash_name(self.name), 4).tolist()  # the reader checks its own
        text = json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
        (folder / f"{self.name}.json").write_text(text)
        (folder / f"{self.name}.bin").write_bytes(b"".join(chunk.tobytes() for chunk in self.chunks))
        print(f"{self.name}: {len(self.cases)} cases, {len(text) + 4 * self.size:,} bytes")
