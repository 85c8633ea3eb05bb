"""ONNX Runtime: python onnxruntime_peer.py THREADS FOLDER, the folder filled by `export_onnx.py`.

The protocol stands in `protocol.py`; inference only.
"""

import sys
from pathlib import Path

import protocol

threads = protocol.limit_threads()

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

folder = Path(sys.argv[2])


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def make(work, kind):
    if kind in ("train", "losses"):
        raise protocol.Unsupported("onnxruntime has inference only")
    path = folder / f"{work.name}-{kind}.onnx"
    if not path.exists():
        sys.exit(f"onnxruntime_peer: {path} is missing; run export_onnx.py {folder} {path.stem}")
    run = session(path).run
    rows = work.rows(kind)
    feeds = {"x": protocol.data(work, rows)[0]}
    if work.masked:  # the longest first
        feeds = {"x": feeds["x"][::-1].copy(), "lengths": np.array(work.lengths(rows)[::-1])}
    return lambda: run(None, feeds)[0]


def roof():
    shape = (protocol.ROOF_SIZE, protocol.ROOF_SIZE)
    a, b, product = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc")
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "roof", [a, b], [product])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    run = session(model.SerializeToString()).run
    values = np.random.default_rng(7).random((2, *shape), dtype=np.float32)
    feeds = {"a": values[0], "b": values[1]}
    return lambda: run(None, feeds)[0]


protocol.serve("onnxruntime", onnxruntime.__version__, threads, make, roof)
