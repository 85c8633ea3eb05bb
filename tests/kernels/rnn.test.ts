import { totalmem } from "node:os";
import { describe, expect, test } from "vitest";
import { codes } from "../../src/plan/abi.js";
import { Encoder } from "../../src/plan/encode.js";
import type { BufferSlot } from "../../src/plan/program.js";
import {
  type CellKind,
  rnnBackwardPack,
  rnnBackwardWork,
  rnnForwardPack,
  rnnForwardWork,
  rnnReserve,
  rowStride,
} from "../../src/plan/sizes.js";
import type { Backend } from "../../src/runtime/backend.js";
import { describeWith, type Requirement } from "../machine.js";
import {
  backendOf,
  expectSame,
  instructionSets,
  programOfWords,
  randomSource,
  runInstructions,
} from "./harness.js";
import {
  type Activation,
  activations,
  type Case,
  gateCount,
  type Operands,
  operands,
  twin,
} from "./recurrent.js";

type Dataset = { readonly c: Case; readonly o: Operands; readonly expected: ReturnType<typeof twin> };
type Output = "hs" | "latest" | "cFinal" | "dx" | "dh0" | "dc0" | "dw" | "du" | "db";

/** Private memory as a program may find it. */
const rubbish = (n: number) => new Float32Array(n).fill(Number.NaN);

/**
 * Packs, runs forward twice (with a reserve, and as inference does) and back. Buffers have exactly the sizes of
 * src/plan/sizes.ts, with guards around them.
 */
async function run(backend: Backend, { c, o }: Dataset): Promise<Record<Output, Float32Array>> {
  const { T, B, D, H, cell } = c;
  const v = backend.capabilities.vectorWidth;
  const columns = gateCount[cell] * H;
  const once = cell === "lstmOnce";
  const lstm = cell === "lstm" || once;
  const ldh = rowStride(H, v);
  const shape = { cell, T, B, D, H, recurrentDropout: c.dropout };
  const buffers: (Float32Array | Uint8Array)[] = [];
  const place = (data: Float32Array | Uint8Array) => ({ buffer: buffers.push(data) - 1, offset: 0 });
  const only = (wanted: boolean, data: Float32Array | Uint8Array) => (wanted ? place(data) : null);

  const forward = place(rubbish(rnnForwardPack(cell, D, H, v)));
  const backward = place(rubbish(rnnBackwardPack(cell, D, H, v, true)));
  const [w, u, b] = [place(o.w), place(o.u), only(c.bias, o.b)];
  const outputs = {
    hs: place(rubbish((T + 1) * B * ldh)),
    latest: place(rubbish(2 * B * ldh)),
    cFinal: place(rubbish(B * H)),
    dx: place(rubbish(T * B * D)),
    dh0: place(rubbish(B * H)),
    dc0: place(rubbish(B * H)),
    dw: place(rubbish(D * columns)),
    du: place(rubbish(H * columns)),
    db: place(rubbish(o.b.length)),
  };
  const steps = { T, B, D, H, cell: codes.cell[cell], ldh };
  const kinds = {
    activation: codes.activation[c.activation],
    recurrentActivation: codes.activation[c.recurrentActivation],
  };
  const input = {
    x: place(o.x),
    xT: B * D,
    xB: D,
    mask: only(c.mask !== "none", o.mask),
    maskT: B,
    maskB: 1,
    dropout: only(c.dropout, o.dropout),
  };
  const initial = {
    h0: only(c.states, o.h0),
    h0Row: H,
    c0: only(c.states && lstm, o.c0),
    c0Row: H,
  };
  const reserve = place(rubbish(rnnReserve(shape, v)));
  const work = place(rubbish(rnnForwardWork(shape, v)));
  const backwardWork = place(rubbish(rnnBackwardWork(shape, v)));
  const gradients = {
    dy: only(c.sequence, o.dy),
    dyT: B * H,
    dyB: H,
    dhFinal: only(c.states || !c.sequence, o.dhFinal),
    dhRow: H,
    dcFinal: only(c.states && lstm, o.dcFinal),
    dcRow: H,
  };

  const after = await runInstructions(backend, buffers, (e) => {
    const { hs, latest, dw, du, db } = outputs;
    const cFinal = lstm ? outputs.cFinal : null;
    e.emit("rnnPack", { cell: steps.cell, D, H, w, u, b, forward, backward, dx: 1 });
    const both = { ...steps, ...kinds, ...input, ...initial, pack: forward, work };
    e.emit("rnnForward", { ...both, hs: latest, keep: 2, cFinal, reserve: null });
    e.emit("rnnForward", { ...both, hs, keep: T + 1, cFinal, reserve });
    const back = {
      ...steps,
      ...kinds,
      ...input,
      ...gradients,
      pack: backward,
      hs,
      reserve,
      work: backwardWork,
    };
    const { dx, dh0 } = outputs;
    const dc0 = lstm && !once ? outputs.dc0 : null;
    e.emit("rnnBackward", { ...back, dx, dxT: B * D, dxB: D, dh0, dc0 });
    e.emit("rnnWeights", { ...steps, ...input, hs, reserve, dw, du: once ? null : du, db });
  });
  const unpadded = (data: Float32Array, slots: number[]) =>
    Float32Array.from(
      slots
        .flatMap((slot) =>
          Array.from({ length: B }, (_, row) => [
            ...data.subarray((slot * B + row) * ldh, (slot * B + row) * ldh + H),
          ]),
        )
        .flat(),
    );
  const result = (name: Output) => after[outputs[name].buffer] as Float32Array;
  return {
    hs: unpadded(
      result("hs"),
      Array.from({ length: T + 1 }, (_, t) => t),
    ),
    latest: unpadded(result("latest"), [T % 2]),
    cFinal: lstm ? result("cFinal") : new Float32Array(B * H),
    dx: result("dx"),
    dh0: result("dh0"),
    dc0: lstm && !once ? result("dc0") : new Float32Array(B * H),
    dw: result("dw"),
    du: once ? new Float32Array(H * columns) : result("du"),
    db: result("db"),
  };
}

/** Float32 sums of up to some thousand terms: errors are a few 1e-6 of the largest number among the results. */
function compare(actual: Record<Output, Float32Array>, { c, expected }: Dataset): void {
  const { hs } = expected;
  const wanted = {
    ...expected,
    latest: hs.subarray(hs.length - c.B * c.H),
    cFinal: c.cell.startsWith("lstm") ? expected.cFinal : new Float64Array(c.B * c.H),
    dc0: c.cell === "lstm" ? expected.dc0 : new Float64Array(c.B * c.H),
  };
  for (const name of Object.keys(actual) as Output[]) {
    const largest = wanted[name].reduce((most, x) => Math.max(most, Math.abs(x)), 1e-2);
    const error = actual[name].reduce((most, x, i) => {
      const e = Math.abs(x - (wanted[name][i] ?? Number.NaN));
      return e >= 0 ? Math.max(most, e) : Number.POSITIVE_INFINITY;
    }, 0);
    expect(error / largest, `${name} of ${JSON.stringify(c)}`).toBeLessThan(4e-5);
  }
}

const defaults = {
  activation: "tanh",
  recurrentActivation: "sigmoid",
  T: 5,
  B: 7,
  D: 6,
  H: 12,
  mask: "none",
  dropout: false,
  bias: true,
  states: true,
  sequence: true,
} as const;
const cells: readonly CellKind[] = ["simple", "lstm", "gru", "gruResetBefore"];
const random = randomSource(2026);
const dataset = (part: Partial<Case> & { cell: CellKind }): Dataset => {
  const c: Case = { ...defaults, ...part };
  const o = operands(c, random);
  return { c, o, expected: twin(c, o) };
};
const forCells = (...parts: Partial<Case>[]): Dataset[] =>
  cells.flatMap((cell) => parts.map((part) => dataset({ ...part, cell })));

const groups: Record<string, Dataset[]> = {
  "rows, steps, features and units that fill no vector": forCells(
    { T: 1, B: 1, D: 1, H: 1 },
    { T: 3, B: 1, D: 5, H: 33 },
    { T: 37, B: 1, D: 3, H: 9 },
    { T: 1, B: 17, D: 13, H: 3, states: false },
    { T: 2, B: 4, D: 31, H: 67, bias: false },
    { T: 3, B: 5, D: 9, H: 130, sequence: false },
  ),
  "hundreds of units": forCells(
    { T: 2, B: 2, D: 3, H: 300, states: false },
    { T: 3, B: 67, D: 3, H: 450, mask: "gaps", dropout: true },
    { T: 5, B: 7, D: 900, H: 130, mask: "gaps", dropout: true },
    { T: 5, B: 33, D: 2600, H: 140, bias: false },
  ),
  "large batches, in chunks": forCells(
    { T: 3, B: 50, states: false },
    { T: 2, B: 261, D: 4, H: 8, mask: "gaps" },
  ),
  masks: forCells(
    { mask: "right", B: 20 },
    { mask: "left", B: 20, sequence: false },
    { mask: "gaps", B: 33, states: false },
    { mask: "gaps", B: 1, T: 9, H: 20 },
  ),
  "recurrent dropout": forCells(
    { dropout: true },
    { dropout: true, mask: "gaps", B: 20 },
    { dropout: true, B: 1 },
  ),
  "one step from zeros": (
    [
      { B: 1, D: 3, H: 5 },
      { B: 17, D: 13, H: 33, bias: false },
      { B: 70, D: 40, H: 130, sequence: false },
      { B: 20, mask: "right" },
      { B: 20, activation: "softsign", recurrentActivation: "hardSigmoid" },
    ] as const
  ).map((part) => dataset({ ...part, T: 1, cell: "lstmOnce", states: false })),
  activations: forCells(
    ...(Object.keys(activations) as Activation[]).map((activation, i, all) => ({
      activation: activation === "exponential" ? "softsign" : activation,
      recurrentActivation: all[(i * 5 + 9) % all.length] ?? "sigmoid",
      T: 2,
      B: 3,
      H: 5,
    })),
  ),
};

describe.each(instructionSets)("recurrent kernels on %s", (set) => {
  test.each(Object.keys(groups))("%s", async (name) => {
    const backend = await backendOf(set);
    for (const data of groups[name] ?? []) compare(await run(backend, data), data);
  });

  test("give the same bits with any number of threads", async () => {
    const fewRows = { B: 6, T: 4, D: 40, H: 150, mask: "gaps", dropout: true } as const;
    for (const data of forCells({ B: 50, T: 4, mask: "gaps" }, { B: 1, T: 40, H: 130 }, fewRows)) {
      const one = await run(await backendOf(set), data);
      for (const threads of [2, 3]) {
        const more = await run(await backendOf(set, threads), data);
        for (const name of Object.keys(one) as Output[]) expectSame(more[name], one[name]);
      }
    }
  });

  test("give a row the same bits whatever rows are beside it", async () => {
    const backend = await backendOf(set);
    for (const data of forCells({ B: 23, T: 3 })) {
      const { c, o } = data;
      const all = await run(backend, data);
      const from = 3;
      const rows = (array: Float32Array) => {
        const width =
          array.length / (array.length % (c.T * c.B) === 0 && array.length > c.B * c.H ? c.T * c.B : c.B);
        const steps = array.length / (c.B * width);
        return Float32Array.from(
          Array.from({ length: steps }, (_, t) => [
            ...array.subarray((t * c.B + from) * width, (t + 1) * c.B * width),
          ]).flat(),
        );
      };
      const { x, h0, c0, dy, dhFinal, dcFinal, dropout } = o;
      const fewer = {
        c: { ...c, B: c.B - from },
        o: {
          ...o,
          x: rows(x),
          h0: rows(h0),
          c0: rows(c0),
          dy: rows(dy),
          dhFinal: rows(dhFinal),
          dcFinal: rows(dcFinal),
          dropout,
        },
        expected: data.expected,
      };
      const some = await run(backend, fewer);
      expectSame(some.latest, all.latest.subarray(from * c.H));
      expectSame(some.dh0, all.dh0.subarray(from * c.H));
    }
  });
});

/** The far ends of the operand alone are ever touched. */
const addressSpace: Requirement = {
  name: "a machine of 10 GiB",
  path: totalmem() > 9.5 * 2 ** 30 ? "here" : undefined,
  howToGetIt: "run the tests on a larger one",
};

describeWith(addressSpace, "weight gradients of an input beyond 2³¹ elements", () => {
  test.each(instructionSets.filter((set) => !set.includes("simd")))("are right on %s", async (set) => {
    const backend = await backendOf(set);
    const v = backend.capabilities.vectorWidth;
    const shape = { cell: "simple", T: 3, B: 1, D: 1, H: 1, recurrentDropout: false } as const;
    const ldh = rowStride(1, v);
    const far = 1_080_000_000;
    const floats = {
      reserve: rnnReserve(shape, v),
      hs: 4 * ldh,
      dw: 1,
      x: 2 * far + 1,
    };
    const buffers: BufferSlot[] = [];
    let bytes = 0;
    for (const size of Object.values(floats)) {
      buffers.push({ region: "state", index: 0, offset: bytes, bytes: 4 * size });
      bytes += Math.ceil(size / 16) * 64;
    }
    const at = (name: keyof typeof floats) => ({ buffer: Object.keys(floats).indexOf(name), offset: 0 });
    const encoder = new Encoder();
    encoder.emit("rnnWeights", {
      cell: codes.cell.simple,
      T: 3,
      B: 1,
      D: 1,
      H: 1,
      x: at("x"),
      xT: far,
      xB: 1,
      mask: null,
      maskT: 0,
      maskB: 0,
      dropout: null,
      hs: at("hs"),
      ldh,
      reserve: at("reserve"),
      dw: at("dw"),
      du: null,
      db: null,
    });
    const state = backend.allocate(bytes);
    const offset = (name: keyof typeof floats) => buffers[at(name).buffer]?.offset ?? 0;
    for (const t of [0, 1, 2]) {
      await state.write(offset("x") + 4 * far * t, Float32Array.of(10 ** t));
    }
    await state.write(offset("reserve"), new Float32Array(floats.reserve).fill(2)); // the gates' gradients
    const run = backend.load(programOfWords(encoder.words(), buffers, bytes));
    await run.run({ entry: "main", state, inputs: [], outputs: [] });
    const dw = new Float32Array(1);
    await state.read(offset("dw"), dw);
    expect(dw[0]).toBe(222);
  });
});
