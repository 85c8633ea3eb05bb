import { execPath } from "node:process";
import { describe, expect, it } from "vitest";
import { agreement, askLosses } from "./agree.mjs";
import { Contestant } from "./contestants.mjs";
import { data, given, lengths, STREAMS, WORKS } from "./peers/protocol.mjs";
import { picture } from "./picture.mjs";
import { checks, markdown, median, short, terminal } from "./report.mjs";
import { measure, start } from "./rounds.mjs";
import { activePart, gflops, kindText, modelText, PROBE_LIMITS, ROWS } from "./works.mjs";

/** A contestant that answers 1, 2, 3 … ms; `trouble` is JavaScript run on each line before. */
function fake(id: string, trouble = "", options = {}) {
  const script = `
    const answer = (line) => console.log(JSON.stringify(line));
    answer({ peer: "${id}", version: "1.0", threads: 1, ready: true });
    let n = 0;
    require("node:readline").createInterface({ input: process.stdin }).on("line", (text) => {
      const { work } = JSON.parse(text);
      ${trouble}
      answer({ work, ms: ++n });
    });`;
  return new Contestant({
    id,
    name: id,
    role: "peer",
    threads: 1,
    command: [execPath, "-e", script],
    ...options,
  });
}

const rows = [
  { work: "W1", kind: "train", limits: {} },
  { work: "W4", kind: "fit", limits: {} },
];
const silent = () => {};
const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("rounds", () => {
  it("asks everyone for every row in every round, and goes on without those who fail", async () => {
    const contestants = [
      fake("steady"),
      fake("crashes", `if (n === 1) { console.error("out of luck"); process.exit(3); }`),
      fake("ignorant", `if (work === "W4") { answer({ work, unsupported: "no W4" }); return; }`),
      new Contestant({ ...fake("absent"), command: ["/nowhere/to/be/found"] }),
    ];
    await start(contestants, silent);
    const figures = await measure(contestants, rows, { rounds: 3, seconds: 0 }, silent);
    await Promise.all(contestants.map((c) => c.end()));
    expect(figures).toEqual([
      { steady: [1, 3, 5], crashes: [1], ignorant: [1, 2, 3] },
      { steady: [2 / 200, 4 / 200, 6 / 200] },
    ]);
    const failures = contestants.map(({ failure }) => failure);
    expect(failures[0]).toBeUndefined();
    expect(failures[1]).toBe("W4 fit: ended with code 3: out of luck");
    expect(failures[2]).toBeUndefined();
    expect(failures[3]).toContain("ENOENT");
  });

  it("ends a process that does not end by itself", async () => {
    const stubborn = fake("stubborn", "setInterval(() => {}, 1000);");
    await start([stubborn], silent);
    await stubborn.ask({ work: "W1", kind: "train" }, 0, 1);
    const { pid } = stubborn;
    expect(isRunning(pid)).toBe(true);
    await stubborn.end();
    expect(isRunning(pid)).toBe(false);
  });
});

/** Results in which ours takes 10 ms for everything, and the others as told. */
function results(times: Record<string, number>) {
  const contestants = [
    { id: "ours", name: "Rondo", role: "ours", threads: 2 },
    { id: "wasm1", name: "Rondo on wasm", role: "wasm", threads: 1 },
    { id: "wasm2", name: "Rondo on wasm", role: "wasm", threads: 2 },
    { id: "slow", name: "Slow <peer>", role: "peer", threads: 2 },
    { id: "fast", name: "Fast peer", role: "peer", threads: 2 },
    { id: "single", name: "Fast peer", role: "peer", threads: 1 },
    { id: "tfjs", name: "TensorFlow.js wasm", role: "tfjs", threads: 1 },
  ].map((c) => ({ ...c, title: `${c.name}, ${c.threads}`, version: "1.0", failure: undefined }));
  return {
    date: "2030-01-02T03:04:05Z",
    machine: { cpu: "CPU", cores: 2, memory: "8 GiB", system: "Linux", node: "20", load: 0 },
    rounds: 3,
    seconds: 1,
    threads: 2,
    contestants,
    missing: ["JAX"],
    rows: ROWS.map((row) => ({
      ...row,
      times: Object.fromEntries(
        Object.entries(times).map(([id, ms]) => [id, [ms, ms, row.work[0] === "M" ? ms : 100 * ms]]),
      ),
    })),
    roof: { fast: [100, 120, 110] },
    probes: Object.fromEntries(
      Object.keys(PROBE_LIMITS).map((name, i) => [name, { values: [i < 2 ? 1 : 50], text: "so" }]),
    ),
  };
}

describe("works", () => {
  const { W1, M1, T1, K1, L1 } = WORKS;

  it("have inputs and targets of their shapes", () => {
    const classes = data(W1, 30);
    expect([classes.x.shape, classes.y.shape]).toEqual([[30, 28, 28], [30]]);
    expect(new Set(classes.y.values)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    const values = data(T1, 30);
    expect([values.x.shape, values.y.shape]).toEqual([
      [30, 1, 1],
      [30, 1],
    ]);
    for (const { x, y } of [classes, values]) {
      for (const { values, shape } of [x, y]) {
        expect(values).toHaveLength(shape.reduce((a: number, b: number) => a * b, 1));
      }
    }
    const { values: masked } = data(M1, 2).x; // of 1 and 14 steps
    const last = [0, 1].map(
      (row) => 1 + masked.slice(row * 784, (row + 1) * 784).findLastIndex((v: number) => v > 0),
    );
    expect(last).toEqual([28, 14 * 28]);
  });

  it("have ids and a target at every step where they say so, and nothing behind the end of a row", () => {
    const text = data(L1, 64);
    expect([text.x.shape, text.y.shape]).toEqual([
      [64, 100],
      [64, 100],
    ]);
    expect([Math.min(...text.x.values), Math.max(...text.x.values)]).toEqual([1, 64]);
    expect([Math.min(...text.y.values), Math.max(...text.y.values)]).toEqual([0, 64]);

    const { x, y } = data(K1, 32);
    const steps = lengths(K1, 32);
    expect([steps[0], steps.at(-1)]).toEqual([10, 39]);
    expect(steps.reduce((a: number, b: number) => a + b, 0) / 32).toBeCloseTo(24, 0);
    for (const [row, length] of steps.entries()) {
      const [ids, tags] = [x, y].map(({ values }) => Array.from(values.slice(40 * row, 40 * (row + 1))));
      expect(ids?.indexOf(0)).toBe(length);
      expect(new Set([...(ids ?? []).slice(length), ...(tags ?? []).slice(length)])).toEqual(new Set([0]));
    }
    expect(Math.max(...y.values)).toBe(32);
  });

  it("give tables and every layer their weights, and conditional random fields none", () => {
    const shapes = [[2000, 100], [100, 512], [128, 512], [512], [256, 33], [33, 33]];
    const names = ["embeddings", "kernel", "recurrent_kernel", "bias", "dense/kernel", "crf/transitions"];
    const weights = names.map((name, i) => ({ name, shape: shapes[i] }));
    const [table, kernel, , bias, head, transitions] = given({ ...K1, bidirectional: false }, weights);
    expect(table[100]).toBeCloseTo(((50 * (Math.sqrt(5) - 1)) % 1) - 0.5, 6);
    expect(kernel.slice(128, 256)).toEqual(kernel.slice(0, 128));
    expect(head.slice(0, 33)).toEqual(table.slice(0, 33));
    expect([...bias, ...transitions].every((value: number) => value === 0)).toBe(true);
  });

  it("give all gates of a layer the same weights, and biases of zero", () => {
    const names = ["kernel", "recurrent_kernel", "bias"];
    const shapes = [[1, 512], [128, 512], [512]];
    const [kernel, recurrent, bias] = given(
      T1,
      names.map((name, i) => ({ name, shape: shapes[i] })),
    );
    expect(recurrent.slice(128, 256)).toEqual(recurrent.slice(0, 128));
    expect(recurrent.slice(512, 640)).not.toEqual(recurrent.slice(0, 128));
    expect([kernel[0], kernel[1]]).toEqual([-0.5, Math.fround((Math.sqrt(5) - 1) / 2 - 0.5)]);
    expect(bias).toEqual(new Float32Array(512));
  });

  it("are described by their models, shapes, optimizers and dropout", () => {
    expect(modelText("T1")).toBe("LSTM 128 → LSTM 128 → LSTM 128 → Dense 1");
    expect(kindText({ work: "T1", kind: "train" })).toBe("training step on [268, 1, 1], Adam, dropout 0.01");
    expect(kindText({ work: "W1", kind: "infer" })).toBe("inference on [500, 28, 28]");
    expect(modelText("K1")).toBe("Embedding 2,000 × 100, masked → BiLSTM 128 → Dense 33 per step → CRF");
    expect(kindText({ work: "K1", kind: "infer" })).toBe("decoding on [32, 40]");
    expect(kindText({ work: "L2", kind: "train" })).toBe("training step on [20, 35], SGD");
  });
});

describe("agreement", () => {
  /** A contestant that answers these losses to every question. */
  const losing = (id: string, losses: number[], options = {}) =>
    fake(id, `answer({ work, losses: ${JSON.stringify(losses)} }); return;`, options);

  async function agreementOf(contestants: Contestant[]) {
    await start(contestants, silent);
    const answers = await askLosses(contestants, rows.slice(0, 1), silent);
    await Promise.all(contestants.map((c) => c.end()));
    return { answers, ...agreement(answers) };
  }

  it("asks one contestant of each name and lets updates differ a little", async () => {
    const { answers, agreed } = await agreementOf([
      losing("ours", [2, 1, 0.5]),
      losing("ours", [7, 7, 7]),
      losing("close", [2.00001, 1.001, 0.5]),
      losing("ignorant", [], { knows: () => false }),
    ]);
    expect(answers).toEqual([{ work: "W1", losses: { ours: [2, 1, 0.5], close: [2.00001, 1.001, 0.5] } }]);
    expect(agreed).toBe(true);
  });

  it.each([
    ["before any update", [2.0001, 1, 0.5]],
    ["after one", [2, 1.01, 0.5]],
  ])("finds who is apart %s", async (_, losses) => {
    const { agreed, text } = await agreementOf([losing("ours", [2, 1, 0.5]), losing("other", losses)]);
    expect(agreed).toBe(false);
    expect(text).toMatch(/^other .* APART$/m);
    expect(text).not.toMatch(/^ours .* APART$/m);
  });
});

describe("report", () => {
  const measured = results({ ours: 10, wasm1: 30, wasm2: 20, slow: 40, fast: 19, single: 30, tfjs: 900 });
  const list = checks(measured);
  const check = (what: string, limit: string) =>
    list.find((c) => c.what.startsWith(what) && c.limit.includes(limit));

  it("holds times to their limits, by medians", () => {
    expect(check("W1 training", "best peer")).toMatchObject({
      limit: "≥ 2 × as fast as the best peer",
      kept: false,
    });
    expect(check("W1 training", "best peer")?.got).toBe(
      "1.90 × (Fast peer 19.0 ms; one thread: 3.00 ×, Fast peer 30.0 ms)",
    );
    expect(check("W2 training", "best peer")?.kept).toBe(true);
    expect(check("W1 training", "TensorFlow.js")?.kept).toBe(true);
    expect(check("W3 training", "TensorFlow.js")?.kept).toBe(false);
    expect(check("T1 training", "best peer")).toMatchObject({
      limit: "≥ 3 × as fast as the best peer",
      kept: false,
    });
    expect(check("T1 training", "TensorFlow.js")?.kept).toBe(true);
    expect(check("W1 training step on [500, 28, 28], Adam, wasm, 1", "best peer with one")?.got).toContain(
      "1.00 ×",
    );
    expect(check("W3 training step on [128, 28, 28], Adam, wasm, 2", "one thread")?.kept).toBe(false);
  });

  it("compares with the roof by operations", () => {
    // 28 steps of 500 rows, forward and twice backward: 4·64 × (28 + 64) and 4·32 × (64 + 32) multiply-adds each.
    const operations = 3 * 2 * 28 * 500 * (256 * 92 + 128 * 96);
    expect(gflops({ work: "W1", kind: "train" }, 10)).toBeCloseTo(operations / 10e6, 6);
    // One step of 268 rows: 4·128 × (1 + 128), then twice 4·128 × (128 + 128).
    const ofT1 = 3 * 2 * 268 * 512 * (129 + 2 * 256);
    expect(gflops({ work: "T1", kind: "train" }, 2)).toBeCloseTo(ofT1 / 2e6, 6);
    // One step of each of 64 streams: 4·256 × (65 + 256), 4·256 × (256 + 256), and 65 outputs of 256.
    const ofStreams = 2 * STREAMS * (1024 * 321 + 1024 * 512 + 256 * 65);
    expect(gflops({ work: "L1", kind: "streams" }, 2)).toBeCloseTo(ofStreams / 2e6, 6);
    expect(gflops({ work: "L1", kind: "train" }, 2)).toBeCloseTo((3 * 100 * ofStreams) / 2e6, 6);
    expect(check("W1 training", "roof")?.kept).toBe(operations / 10e6 / 110 >= 0.85);
  });

  it("finds what a masked step costs", () => {
    const active = activePart("M1");
    expect(active).toBeCloseTo(0.5, 1);
    expect(check("M1", "masked step")).toMatchObject({ kept: false });
    expect(check("M1", "masked step")?.got).toContain("100 %");
  });

  it("holds memory, event loop and compile time to theirs", () => {
    expect(check("memory of a W1 step", "1.2")?.kept).toBe(true);
    expect(check("event loop during fit", "20 ms")?.kept).toBe(false);
  });

  it("prints tables and a picture of everyone", () => {
    expect(terminal(measured)).toContain("Not found: JAX");
    expect(markdown(measured)).toContain(
      "| LSTM 64 → LSTM 32 → Dense 10: training step on [500, 28, 28], Adam | 10.0 |",
    );
    const svg = picture(measured);
    expect(svg).toContain("Slow &lt;peer&gt;");
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  it("rounds to three digits", () => {
    expect([0.01234, 1.5, 99.96, 123.4, 12670].map(short)).toEqual([
      "0.0123",
      "1.50",
      "100",
      "123",
      "12,670",
    ]);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
