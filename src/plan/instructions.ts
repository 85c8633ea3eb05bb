import { bytesPerElement } from "../dtype.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import type { GatherAttrs } from "../graph/ops/gather.js";
import type { RandomAttrs } from "../graph/ops/random.js";
import type { ReduceAttrs } from "../graph/ops/reduce.js";
import { codes } from "./abi.js";
import { type Buffer, elements, isContiguous, pointer, type View } from "./buffer.js";
import { collapse } from "./elementwise.js";
import { checkRank, type Pointer } from "./encode.js";
import { lowerScan } from "./loop.js";
import type { Lowering, LowerRule } from "./lower.js";
import { lowerRnn, lowerRnnGradient } from "./recurrent.js";
import { matmulWork, orthogonalWork } from "./sizes.js";

type Index = (buffer: Buffer) => number;

const first = (node: Node, i = 0): SymbolicTensor => {
  const x = node.inputs[i];
  if (x === undefined) throw new Error(`${node.op.name}: operand ${i} is missing`);
  return x;
};

export const workPointer = (buffer: Buffer | undefined, index: Index): Pointer =>
  buffer === undefined ? null : { buffer: index(buffer), offset: 0 };

const reduce: LowerRule = (l, node) => {
  const { axes } = node.attrs as ReduceAttrs;
  const kernel = node.op.kernel;
  if (kernel.kind !== "reduce") throw new Error(`${node.op.name} is no reduction`);
  const operand = first(node);
  let x = l.materialize(operand, () => true);
  if (x.dtype === "bool" || x.dtype === "uint8") {
    const wide = l.temporary("int32", x.shape);
    l.copy(x, wide);
    x = wide;
  }
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const out = contiguousPlace(l, node);
  const count = elements(axes.map((i) => x.shape[i] ?? 1));
  const [outer, inner] = [merged(x, kept), merged(x, axes)];
  checkRank(node.op.name, outer.dims.length + inner.dims.length);

  const work = l.work(8192);
  l.emit({
    name: node.op.name,
    reads: [x.buffer],
    writes: [out.buffer, ...(work === undefined ? [] : [work])],
    emit(encoder, index) {
      encoder.emit(
        "reduce",
        {
          kind: kernel.code,
          dtype: codes.dtype[x.dtype],
          x: pointer(x, index),
          out: pointer(out, index),
          work: workPointer(work, index),
          scale: kernel.scaled ? 1 / count : 1,
          kept: outer.dims.length,
          reduced: inner.dims.length,
        },
        [...outer.dims, ...inner.dims, ...outer.strides, ...inner.strides],
      );
    },
  });
  l.set(node, 0, out);
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
  const place = l.place(node, index);
  if (!isContiguous(place)) throw new Error(`${node.op.name}: its place has gaps`);
  return place;
}

const matmul: LowerRule = (l, node) => {
  const [a, b] = [l.materialize(first(node, 0), () => true), l.materialize(first(node, 1), () => true)];
  const out = contiguousPlace(l, node);
  const batch = out.shape.slice(0, -2);
  const [m, n] = [out.shape.at(-2) ?? 1, out.shape.at(-1) ?? 1];
  const k = a.shape.at(-1) ?? 1;
  const work = l.work(matmulWork(m, n, k, l.options.vectorWidth));
  const batchStrides = (v: View): number[] => {
    const own = v.shape.slice(0, -2);
    const lead = batch.length - own.length;
    return batch.map((d, i) =>
      i < lead || (own[i - lead] === 1 && d !== 1) ? 0 : (v.strides[i - lead] ?? 0),
    );
  };
  const { dims, strides } =
    batch.length === 0 ? { dims: [], strides: [] } : collapse(batch, [a, b, out].map(batchStrides));
  checkRank("matMul", dims.length);
  l.emit({
    name: "matmul",
    reads: [a.buffer, b.buffer],
    writes: [out.buffer, ...(work === undefined ? [] : [work])],
    emit(encoder, index) {
      encoder.emit(
        "matmul",
        {
          m,
          n,
          k,
          a: pointer(a, index),
          aRow: a.strides.at(-2) ?? 0,
          aCol: a.strides.at(-1) ?? 0,
          b: pointer(b, index),
          bRow: b.strides.at(-2) ?? 0,
          bCol: b.strides.at(-1) ?? 0,
          bias: null,
          c: pointer(out, index),
          cRow: n,
          accumulate: 0,
          work: workPointer(work, index),
          batchRank: dims.length,
        },
        [...dims, ...strides.flat()],
      );
    },
  });
  l.set(node, 0, out);
};

/** Joins pieces; those that were computed in place are there already. */
const assemble: LowerRule = (l, node) => {
  const { axis } = node.attrs as GatherAttrs;
  const out = l.place(node);
  let begin = 0;
  for (const piece of node.inputs) {
    const shape = l.shape(piece.shape);
    const target: View = { ...out, shape, offset: out.offset + begin * (out.strides[axis] ?? 0) };
    begin += shape[axis] ?? 0;
    const from = l.operand(piece);
    const there = !("value" in from) && from.buffer.alias?.of === out.buffer;
    const offset =
      "value" in from ? 0 : (from.buffer.alias?.offset ?? 0) / bytesPerElement[out.dtype] + from.offset;
    if (!(there && offset === target.offset)) l.copy(from, target);
  }
  l.set(node, 0, out);
};

const gather: LowerRule = (l, node) => {
  const { axis } = node.attrs as GatherAttrs;
  const [table, ids] = [l.contiguous(first(node, 0)), l.contiguous(first(node, 1))];
  const out = contiguousPlace(l, node);
  l.emit({
    name: "gather",
    reads: [table.buffer, ids.buffer],
    writes: [out.buffer],
    emit(encoder, index) {
      encoder.emit("gather", {
        table: pointer(table, index),
        ids: pointer(ids, index),
        out: pointer(out, index),
        outer: elements(table.shape.slice(0, axis)),
        rows: table.shape[axis] ?? 0,
        count: elements(ids.shape),
        inner: elements(table.shape.slice(axis + 1)),
        bytes: bytesPerElement[table.dtype],
      });
    },
  });
  l.set(node, 0, out);
};

const scatterAdd: LowerRule = (l, node) => {
  const { axis } = node.attrs as GatherAttrs;
  const [x, ids] = [l.contiguous(first(node, 0)), l.contiguous(first(node, 1))];
  const out = contiguousPlace(l, node);
  l.emit({
    name: "scatterAdd",
    reads: [x.buffer, ids.buffer],
    writes: [out.buffer],
    emit(encoder, index) {
      encoder.emit("scatterAdd", {
        x: pointer(x, index),
        ids: pointer(ids, index),
        out: pointer(out, index),
        outer: elements(out.shape.slice(0, axis)),
        rows: out.shape[axis] ?? 0,
        count: elements(ids.shape),
        inner: elements(out.shape.slice(axis + 1)),
      });
    },
  });
  l.set(node, 0, out);
};

const softmax =
  (logarithm: 0 | 1): LowerRule =>
  (l, node) => {
    const x = l.contiguous(first(node));
    const out = contiguousPlace(l, node);
    const cols = out.shape.at(-1) ?? 1;
    l.emit({
      name: node.op.name,
      reads: [x.buffer],
      writes: [out.buffer],
      emit(encoder, index) {
        encoder.emit("softmax", {
          logarithm,
          rows: cols === 0 ? 0 : elements(out.shape) / cols,
          cols,
          x: pointer(x, index),
          xRow: cols,
          out: pointer(out, index),
          outRow: cols,
        });
      },
    });
    l.set(node, 0, out);
  };

const kinds = { uniform: 0, normal: 1, truncatedNormal: 2, dropout: 3 } as const;

const random: LowerRule = (l, node) => {
  const { kind, stream, a, b, hasStep, hasRowBase } = node.attrs as RandomAttrs;
  const given = [...node.inputs];
  const x = node.op.name === "dropout" ? l.contiguous(given.shift() ?? first(node)) : undefined;
  const [seed, ...rest] = given.map((v) => l.contiguous(v));
  const step = hasStep ? rest.shift() : undefined;
  const rowBase = hasRowBase ? rest.shift() : undefined;
  const out = contiguousPlace(l, node);
  const [rows = 1] = out.shape;
  const used = [x, seed, step, rowBase].filter((v) => v !== undefined);
  l.emit({
    name: node.op.name,
    reads: used.map((v) => v.buffer),
    writes: [out.buffer],
    emit(encoder, index) {
      const at = (v: View | undefined) => (v === undefined ? null : pointer(v, index));
      encoder.emit("random", {
        kind: kinds[kind],
        x: at(x),
        out: pointer(out, index),
        rows,
        rowElements: elements(out.shape.slice(1)),
        seed: at(seed),
        step: at(step),
        rowBase: at(rowBase),
        opId: stream,
        a,
        b,
      });
    },
  });
  l.set(node, 0, out);
};

const orthogonal: LowerRule = (l, node) => {
  const { rows, cols, gain } = node.attrs as { rows: number; cols: number; gain: number };
  const gaussian = l.contiguous(first(node));
  // The kernel overwrites its operand.
  const x = l.temporary("float32", gaussian.shape);
  l.copy(gaussian, x);
  const out = contiguousPlace(l, node);
  const work = l.work(orthogonalWork(rows, cols));
  l.emit({
    name: "orthogonal",
    reads: [x.buffer],
    writes: [out.buffer, x.buffer, ...(work === undefined ? [] : [work])],
    emit(encoder, index) {
      encoder.emit("orthogonal", {
        x: pointer(x, index),
        out: pointer(out, index),
        rows,
        cols,
        gain,
        work: workPointer(work, index),
      });
    },
  });
  l.set(node, 0, out);
};

/** One rule per kernel name that ops declare. */
export const instructions: Readonly<Record<string, LowerRule>> = {
  reduce,
  assemble,
  matmul,
  gather,
  scatterAdd,
  softmax: softmax(0),
  logSoftmax: softmax(1),
  random,
  orthogonal,
  scan: lowerScan,
  rnn: lowerRnn,
  rnnGradient: lowerRnnGradient,
};
