// The cases of scan: bodies of all kinds through the general path, and the fused cells.
import type { Dtype } from "../../src/dtype.js";
import * as ops from "../../src/graph/build.js";
import { type Dim, type Shape, shapeText } from "../../src/graph/dim.js";
import { gradients } from "../../src/passes/autodiff.js";
import { known } from "../reference.js";
import { B, bool, type Case, float, int, jumps, type Operand, T, test, type X, Z } from "./case.js";
import { activations, biasShape, type Cell, gatesOf, recurrence } from "./cells.js";

// T time, B batch, D input features, H units, G gates.

/** A step whose operands, in the order sequences, states, constants, are its arguments. */
const each =
  (f: (...operands: X[]) => ops.Step): ops.ScanOptions["step"] =>
  (xs, states, constants) =>
    f(...xs, ...states, ...constants);

/** Outputs, then states. */
const all = ({ outputs, states }: ops.Scanned): readonly X[] => [...outputs, ...states];

/** s' = tanh(0.7 x + s), output 2 s'. */
const running = (x: X, state: X | { shape: Shape; dtype: Dtype }, mask?: X): readonly X[] =>
  all(
    ops.scan({
      sequences: [x],
      states: [state],
      mask,
      step: each((now, s) => {
        const next = ops.tanh(ops.add(ops.mul(now, 0.7), s));
        return { outputs: [ops.mul(next, 2)], states: [next] };
      }),
    }),
  );

/** The usual settings of a fused cell. */
const usual = {
  activation: "tanh",
  recurrentActivation: "sigmoid",
  units: 4,
  bias: false,
  dropout: false,
} as const;

export function generalScans(): Case[] {
  return [
    test("one state", [float([T, 2]), float([2])], (x, s) => running(x, s)),
    test("a zero state", [float([T, B, 2])], (x) => running(x, { shape: [B, 2], dtype: "float32" })),
    test("one step", [float([1, 2]), float([2])], (x, s) => running(x, s)),
    test("no steps", [float([Z, 2]), float([2])], (x, s) => running(x, s)),
    test("scalar steps", [float([T]), float([])], (x, s) => running(x, s)),
    test("backwards", [float([T, 2]), float([2])], (x, s) =>
      running(ops.reverse(x, 0), s).map((y, i) => (i === 0 ? ops.reverse(y, 0) : y)),
    ),
    test("transposed", [float([2, T]), float([2])], (x, s) => running(ops.transpose(x), s)),
    test("masked", [float([T, B, 2]), float([B, 2]), bool([T, B])], (x, s, m) => running(x, s, m)),
    test(
      "masked steps that are no numbers",
      [
        { ...float([2, B, 1]), values: [1, Number.NaN, -1, Number.NaN, Number.NaN, 0.5] },
        float([B, 1]),
        { ...bool([2, B]), values: [1, 0, 1, 0, 0, 1] },
      ],
      (x, s, m) => running(x, s, m),
    ),
    test("only the last state is used", [float([T, 2]), float([2])], (x, s) => running(x, s).slice(1)),
    test("one after the other", [float([T, 2]), float([2])], (x, s) => {
      const [first = x, state = s] = running(x, s);
      return running(first, state);
    }),
    test(
      "several sequences, states, constants and captured values",
      [float([T, B, 2]), float([T, B]), float([B, 2]), float([B]), float([2, 2]), float([2])],
      (x, y, h, a, w, outer) => {
        const gate = ops.sigmoid(outer);
        const step = each((xt, yt, ht, at, wt) => {
          const next = ops.tanh(ops.add(ops.matMul(ht, wt), ops.mul(xt, gate)));
          const total = ops.add(at, ops.mul(yt, ops.sum(next, 1)));
          return {
            outputs: [ops.mul(next, ops.expandDims(total, -1)), ops.square(at)],
            states: [next, total],
          };
        });
        return all(ops.scan({ sequences: [x, y], states: [h, a], constants: [w], step }));
      },
    ),
    test("states that swap", [float([T]), float([]), float([])], (x, a, b) => {
      const step = each((xt, p, q) => ({ outputs: [ops.sub(p, q)], states: [q, ops.mul(p, xt)] }));
      return all(ops.scan({ sequences: [x], states: [a, b], step }));
    }),
    test(
      "outputs that are operands, states that stay",
      [float([T, 2]), float([2]), float([2])],
      (x, s, c) => {
        const step = each((xt, st) => ({ outputs: [xt, st, c], states: [st] }));
        return all(ops.scan({ sequences: [x], states: [s], step }));
      },
    ),
    test("outputs made of pieces", [float([T, 2]), float([2])], (x, s) => {
      const step = each((xt, st) => ({
        outputs: [ops.concat([ops.tanh(st), ops.exp(xt), xt]), ops.stack([ops.neg(xt), ops.square(st)])],
        states: [ops.add(st, xt)],
      }));
      return all(ops.scan({ sequences: [x], states: [s], step }));
    }),
    test(
      "states that become each other's old values",
      [float([T, 2]), float([2]), float([2]), float([2])],
      (x, a, b, c) => {
        const step = each((xt, p, q, r) => ({ outputs: [ops.mul(q, r)], states: [q, r, ops.add(p, xt)] }));
        return all(ops.scan({ sequences: [x], states: [a, b, c], step }));
      },
    ),
    test("states seen through views", [float([T, 2]), float([2, 2])], (x, s) => {
      const step = each((xt, st) => ({
        outputs: [ops.slice(st, [1], [1])],
        states: [ops.concat([ops.slice(st, [1], [1]), ops.expandDims(xt, 0)], 0)],
      }));
      const turned = each((xt, st) => ({ outputs: [ops.mul(xt, st)], states: [ops.transpose(st)] }));
      return [
        ...all(ops.scan({ sequences: [x], states: [s], step })),
        ...all(ops.scan({ sequences: [x], states: [s], step: turned })),
      ];
    }),
    test("integers and bools", [int([T, B], 0, 3), bool([T, B]), float([4, 2])], (ids, flags, table) => {
      const step = each((id, flag, count, seen, h, rows) => {
        const now = ops.logicalOr(seen, flag);
        const entry = ops.where(ops.expandDims(now, -1), ops.gather(rows, id), 0);
        const next = ops.add(ops.mul(h, 0.5), entry);
        return { outputs: [next, now], states: [ops.add(count, id), now, next] };
      });
      const states = [
        { shape: [B], dtype: "int32" },
        { shape: [B], dtype: "bool" },
        { shape: [B, 2], dtype: "float32" },
      ] as const;
      return all(ops.scan({ sequences: [ids, flags], states, constants: [table], step }));
    }),
    test("masked integers and bools", [int([T, B], 0, 3), bool([T, B]), bool([T, B])], (ids, flags, mask) => {
      const step = each((id, flag, count, seen) => ({
        outputs: [ops.logicalAnd(flag, seen), id],
        states: [ops.add(count, id), ops.logicalOr(seen, flag)],
      }));
      const states = [
        { shape: [B], dtype: "int32" },
        { shape: [B], dtype: "bool" },
      ] as const;
      return all(ops.scan({ sequences: [ids, flags], states, mask, step }));
    }),
    test("nested", [float([T, 3, 2]), float([2]), float([2])], (x, s, w) => {
      const step = each((rows, before, factor) => {
        // The inner step captures a constant of the outer one.
        const inner = each((row, h) => {
          const next = ops.tanh(ops.add(ops.mul(h, factor), row));
          return { outputs: [ops.sum(next)], states: [next] };
        });
        const [ys = rows, last = before] = all(
          ops.scan({ sequences: [rows], states: [before], step: inner }),
        );
        return { outputs: [ys], states: [ops.mul(last, ops.sigmoid(ops.sum(ys)))] };
      });
      return all(ops.scan({ sequences: [x], states: [s], constants: [w], step }));
    }),
    test("nested, with pieces and a state of its own", [float([T, 3, 2]), float([2])], (x, s) => {
      const step = each((rows, before) => {
        const inner = each((row, h) => ({
          outputs: [ops.concat([row, ops.sin(h)]), ops.mul(row, before)],
          states: [ops.add(ops.mul(h, 0.5), row)],
        }));
        const [joined = rows, product = rows, last = before] = all(
          ops.scan({ sequences: [ops.reverse(rows, 0)], states: [before], step: inner }),
        );
        return { outputs: [joined, ops.reverse(product, 0)], states: [last] };
      });
      return all(ops.scan({ sequences: [x], states: [s], step }));
    }),
    test(
      "a fused recurrence in every step",
      [float([T, 3, B, 2]), float([2, 4]), float([4, 4])],
      (x, w, u) => {
        const cell = {
          cell: "simple",
          activation: "tanh",
          recurrentActivation: "sigmoid",
          units: 4,
        } as const;
        const step = each((words, sum, kernel, recurrentKernel) => {
          const inner = recurrence(
            { ...cell, bias: false, dropout: false },
            { x: words, kernel, recurrentKernel },
            true,
          );
          const [last = words] = inner.states;
          return { outputs: inner.outputs, states: [ops.add(ops.mul(sum, 0.5), last)] };
        });
        const state = { shape: [B, 4], dtype: "float32" } as const;
        return all(ops.scan({ sequences: [x], states: [state], constants: [w, u], step }));
      },
    ),
    test(
      "two fused recurrences, one on the other and back",
      [float([T, B, 2]), float([2, 16]), float([4, 16]), float([4, 12]), float([4, 12])],
      (x, w, u, w2, u2) => {
        const first = recurrence({ cell: "lstm", ...usual }, { x, kernel: w, recurrentKernel: u }, true);
        const [ys = x, h] = [...first.outputs, ...first.states];
        const second = recurrence(
          { cell: "gruResetBefore", ...usual },
          { x: ops.reverse(ys, 0), kernel: w2, recurrentKernel: u2, h0: h },
          true,
        );
        return [
          ops.concat([...first.outputs, ...second.outputs.map((y) => ops.reverse(y, 0))]),
          ...second.states,
        ];
      },
    ),
    test(
      "a fused recurrence differentiated for two losses",
      [float([T, B, 2]), float([2, 12]), float([4, 12])],
      (x, kernel, recurrentKernel) => {
        const { outputs, states } = recurrence(
          { cell: "gruResetBefore", ...usual },
          { x, kernel, recurrentKernel },
          true,
        );
        const losses = [
          ...outputs.map((y) => ops.sum(ops.sin(y))),
          ...states.map((h) => ops.sum(ops.square(h))),
        ];
        return losses
          .flatMap((loss) => gradients(loss, [x, kernel, recurrentKernel]))
          .filter((g) => g !== undefined);
      },
      jumps,
    ),
    test("nested and masked", [float([T, B, 2]), float([B, 2]), bool([T, B])], (x, s, mask) => {
      const step = each((now, before) => {
        const rows = ops.stack([now, ops.square(now)]);
        const inner = each((row, h) => ({ outputs: [], states: [ops.tanh(ops.add(ops.mul(h, 0.5), row))] }));
        const [last = before] = all(ops.scan({ sequences: [rows], states: [before], step: inner }));
        return { outputs: [last], states: [last] };
      });
      return all(ops.scan({ sequences: [x], states: [s], mask, step }));
    }),
  ];
}

/** A recurrence over a fused cell, and what of it is looked at: all, the last states alone, or all of it run backwards. */
export interface Recurrence {
  readonly cell: Cell;
  readonly given: readonly ("mask" | "h0" | "c0")[];
  readonly results: "all" | "states" | "backwards";
  /** Time steps and rows; default [T, B]. */
  readonly sizes?: readonly [Dim, Dim];
}

/** Every fused cell, with what may be there or not, and every activation. */
export function recurrences(): Recurrence[] {
  const of = (
    cell: Partial<Cell>,
    given: Recurrence["given"],
    results: Recurrence["results"] = "all",
    sizes: readonly [Dim, Dim] = [T, B],
  ): Recurrence => ({
    cell: {
      cell: "simple",
      activation: "tanh",
      recurrentActivation: "sigmoid",
      units: 2,
      bias: true,
      dropout: false,
      ...cell,
    },
    given,
    results,
    sizes,
  });
  const cells = Object.keys(gatesOf) as ops.FusedCell[];
  return cells.flatMap((cell) => [
    of({ cell, units: 3 }, []),
    of({ cell, units: 3, bias: false }, ["h0", "c0"]),
    of({ cell, dropout: true }, ["mask"]),
    of({ cell, dropout: true }, ["mask", "h0", "c0"]),
    of({ cell, units: 9 }, ["mask", "h0", "c0"], "states"),
    of({ cell, units: 17 }, [], "backwards"),
    of({ cell, units: 5 }, ["h0"], "all", [1, 1]),
    of({ cell, units: 9 }, [], "all", [1, 3]),
    of({ cell, units: 4, bias: false }, [], "states", [1, 2]),
    ...(Object.keys(activations) as ops.FusedActivation[]).map((activation) =>
      // An lstm whose gates are exponentials of exponentials leaves the range of numbers.
      of(
        {
          cell,
          activation,
          ...(cell === "lstm" && activation === "exponential" ? {} : { recurrentActivation: activation }),
        },
        ["h0", "c0"],
      ),
    ),
  ]);
}

export function recurrenceCase({ cell, given, results, sizes = [T, B] }: Recurrence, fused: boolean): Case {
  const [steps, rows] = sizes;
  const [D, H, G] = [2, cell.units, gatesOf[cell.cell]];
  // What is not bounded grows from step to step, and rounding with it.
  const bounded = ["tanh", "sigmoid", "hardSigmoid", "hardSigmoidKeras2", "softsign", "hardTanh"].includes(
    cell.activation,
  );
  const range = bounded ? 1 : cell.activation === "exponential" ? 0.1 : 0.5;
  const weights = (shape: Shape): Operand => float(shape, -range, range);
  // Row 0 has a gap, row 1 begins late, row 2 has no step that counts; what does not count is no number.
  const mask = [1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0];
  const poisoned = mask.flatMap((counts, i) =>
    counts ? [Math.sin(i), Math.cos(i)] : [Number.NaN, Number.NaN],
  );
  const operands: Record<string, Operand> = {
    x: { ...weights([steps, rows, D]), ...(given.includes("mask") ? { values: poisoned } : {}) },
    kernel: weights([D, G * H]),
    recurrentKernel: weights([H, G * H]),
    ...(cell.bias ? { bias: weights(biasShape(cell.cell, H)) } : {}),
    ...(cell.dropout ? { dropout: { ...float([rows, H]), values: [0, 2, 2, 0, 2], fixed: true } } : {}),
    ...(given.includes("h0") ? { h0: weights([rows, H]) } : {}),
    ...(given.includes("c0") && cell.cell === "lstm" ? { c0: weights([rows, H]) } : {}),
    ...(given.includes("mask") ? { mask: { ...bool([steps, rows]), values: mask } } : {}),
  };
  const names = Object.keys(operands);
  const { cell: kind, activation, recurrentActivation, units } = cell;
  const gates = kind === "simple" ? [] : [recurrentActivation];
  const name = [kind, activation, ...gates, units, ...names.slice(3), results, shapeText(sizes)].join(" ");
  return test(name, Object.values(operands), (...values) => {
    const of = (key: string): X | undefined => values[names.indexOf(key)];
    const [x, kernel, recurrentKernel] = ["x", "kernel", "recurrentKernel"].map((key) => known(of(key), key));
    const direct = (y: X) => (results === "backwards" ? ops.reverse(y, 0) : y);
    const scanned = recurrence(
      cell,
      {
        x: direct(known(x, "x")),
        kernel: known(kernel, "kernel"),
        recurrentKernel: known(recurrentKernel, "recurrentKernel"),
        bias: of("bias"),
        dropout: of("dropout"),
        h0: of("h0"),
        c0: of("c0"),
        mask: of("mask"),
      },
      fused,
    );
    return results === "states" ? scanned.states : [...scanned.outputs.map(direct), ...scanned.states];
  });
}
