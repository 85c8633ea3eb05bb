"""Writes works as ONNX files, by PyTorch's exporter: python export_onnx.py FOLDER WORK-KIND….

`W1-infer.onnx` and `W1-row.onnx` have fixed shapes, which ONNX Runtime plans best. Inputs are x [rows, steps,
features] or ids [rows, steps] int32 and, for the masked works, lengths [rows] int64, the longest first; the
output is outputs. `L1-stream.onnx` and `L1-streams.onnx` are one step of the work: x [rows, 1] int32, h and c
[layers, rows, units] in, outputs [rows, outputs], nextH and nextC out.
"""

import sys
import warnings
from pathlib import Path

import protocol
import torch
from torch_models import Model, Step, inputs


def export(model, arguments, path, input_names, output_names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter for fixed shapes is the older of two
        torch.onnx.export(
            model.eval(),
            arguments,
            path,
            dynamo=False,
            opset_version=17,
            input_names=input_names,
            output_names=output_names,
        )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        work_name, kind = name.split("-")
        work = protocol.work_of(work_name)
        rows = work.rows(kind)
        path = folder / f"{name}.onnx"
        if kind in ("stream", "streams"):
            states = torch.zeros(2, len(work.units), rows, work.units[0])
            arguments = (torch.zeros(rows, 1, dtype=torch.int32), *states)
            export(Step(work), arguments, path, ["x", "h", "c"], ["outputs", "nextH", "nextC"])
        else:
            arguments = inputs(work, protocol.data(work, rows)[0])
            export(Model(work), arguments, path, ["x", "lengths"][: len(arguments)], ["outputs"])
