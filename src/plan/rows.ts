import { type Node, topological } from "../graph/ir.js";
import { type EachRowAttrs, firstOperand, type GroupRowsAttrs } from "../graph/ops/rows.js";
import { elements, pointer, sameNumbers, type View } from "./buffer.js";
import { broadcastStrides, mapComputation, placed } from "./elementwise.js";
import type { LowerRule } from "./lower.js";
import { instruct, operandOf } from "./operation.js";

export const lowerGroupRows: LowerRule = (l, node) => {
  const { size } = node.attrs as GroupRowsAttrs;
  const ids = l.contiguous(operandOf(node, 0));
  const outputs = [0, 1, 2, 3].map((i) => l.destinations.place(node, i));
  const [rows, places, count, positions] = outputs as [View, View, View, View];
  l.emit(
    instruct("groupRows", outputs, {
      ids,
      rows,
      places,
      count,
      positions,
      n: elements(ids.shape),
      size: l.values.size(size),
    }),
  );
  outputs.forEach((view, i) => {
    l.values.set(node, i, view);
  });
};

export const lowerSumRows: LowerRule = (l, node) => {
  const [x, places, count] = [0, 1, 2].map((i) => l.contiguous(operandOf(node, i))) as [View, View, View];
  const out = l.destinations.place(node);
  l.emit(
    instruct("sumRows", [out], {
      x,
      places,
      count,
      out,
      n: x.shape[0] ?? 0,
      inner: elements(x.shape.slice(1)),
    }),
  );
  l.values.set(node, 0, out);
};

/** eachRow → one `mapRows`, in the place of the tables where nobody else reads them, else on copies. */
export const lowerEachRow: LowerRule = (l, node) => {
  const attrs = node.attrs as EachRowAttrs;
  const { width, operands, body, into } = attrs;
  const rows = l.values.size(attrs.rows);
  const first = firstOperand(attrs);
  const at = l.contiguous(operandOf(node, 0));
  const count = attrs.counted ? l.contiguous(operandOf(node, 1)) : undefined;
  const shape = [rows, width];
  const rowsOf = (view: View): View => ({ ...view, shape, strides: [width, 1] });

  const indexed = new Set<View>();
  const views = new Map<Node, View>();
  operands.forEach(({ kind, indexed: isIndexed }, i) => {
    const placeholder = body.operands[i];
    if (placeholder === undefined) return;
    const value = l.contiguous(operandOf(node, first + i));
    const view =
      kind === "scalar"
        ? value
        : kind === "row"
          ? rowsOf(value)
          : { ...value, shape: [rows, 1], strides: [1, 0] };
    if (isIndexed) indexed.add(view);
    views.set(placeholder.node, view);
  });
  const nodes = topological(body.outputs).filter(({ op }) => op.kernel.kind === "map");
  const results = [...new Set(body.outputs.map((x) => x.node))];
  const map = mapComputation(nodes, shape, results, (x) => {
    const number = l.values.scalar(x);
    if (number !== undefined) return { value: number, dtype: x.dtype };
    const view = views.get(x.node);
    if (view === undefined) throw new Error("eachRow: the body reads a value from outside");
    return view;
  });
  if (map === undefined) throw new Error("eachRow: the equations are too long for an instruction");

  const outputs = into.map((operand, k) => {
    const table = l.contiguous(operandOf(node, first + operand));
    const to = l.destinations.place(node, k);
    const there =
      to.buffer === table.buffer && to.offset === table.offset && sameNumbers(to.shape, table.shape);
    if (!there) l.copy(table, to);
    l.values.set(node, k, to);
    const result = body.outputs[k];
    if (result === undefined) throw new Error("eachRow: an output is missing");
    return { to, register: map.registerOf(result.node), indexed: operands[operand]?.indexed === true };
  });
  const bits = (flags: readonly boolean[]): number =>
    flags.reduce((all, flag, i) => all | (Number(flag) << i), 0);
  l.emit({
    name: "mapRows",
    reads: [at.buffer, ...(count === undefined ? [] : [count.buffer]), ...map.inputs.map((v) => v.buffer)],
    writes: outputs.map(({ to }) => to.buffer),
    emit(encoder, index) {
      encoder.mapRows(
        {
          dims: shape,
          inputs: map.inputs.map((v, i) => placed(v, map.strides[i], index)),
          outputs: outputs.map(({ to, register }) => ({
            ...placed(to, broadcastStrides(rowsOf(to), shape), index),
            register,
          })),
          steps: map.steps,
        },
        {
          index: pointer(at, index),
          count: pointer(count, index),
          size: l.values.size(attrs.size),
          indexedInputs: bits(map.inputs.map((view) => indexed.has(view))),
          indexedOutputs: bits(outputs.map(({ indexed: isIndexed }) => isIndexed)),
        },
      );
    },
  });
};
