// From what was measured to what a reader sees: the limits kept and missed, tables for the terminal and for README.

import { workOf } from "./peers/protocol.mjs";
import {
  activePart,
  gflops,
  isSmall,
  kindText,
  modelText,
  PROBE_LIMITS,
  WASM_ROWS,
  WASM_TWO_THREADS,
} from "./works.mjs";

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return (sorted[middle] + sorted[sorted.length - 1 - middle]) / 2;
}

/** Three digits, whole where there are more. */
export const short = (x) => (x >= 100 ? Math.round(x).toLocaleString("en") : x.toPrecision(3));

/** Answers questions about the results; every time is a median over the rounds. */
export function ask(results) {
  const { contestants, rows, roof, threads } = results;
  const rowOf = (work, kind) => rows.find((row) => row.work === work && row.kind === kind);

  /** The fastest contestant of a role in a row: { name, ms }, or undefined. */
  function fastest(row, role, count) {
    return contestants
      .filter((c) => c.role === role && (count === undefined || c.threads === count))
      .flatMap(({ id, name }) => (row?.times[id] === undefined ? [] : [{ name, ms: median(row.times[id]) }]))
      .sort((a, b) => a.ms - b.ms)[0];
  }

  /** GFLOPS of the fastest peer's matrix product. */
  function roofWith(count) {
    const peers = contestants.filter((c) => c.role === "peer" && c.threads === count && roof[c.id]);
    const best = peers.map(({ id, name }) => ({ name, gflops: median(roof[id]) }));
    return best.sort((a, b) => b.gflops - a.gflops)[0];
  }

  return { rowOf, fastest, roofWith, threads, ours: (row) => fastest(row, "ours", threads)?.ms };
}

/** Every limit that could be looked at: { what, limit, got, kept }. */
export function checks(results) {
  const { rowOf, fastest, roofWith, threads, ours } = ask(results);
  const list = [];
  const add = (what, limit, got, kept) => list.push({ what, limit, got, kept });

  function faster(what, ms, least, other, than, beside = "") {
    if (ms === undefined || other === undefined) return;
    const ratio = other.ms / ms;
    add(
      what,
      `≥ ${least} × as fast as ${than}`,
      `${short(ratio)} × (${other.name} ${short(other.ms)} ms${beside})`,
      ratio >= least,
    );
  }

  function slower(what, ms, most, other) {
    if (ms === undefined || other === undefined) return;
    const ratio = ms / other.ms;
    add(what, `≤ ${most} × the prototype's time`, `${short(ratio)} × (${short(other.ms)} ms)`, ratio <= most);
  }

  for (const row of results.rows) {
    const { limits } = row;
    const ms = ours(row);
    if (ms === undefined) continue;
    const what = `${row.work} ${kindText(row)}`;
    if (limits.prototype) slower(what, ms, limits.prototype, fastest(row, "prototype"));
    if (limits.peers) {
      const single = fastest(row, "peer", 1);
      const beside =
        single && threads > 1
          ? `; one thread: ${short(single.ms / ms)} ×, ${single.name} ${short(single.ms)} ms`
          : "";
      faster(what, ms, limits.peers, fastest(row, "peer", threads), "the best peer", beside);
    }
    if (limits.onnxNode) faster(what, ms, limits.onnxNode, fastest(row, "onnxNode"), "onnxruntime-node");
    if (limits.tfjs) faster(what, ms, limits.tfjs, fastest(row, "tfjs"), "TensorFlow.js wasm");
    const roof = roofWith(threads);
    if (limits.roof && roof !== undefined) {
      const part = gflops(row, ms) / roof.gflops;
      add(
        what,
        `≥ ${limits.roof} of the roof`,
        `${short(part)} (${short(gflops(row, ms))} of ${short(roof.gflops)} GFLOPS, ${roof.name})`,
        part >= limits.roof,
      );
    }
    const unlike = rowOf(row.work.replace(/^[GM]/, "W"), row.kind);
    const reference = ours(unlike);
    if (limits.gruOf && reference !== undefined) {
      const part = gflops(row, ms) / gflops(unlike, reference);
      add(
        what,
        `≥ ${limits.gruOf} × the LSTM's GFLOPS`,
        `${short(part)} × (${short(gflops(row, ms))} GFLOPS)`,
        part >= limits.gruOf,
      );
    }
    if (limits.timesOf) {
      const { work, most } = limits.timesOf;
      const other = ours(rowOf(work, row.kind));
      if (other !== undefined)
        add(
          what,
          `≤ ${most} × the time of ${work}`,
          `${short(ms / other)} × (${short(other)} ms)`,
          ms / other <= most,
        );
    }
    if (limits.maskedStep && reference !== undefined) {
      const active = activePart(row.work);
      const cost = (ms / reference - active) / (1 - active);
      add(
        what,
        `a masked step ≤ ${100 * limits.maskedStep} % of another`,
        `${(100 * cost).toFixed(0)} % (${short(ms)} ms; ${short(reference)} ms without masks)`,
        cost <= limits.maskedStep,
      );
    }
  }

  for (const { work, kind, limits } of WASM_ROWS) {
    const row = rowOf(work, kind);
    const ms = fastest(row, "wasm", 1)?.ms;
    const what = `${work} ${kindText({ work, kind })}, wasm, 1 thread`;
    if (limits.prototype) slower(what, ms, limits.prototype, fastest(row, "prototypeWasm"));
    faster(what, ms, limits.peers, fastest(row, "peer", 1), "the best peer with one thread");
    faster(what, ms, limits.tfjs, fastest(row, "tfjs"), "TensorFlow.js wasm");
    for (const [role, where] of [
      ["wasm", "wasm"],
      ["page", "wasm in Chromium"],
    ]) {
      const [one, two] = [1, 2].map((count) => fastest(row, role, count)?.ms);
      const name = `${work} ${kindText({ work, kind })}, ${where}, 2 threads`;
      faster(name, two, WASM_TWO_THREADS, one && { ms: one, name: "one" }, "one thread");
    }
  }

  for (const [name, { most, unit }] of Object.entries(PROBE_LIMITS)) {
    const { values, text } = results.probes[name];
    if (values.length === 0) add(name, `≤ ${most} ${unit}`, text, false);
    else {
      const value = median(values);
      const worst = Math.max(...values);
      add(
        name,
        `≤ ${most} ${unit}`,
        `${short(value)} ${unit}${values.length > 1 ? `, at most ${short(worst)}` : ""} (${text})`,
        value <= most,
      );
    }
  }
  return list;
}

const machineText = ({ machine: { cpu, cores, memory, system, node }, contestants, instructionSet }) => {
  const set = /native (\w+)/.exec(contestants.find(({ role }) => role === "ours")?.peer ?? "")?.[1];
  const held = instructionSet === undefined ? "" : ", to which all are held";
  return `${cpu}, ${cores} ${cores === 1 ? "core" : "cores"}${set ? ` (${set}${held})` : ""}, ${memory}, ${system}, Node ${node}`;
};

const versions = (contestants) => {
  const known = contestants
    .filter(({ version }) => version)
    .map(({ name, version }) => `${name.replace(/ XLA| on wasm| in Chromium/, "")} ${version}`);
  return [...new Set(known)].join(", ");
};

/** Columns as wide as their widest cell; all but the first flush right unless `left`. */
export function columns(rows, left = false) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const cell = (text, i) => (i === 0 || left ? text.padEnd(widths[i]) : text.padStart(widths[i]));
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

/** The report as text of about 120 columns. */
export function terminal(results) {
  const { contestants, rows, roof, machine, rounds, missing } = results;
  const head = ["ms", ...rows.map(({ work, kind }) => `${work} ${kind}`), "sgemm GFLOPS"];
  const lines = contestants
    .filter(({ id }) => roof[id] || rows.some(({ times }) => times[id]))
    .map(({ id, title }) => [
      title,
      ...rows.map(({ times }) => (times[id] ? short(median(times[id])) : "–")),
      roof[id] ? short(median(roof[id])) : "–",
    ]);
  const list = checks(results);
  const missed = list.filter(({ kept }) => !kept).length;
  const failures = contestants
    .filter(({ failure }) => failure)
    .map(({ title, failure }) => `${title} failed: ${failure}`);
  const busy =
    machine.load > machine.cores / 2
      ? `\nThe machine was busy (load ${machine.load.toFixed(1)}): figures are noisy.`
      : "";
  return [
    `${machineText(results)}; ${results.date.slice(0, 10)}; medians of ${rounds} rounds.${busy}`,
    versions(contestants),
    "",
    columns([head, ...lines]),
    "",
    columns(
      list.map(({ what, limit, got, kept }) => [kept ? "kept  " : "MISSED", what, limit, got]),
      true,
    ),
    "",
    `${list.length - missed} of ${list.length} limits kept`,
    ...failures,
    ...(missing.length === 0 ? [] : [`Not found: ${missing.join(", ")}`]),
  ].join("\n");
}

/** The table for README. */
export function markdown(results) {
  const { rowOf, fastest, roofWith, threads, ours } = ask(results);
  const roof = roofWith(threads);
  const many = `${threads} ${threads === 1 ? "thread" : "threads"}`;
  const times = (ms, other) => `**${short(other.ms / ms)} ×**`;
  const named = (ms, other) => (other ? `${short(other.ms)} ${other.name} · ${times(ms, other)}` : "–");
  const against = (ms, other) => (other ? `${short(other.ms)} · ${times(ms, other)}` : "–");
  const counts = threads === 1 ? [1] : [threads, 1];
  const head = [
    "",
    `Rondo, ${many}`,
    ...counts.map((n) => `best of the Python peers, ${n} ${n === 1 ? "thread" : "threads"}`),
    "TensorFlow.js wasm",
    "onnxruntime-node",
    "of the roof",
  ];
  const lines = results.rows
    .filter((row) => row.kind !== "fit" && ours(row) !== undefined)
    .map((row) => {
      const ms = ours(row);
      const part =
        roof && !isSmall(row.kind) && !workOf(row.work).masked
          ? (gflops(row, ms) / roof.gflops).toFixed(2)
          : "–";
      return [
        `${modelText(row.work)}: ${kindText(row)}`,
        short(ms),
        ...counts.map((n) => named(ms, fastest(row, "peer", n))),
        against(ms, fastest(row, "tfjs")),
        against(ms, fastest(row, "onnxNode")),
        part,
      ];
    });
  const fits = results.rows.filter((row) => row.kind === "fit" && ours(row) !== undefined);
  const wasmTimes = (role) =>
    WASM_ROWS.flatMap(({ work, kind }) => {
      const row = rowOf(work, kind);
      const [one, two] = [1, 2].map((n) => fastest(row, role, n)?.ms);
      return one === undefined
        ? []
        : [
            `${work} ${short(one)} ms with one thread${two === undefined ? "" : ` and ${short(two)} with two`}`,
          ];
    });
  const [wasm, page] = [wasmTimes("wasm"), wasmTimes("page")];
  const probes = Object.entries(PROBE_LIMITS).flatMap(([name, { unit }]) => {
    const { values } = results.probes[name];
    return values.length === 0 ? [] : [`${name}: ${short(median(values))} ${unit}`];
  });
  const table = [head, head.map((_, i) => (i === 0 ? "---" : "---:")), ...lines];
  return [
    `Milliseconds; × is how many times faster Rondo is. ${machineText(results)}; ${results.date.slice(0, 10)}; ${versions(results.contestants)}; medians of ${results.rounds} interleaved rounds.`,
    "",
    ...table.map((cells) => `| ${cells.join(" | ")} |`),
    "",
    `Training steps are single awaited calls of \`trainOnBatch\`${fits.length === 0 ? "" : ` (within \`fit\`: ${fits.map((row) => `${row.work} ${short(ours(row))}`).join(", ")} ms)`}; one row is \`predictSync\`, the next id of one stream \`sampleSync\` of a session, of several \`sample\`.${roof === undefined ? "" : ` The roof is the fastest peer's product of two 1024 × 1024 matrices, ${roof.name}'s ${short(roof.gflops)} GFLOPS.`}`,
    ...(wasm.length === 0
      ? []
      : [
          "",
          `On WebAssembly a training step takes: ${wasm.join("; ")}.${page.length === 0 ? "" : ` In Chromium: ${page.join("; ")}.`}`,
        ]),
    ...(probes.length === 0 ? [] : ["", `Other figures: ${probes.join("; ")}.`]),
    "",
  ].join("\n");
}
