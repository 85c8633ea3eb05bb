import { closureOf } from "../closure.js";
import type { Dim } from "../dim.js";
import { makeNode, nodeOf, type Op, SymbolicTensor, type TensorType, topological } from "../ir.js";
import { noMask } from "../mask.js";
import { constantOp, input } from "./source.js";

// N ids into a table of R rows of D features; U ≤ N of the ids differ.

export interface GroupRowsAttrs {
  /** R */
  readonly size: Dim;
}

/**
 * ids int32 [N] → the distinct ones in the order in which they first come, then zeros, [N]; where each id is among them,
 * [N]; U, []; where each row of the table is among them or −1, [R]. All int32.
 */
export const groupRowsOp: Op<GroupRowsAttrs> = {
  name: "groupRows",
  infer: ([ids], { size }) => {
    const shape = ids?.shape ?? [];
    return [shape, shape, [], [size]].map((own): TensorType => ({ shape: own, dtype: "int32" }));
  },
  gradient: "none",
  mask: noMask,
  kernel: { kind: "instruction", name: "groupRows" },
};

/** The rows of a table that ids name, each once. */
export interface RowGroups {
  readonly rows: SymbolicTensor;
  readonly places: SymbolicTensor;
  readonly count: SymbolicTensor;
  readonly positions: SymbolicTensor;
}

/** @param ids int32 [N] */
export function groupRows(ids: SymbolicTensor, size: Dim): RowGroups {
  const node = makeNode(groupRowsOp, [ids], { size });
  const at = (i: number) => new SymbolicTensor(node, i);
  return { rows: at(0), places: at(1), count: at(2), positions: at(3) };
}

/** x [N, D], places [N], count [] → the sums of the rows with the same place, in the order of the places; then zeros. */
export const sumRowsOp: Op = {
  name: "sumRows",
  infer: ([x]) => [{ shape: x?.shape ?? [], dtype: "float32" }],
  gradient: "none",
  mask: noMask,
  kernel: { kind: "instruction", name: "sumRows" },
};

/** @param x float32 [N, D] */
export const sumRows = (x: SymbolicTensor, { places, count }: RowGroups): SymbolicTensor =>
  new SymbolicTensor(makeNode(sumRowsOp, [x, places, count], {}));

/** An operand of equations that hold for rows: how it lies in memory. */
export interface RowOperand {
  /** Whether its row is the one that the index names, else that of the iteration. */
  readonly indexed: boolean;
  /** `row`: D numbers for each row; `number`: one for each row; `scalar`: one for all. */
  readonly kind: "row" | "number" | "scalar";
}

export interface EachRowAttrs {
  /** How many rows there are at most: N for those that ids name, R for all. */
  readonly rows: Dim;
  /** D */
  readonly width: number;
  /** R */
  readonly size: Dim;
  readonly counted: boolean;
  readonly operands: readonly RowOperand[];
  /** Elementwise equations: placeholders of shape [D] or [], and new values [D]. */
  readonly body: {
    readonly operands: readonly SymbolicTensor[];
    readonly outputs: readonly SymbolicTensor[];
  };
  /** The operand whose rows each output replaces. */
  readonly into: readonly number[];
}

/** Inputs before the operands: the index and, where rows are counted, how many there are. */
export const firstOperand = ({ counted }: EachRowAttrs): number => (counted ? 2 : 1);

/**
 * Equations for rows of tables: new values of the rows that an index names, or of all rows with one operand read through an
 * index. inputs: index int32 [rows], count int32 [] where there is one, operands. outputs: the tables with those rows
 * replaced, written in their place where nothing else reads them.
 */
export const eachRowOp: Op<EachRowAttrs> = {
  name: "eachRow",
  infer: (inputs, attrs) =>
    attrs.into.map((operand) => {
      const table = inputs[firstOperand(attrs) + operand];
      return { shape: table?.shape ?? [], dtype: table?.dtype ?? "float32" };
    }),
  gradient: "none",
  mask: noMask,
  kernel: {
    kind: "instruction",
    name: "mapRows",
    overwrites: (output, attrs) => firstOperand(attrs) + (attrs.into[output] ?? 0),
  },
};

/** What `eachRow` computes. */
export interface EachRow {
  /** int32 [rows]: which row of the indexed operands each row of the iteration is; −1: zeros. */
  readonly index: SymbolicTensor;
  /** int32 []: how many rows there are; left out: all. */
  readonly count?: SymbolicTensor;
  readonly rows: Dim;
  readonly width: number;
  readonly size: Dim;
  /** Tables flat, [R·D]; others as their kind says. */
  readonly operands: readonly (RowOperand & { readonly value: SymbolicTensor })[];
  /** New rows by the operand whose rows they replace, from one row of each operand. */
  equations(row: readonly SymbolicTensor[]): ReadonlyMap<number, SymbolicTensor>;
}

/** Operands, literals and results together: an instruction has as many registers (`codes.limit.mapRegisters`). */
const largestBody = 32;

/**
 * New tables by the operand that they replace; undefined where the equations are no elementwise ones of a row, or too long.
 */
export function eachRow(options: EachRow): ReadonlyMap<number, SymbolicTensor> | undefined {
  const { index, count, rows, width, size, operands } = options;
  const placeholders = operands.map(({ kind, value }, i) =>
    input(`r${i}`, kind === "row" ? [width] : [], value.dtype),
  );
  const results = [...options.equations(placeholders)];
  const closed = closureOf(
    results.map(([, value]) => value),
    placeholders,
  );
  const order = topological(closed.roots).filter(({ op }) => op.kernel.kind !== "source");
  const literals = new Set(
    topological(closed.roots).flatMap(
      (node) => nodeOf(constantOp, new SymbolicTensor(node))?.attrs.data[0] ?? [],
    ),
  ).size;
  const all = [...placeholders, ...closed.stands];
  const fits =
    order.every(({ op }) => op.kernel.kind === "map") &&
    closed.captured.every(({ rank }) => rank === 0) &&
    closed.roots.every(
      ({ shape }, i) => shape.length === (operands[results[i]?.[0] ?? 0]?.kind === "row" ? 1 : 0),
    ) &&
    order.length + literals + all.length <= largestBody;
  if (!fits) return undefined;
  const scalar = { indexed: false, kind: "scalar" } as const;
  const attrs: EachRowAttrs = {
    rows,
    width,
    size,
    counted: count !== undefined,
    operands: [
      ...operands.map(({ indexed, kind }): RowOperand => ({ indexed, kind })),
      ...closed.captured.map(() => scalar),
    ],
    body: { operands: all, outputs: closed.roots },
    into: results.map(([operand]) => operand),
  };
  const inputs = [
    index,
    ...(count === undefined ? [] : [count]),
    ...operands.map(({ value }) => value),
    ...closed.captured,
  ];
  const node = makeNode(eachRowOp, inputs, attrs);
  return new Map(results.map(([operand], i) => [operand, new SymbolicTensor(node, i)]));
}
