// Where the time of a step goes: node bench/kernels.mjs [WORK] [train|infer|row] [THREADS] [native|wasm] [INSTRUCTION SET].
// WORK is a name of `works.json`, or a layer and its sizes: lstm:128,28,64,512 (rows, steps, features, units; Dense 10 above).
// Runs the program of that step instruction by instruction, each through an entry of its own, and prints the least time of
// each, which a busy machine distorts least, beside that of the whole. For tuning; `main.mjs` measures what users get.

import * as described from "../dist/graph/instructions.js";
import { abi, codes } from "../dist/plan/abi.js";
import { buildModel, rondo, tensors } from "./models.mjs";
import { rowsOf, workOf } from "./peers/protocol.mjs";
import { gflops } from "./works.mjs";

const [name = "W1", kind = "train", threads = "2", kindOfBackend = "native", instructionSet] =
  process.argv.slice(2);

const repetitions = 40;
/** Long works are repeated less often. */
const seconds = 8;
const records = { ...abi, ...described };
const names = new Map(Object.entries(records).map(([name, { opcode }]) => [opcode, name]));
const gatesOfCell = {
  [codes.cell.simple]: 1,
  [codes.cell.lstm]: 4,
  [codes.cell.gru]: 3,
  [codes.cell.gruResetBefore]: 3,
  [codes.cell.lstmOnce]: 3,
};

/** The instructions of a program between two words: { name, begin, end, fields, body }. */
function instructionsOf({ words }, { begin, end: last }) {
  const list = [];
  for (let at = begin; at < last; at += 2 + words[at + 1]) {
    const name = names.get(words[at]);
    let next = at + 2;
    const fields = {};
    for (const field of records[name].fields.split(" ")) {
      fields[field.replace(/^[*~]/, "")] = words[next];
      next += field.startsWith("*") ? 2 : 1;
    }
    const end = at + 2 + words[at + 1];
    const body =
      fields.bodyWords > 0 ? instructionsOf({ words }, { begin: end - fields.bodyWords, end }) : [];
    list.push({ name, begin: at, end, fields, body });
  }
  return list;
}

/** Floating-point operations of the products within an instruction. */
function operationsOf({ name, fields, body }) {
  const { T, B, D, H, cell, dx, m, n, k } = fields;
  const { N, OH, OW, C, F, KH, KW, uH, uW, groups } = fields;
  const columns = gatesOfCell[cell] * H;
  const states = cell === codes.cell.lstmOnce ? 0 : H;
  switch (name) {
    case "conv":
    case "convWeights":
      return (2 * N * OH * OW * (C / groups) * F * KH * KW) / (uH * uW);
    case "matmul":
      return 2 * m * n * k;
    case "rnnForward":
    case "rnnWeights":
      return 2 * T * B * (D + states) * columns;
    case "chain":
      return body.reduce((sum, own) => sum + (operationsOf(own) ?? 0), 0);
    case "rnnBackward":
      return 2 * T * B * (states + (dx >= 0 ? D : 0)) * columns;
    default:
      return undefined;
  }
}

/** The fields that say how large an instruction is. */
const sizesOf = ({ name, fields, body }) =>
  name === "chain"
    ? body.map((own) => `${own.name} ${sizesOf(own)}`).join("; ")
    : Object.entries(fields)
        .filter(([field]) =>
          (name.startsWith("rnn")
            ? /^[TBDH]$/
            : "OH" in fields
              ? /^(N|O?[HW]|[CF]|K[HW])$/
              : /^(m|n|k|rows|cols|inputs|steps)$/
          ).test(field),
        )
        .map(([field, value]) => `${field} ${value}`)
        .join(", ");

/** The same backend with an entry per instruction in each program; it remembers the last run. */
function watch(backend) {
  const watched = {
    name: backend.name,
    kind: backend.kind,
    capabilities: backend.capabilities,
    last: undefined,
    allocate: (bytes) => backend.allocate(bytes),
    close: () => backend.close(),
    register: (tenant) => backend.register(tenant),
    reclaim: () => backend.reclaim(),
    load(program, state) {
      const entries = { ...program.entries, nothing: { begin: 0, end: 0, writes: "nothing" } };
      for (const entry of Object.values(program.entries)) {
        for (const { begin, end } of instructionsOf(program, entry)) {
          entries[`at ${begin}`] = { begin, end, writes: entry.writes };
        }
      }
      const executable = backend.load({ ...program, entries }, state);
      return {
        program,
        reserve: () => executable.reserve(),
        prepareSync: (memory) => executable.prepareSync(memory),
        free: () => executable.free(),
        run(call) {
          watched.last = { executable, call };
          return executable.run(call);
        },
      };
    },
  };
  return watched;
}

const backend = await rondo.createBackend({
  backend: kindOfBackend,
  threads: Number(threads),
  ...(instructionSet && { instructionSet }),
});
const watched = watch(backend);
const work = workOf(name);
const model = buildModel(work, watched);
const { x, y } = tensors(work, rowsOf(work, kind));
for (let i = 0; i < 5; i++) await (kind === "train" ? model.trainOnBatch(x, y) : model.predictOnBatch(x));

const { executable, call } = watched.last;
const { program } = executable;
const instructions = instructionsOf(program, program.entries.main);
const entries = ["main", "nothing", ...instructions.map(({ begin }) => `at ${begin}`)];
const least = new Map(entries.map((entry) => [entry, Number.POSITIVE_INFINITY]));
const began = performance.now();
for (let i = 0; i < repetitions && (i < 3 || performance.now() - began < 1000 * seconds); i++) {
  for (const entry of entries) {
    const start = performance.now();
    await executable.run({ ...call, entry });
    least.set(entry, Math.min(least.get(entry), performance.now() - start));
  }
}
await backend.close();

const hop = least.get("nothing");
const time = (entry) => Math.max(0, least.get(entry) - hop);
const whole = time("main");
const MiB = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
console.log(
  `${name} ${kind}, ${backend.name}: ${whole.toFixed(3)} ms, ${gflops({ work: name, kind }, whole).toFixed(1)} GFLOPS; ` +
    `${hop.toFixed(3)} ms to submit a run; scratch ${MiB(program.scratchBytes)}, cache ${MiB(program.cacheBytes)}`,
);
console.log("       ms      %  GFLOPS");
for (const instruction of instructions) {
  const ms = time(`at ${instruction.begin}`);
  const operations = operationsOf(instruction);
  const rate = operations === undefined || ms < 0.005 ? "" : (operations / ms / 1e6).toFixed(1);
  console.log(
    `${ms.toFixed(3).padStart(9)} ${((100 * ms) / whole).toFixed(1).padStart(6)} ${rate.padStart(7)}  ${instruction.name.padEnd(11)} ${sizesOf(instruction)}`,
  );
}
