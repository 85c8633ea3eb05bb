"""Writes works as ONNX files, by PyTorch's exporter: python export_onnx.py FOLDER WORK….

For each work `W1-batch.onnx` and `W1-row.onnx`, with fixed shapes, which ONNX Runtime plans best.
Inputs are x [rows, steps, features] and, for the masked works, lengths [rows] int64, the longest first.
"""

import sys
import warnings
from pathlib import Path

import protocol
import torch
from torch_models import Model, inputs


def export(work, rows, path):
    arguments = inputs(work, protocol.data(work, rows)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter for fixed shapes is the older of two
        torch.onnx.export(
            Model(work).eval(),
            arguments,
            path,
            dynamo=False,
            opset_version=17,
            input_names=["x", "lengths"][: len(arguments)],
            output_names=["outputs"],
        )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        work = protocol.WORKS[name]
        export(work, work.batch, folder / f"{name}-batch.onnx")
        export(work, 1, folder / f"{name}-row.onnx")
