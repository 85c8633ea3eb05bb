import { bytesPerElement } from "../dtype.js";
import type { Dim } from "../graph/dim.js";
import type { Node, TensorType } from "../graph/ir.js";
import type { GatherAttrs } from "../graph/ops/gather.js";
import type { ConcatAttrs } from "../graph/ops/join.js";
import type { RandomAttrs } from "../graph/ops/random.js";
import type { ReduceAttrs } from "../graph/ops/reduce.js";
import { codes } from "./abi.js";
import { elements, isContiguous, pointer, type View } from "./buffer.js";
import { broadcastStrides, collapse } from "./elementwise.js";
import { checkRank } from "./encode.js";
import { lowerScan } from "./loop.js";
import type { Lowering, LowerRule } from "./lower.js";
import { instruct, operandOf } from "./operation.js";
import { lowerRnn, lowerRnnGradient } from "./recurrent.js";
import { lowerEachRow, lowerGroupRows, lowerSumRows } from "./rows.js";
import { matmulWork, orthogonalWork, reduceWork } from "./sizes.js";

const reduce: LowerRule = (l, node) => {
  const { axes } = node.attrs as ReduceAttrs;
  const kernel = node.op.kernel;
  if (kernel.kind !== "reduce") throw new Error(`${node.op.name} is no reduction`);
  const operand = operandOf(node);
  let x = l.materialize(operand, () => true);
  if (x.dtype === "bool" || x.dtype === "uint8") {
    const wide = l.storage.temporary("int32", x.shape);
    l.copy(x, wide);
    x = wide;
  }
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const out = contiguousPlace(l, node);
  const count = elements(axes.map((i) => x.shape[i] ?? 1));
  const [outer, inner] = [merged(x, kept), merged(x, axes)];
  checkRank(node.op.name, outer.dims.length + inner.dims.length);

  const work = l.storage.work(reduceWork);
  l.emit(
    instruct(
      "reduce",
      [out, work],
      {
        kind: codes.reduction[kernel.reduction],
        dtype: codes.dtype[x.dtype],
        x,
        out,
        work,
        scale: kernel.scaled ? 1 / count : 1,
        kept: outer.dims.length,
        reduced: inner.dims.length,
      },
      [...outer.dims, ...inner.dims, ...outer.strides, ...inner.strides],
    ),
  );
  l.values.set(node, 0, out);
};

/** Some axes of a view: their sizes and strides, those that follow one another in memory as one. */
function merged(view: View, axes: readonly number[]): { dims: number[]; strides: number[] } {
  if (axes.length === 0) return { dims: [], strides: [] };
  const { dims, strides } = collapse(
    axes.map((i) => view.shape[i] ?? 1),
    [axes.map((i) => view.strides[i] ?? 0)],
  );
  return { dims, strides: strides.flat() };
}

/** A place that the kernel can write row by row; it is where the value waits to be, or a temporary that is copied there. */
function contiguousPlace(l: Lowering, node: Node, index = 0): View {
  const place = l.destinations.place(node, index);
  if (!isContiguous(place)) throw new Error(`${node.op.name}: its place has gaps`);
  return place;
}

const matmul: LowerRule = (l, node) => {
  const [a, b] = [
    l.materialize(operandOf(node, 0), () => true),
    l.materialize(operandOf(node, 1), () => true),
  ];
  const out = contiguousPlace(l, node);
  const batch = out.shape.slice(0, -2);
  const [m, n] = [out.shape.at(-2) ?? 1, out.shape.at(-1) ?? 1];
  const k = a.shape.at(-1) ?? 1;
  const work = l.storage.work(matmulWork(m, n, k, l.target.vectorWidth));
  const batchStrides = ({ shape, strides }: View): number[] =>
    broadcastStrides({ shape: shape.slice(0, -2), strides: strides.slice(0, -2) }, batch);
  const { dims, strides } =
    batch.length === 0 ? { dims: [], strides: [] } : collapse(batch, [a, b, out].map(batchStrides));
  checkRank("matMul", dims.length);
  l.emit(
    instruct(
      "matmul",
      [out, work],
      {
        m,
        n,
        k,
        a,
        aRow: a.strides.at(-2) ?? 0,
        aCol: a.strides.at(-1) ?? 0,
        b,
        bRow: b.strides.at(-2) ?? 0,
        bCol: b.strides.at(-1) ?? 0,
        bias: undefined,
        c: out,
        cRow: n,
        accumulate: 0,
        work,
        batchRank: dims.length,
      },
      [...dims, ...strides.flat()],
    ),
  );
  l.values.set(node, 0, out);
};

/** Joins pieces; those that were computed in place are there already. */
const assemble: LowerRule = (l, node) => {
  const { axis } = node.attrs as ConcatAttrs;
  const out = l.destinations.place(node);
  let begin = 0;
  for (const piece of node.inputs) {
    const shape = l.values.shape(piece.shape);
    const target: View = { ...out, shape, offset: out.offset + begin * (out.strides[axis] ?? 0) };
    begin += shape[axis] ?? 0;
    const from = l.values.operand(piece);
    const there = !("value" in from) && from.buffer.alias?.of === out.buffer;
    const offset =
      "value" in from ? 0 : (from.buffer.alias?.offset ?? 0) / bytesPerElement[out.dtype] + from.offset;
    if (!(there && offset === target.offset)) l.copy(from, target);
  }
  l.values.set(node, 0, out);
};

const gather: LowerRule = (l, node) => {
  const { axis } = node.attrs as GatherAttrs;
  const [table, ids] = [l.contiguous(operandOf(node, 0)), l.contiguous(operandOf(node, 1))];
  const out = contiguousPlace(l, node);
  l.emit(
    instruct("gather", [out], {
      table,
      ids,
      out,
      outer: elements(table.shape.slice(0, axis)),
      rows: table.shape[axis] ?? 0,
      count: elements(ids.shape),
      inner: elements(table.shape.slice(axis + 1)),
      bytes: bytesPerElement[table.dtype],
      perRow: ids.shape.length < 2 ? 0 : elements(ids.shape.slice(1)),
    }),
  );
  l.values.set(node, 0, out);
};

const scatterAdd: LowerRule = (l, node) => {
  const { axis } = node.attrs as GatherAttrs;
  const [x, ids] = [l.contiguous(operandOf(node, 0)), l.contiguous(operandOf(node, 1))];
  const out = contiguousPlace(l, node);
  l.emit(
    instruct("scatterAdd", [out], {
      x,
      ids,
      out,
      outer: elements(out.shape.slice(0, axis)),
      rows: out.shape[axis] ?? 0,
      count: elements(ids.shape),
      inner: elements(out.shape.slice(axis + 1)),
    }),
  );
  l.values.set(node, 0, out);
};

const softmax =
  (logarithm: 0 | 1): LowerRule =>
  (l, node) => {
    const x = l.contiguous(operandOf(node));
    const out = contiguousPlace(l, node);
    const cols = out.shape.at(-1) ?? 1;
    l.emit(
      instruct("softmax", [out], {
        logarithm,
        rows: cols === 0 ? 0 : elements(out.shape) / cols,
        cols,
        x,
        xRow: cols,
        out,
        outRow: cols,
      }),
    );
    l.values.set(node, 0, out);
  };

const crossEntropy: LowerRule = (l, node) => {
  const [x, labels] = [l.contiguous(operandOf(node, 0)), l.contiguous(operandOf(node, 1))];
  const [loss, maximum, logSum] = [0, 1, 2].map((i) => contiguousPlace(l, node, i)) as [View, View, View];
  l.emit(
    instruct("crossEntropy", [loss, maximum, logSum], {
      x,
      labels,
      loss,
      maximum,
      logSum,
      rows: elements(labels.shape),
      cols: x.shape.at(-1) ?? 1,
    }),
  );
  [loss, maximum, logSum].forEach((view, i) => {
    l.values.set(node, i, view);
  });
};

const crossEntropyGradient: LowerRule = (l, node) => {
  const operands = node.inputs.map((x) => l.contiguous(x)) as [View, View, View, View, View];
  const [x, labels, maximum, logSum, g] = operands;
  const out = contiguousPlace(l, node);
  l.emit(
    instruct("crossEntropyGradient", [out], {
      x,
      labels,
      maximum,
      logSum,
      g,
      out,
      rows: elements(labels.shape),
      cols: x.shape.at(-1) ?? 1,
    }),
  );
  l.values.set(node, 0, out);
};

const random: LowerRule = (l, node) => {
  const { kind, stream, a, b, hasStep, hasRowBase } = node.attrs as RandomAttrs;
  const given = [...node.inputs];
  const x = node.op.name === "dropout" ? l.contiguous(given.shift() ?? operandOf(node)) : undefined;
  const [seed, ...rest] = given.map((v) => l.contiguous(v));
  const step = hasStep ? rest.shift() : undefined;
  const rowBase = hasRowBase ? rest.shift() : undefined;
  const out = contiguousPlace(l, node);
  const [rows = 1] = out.shape;
  l.emit(
    instruct("random", [out], {
      kind: codes.distribution[kind],
      x,
      out,
      rows,
      rowElements: elements(out.shape.slice(1)),
      seed,
      step,
      rowBase,
      opId: stream,
      a,
      b,
    }),
  );
  l.values.set(node, 0, out);
};

const orthogonal: LowerRule = (l, node) => {
  const { rows, cols, gain } = node.attrs as { rows: number; cols: number; gain: number };
  const gaussian = l.contiguous(operandOf(node));
  // The kernel overwrites its operand.
  const x = l.storage.temporary("float32", gaussian.shape);
  l.copy(gaussian, x);
  const out = contiguousPlace(l, node);
  const work = l.storage.work(orthogonalWork(rows, cols));
  l.emit(
    instruct("orthogonal", [out, x, work], {
      x,
      out,
      rows,
      cols,
      gain,
      work,
    }),
  );
  l.values.set(node, 0, out);
};

/** The instruction that an op describes itself. */
const described: LowerRule = (l, node) => {
  const { kernel } = node.op;
  if (kernel.kind !== "described") return;
  const sizes = ({ shape }: TensorType) => l.values.shape(shape);
  kernel.check?.(node.inputs.map(sizes), node.outputs.map(sizes), node.attrs);
  const inputs = node.inputs.map((x, i) =>
    l.materialize(x, kernel.rowsApart?.(i) === true ? rowsContiguous : isContiguous),
  );
  const outputs = node.outputs.map((_, i) => contiguousPlace(l, node, i));
  const shapes = outputs.map(({ shape }) => shape);
  const work = l.storage.work(kernel.work?.(inputs, shapes) ?? 0);
  l.emit({
    name: kernel.instruction.name,
    reads: inputs.map((view) => view.buffer),
    writes: [...outputs.map((view) => view.buffer), ...(work === undefined ? [] : [work])],
    rows: kernel.inRows && { from: inputs[0] as View, to: outputs[0] as View },
    emit(encoder, index) {
      const places = (views: readonly View[]) => views.map((view) => pointer(view, index));
      const at = {
        inputs: places(inputs),
        outputs: places(outputs),
        work: pointer(work, index),
        size: (d: Dim) => l.values.size(d),
      };
      encoder.append(kernel.instruction, kernel.fields(inputs, shapes, node.attrs, at));
    },
  });
  outputs.forEach((view, i) => {
    l.values.set(node, i, view);
  });
};

/** Whether all is in row-major order but for how far apart the rows lie. */
const rowsContiguous = ({ offset, shape, strides }: View): boolean =>
  (strides[0] ?? 0) >= 0 && isContiguous({ offset, shape: shape.slice(1), strides: strides.slice(1) });

/** One rule per kernel name that ops declare. */
export const instructions: Readonly<Record<string, LowerRule>> = {
  reduce,
  assemble,
  described,
  matmul,
  gather,
  scatterAdd,
  groupRows: lowerGroupRows,
  sumRows: lowerSumRows,
  mapRows: lowerEachRow,
  softmax: softmax(0),
  logSoftmax: softmax(1),
  crossEntropy,
  crossEntropyGradient,
  random,
  orthogonal,
  scan: lowerScan,
  rnn: lowerRnn,
  rnnGradient: lowerRnnGradient,
};
