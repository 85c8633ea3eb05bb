import { availableParallelism, cpus, totalmem } from "node:os";
import { Command } from "commander";
import { type DescribedDataset, describeDatasets } from "../datasets/index.js";
import { layers, sequential, tensor } from "../index.js";
import { version } from "../recipe/index.js";
import { canDraw, howToDraw } from "../report/index.js";
import type { Backend } from "../runtime/backend.js";
import { createBackend } from "../runtime/select.js";
import { setsTable } from "./about.js";
import { type CommandContext, examples, exitCodes } from "./command.js";

/** A backend as it is here. */
interface Checked {
  /** Its name, with its instruction set. */
  readonly name: string;
  readonly threads: number;
  /** What a training of a few steps on it came to. */
  readonly works: boolean;
  /** Why it is not there, or what went wrong. */
  readonly trouble?: string;
}

interface Findings {
  readonly rondo: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly environment: Readonly<Record<string, string>>;
  /** What a program uses that asks for no backend. */
  readonly used: string;
  readonly native: Checked;
  readonly wasm: Checked;
  /** Whether reports of runs can be drawn. */
  readonly reports: boolean;
  readonly dataSets: readonly DescribedDataset[];
}

const variables = ["RONDO_BACKEND", "RONDO_THREADS", "RONDO_DATA", "XDG_CACHE_HOME"];

/** `rondo doctor`. */
export const doctorCommand = ({ end }: CommandContext): Command =>
  new Command("doctor")
    .description(
      "what Rondo runs on here: versions, backends with their instruction sets, each tried on a small training, and data sets",
    )
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExit codes: 0 both backends or WebAssembly alone work, 1 none does, 2 for a wrong command line.",
    )
    .addHelpText("after", examples("rondo doctor", "RONDO_THREADS=1 rondo doctor --json"))
    .action(async ({ json }: { json?: boolean }) => {
      const found = await examine();
      console.log(json === true ? JSON.stringify(found) : text(found));
      if (!found.native.works && !found.wasm.works) end(exitCodes.failed);
    });

async function examine(): Promise<Findings> {
  const [native, wasm] = [await check("native"), await check("wasm")];
  const used = process.env.RONDO_BACKEND === "wasm" || !native.works ? wasm : native;
  return {
    rondo: version(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    environment: Object.fromEntries(
      variables.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
    ),
    used: used.name,
    native,
    wasm,
    reports: await canDraw(),
    dataSets: describeDatasets(),
  };
}

async function check(kind: "native" | "wasm"): Promise<Checked> {
  let backend: Backend | undefined;
  try {
    backend = await createBackend({ backend: kind, warn: () => undefined });
    await train(backend);
    return { name: backend.name, threads: backend.capabilities.threads, works: true };
  } catch (error) {
    const trouble = error instanceof Error ? error.message : String(error);
    return {
      name: backend?.name ?? kind,
      threads: backend?.capabilities.threads ?? 0,
      works: false,
      trouble,
    };
  } finally {
    await backend?.close();
  }
}

/** A few steps of an LSTM, which must lower its loss. */
async function train(backend: Backend): Promise<void> {
  const model = sequential([layers.lstm({ units: 8, inputShape: [4, 2] }), layers.dense({ units: 1 })], {
    seed: 1,
    backend,
  });
  model.compile({ optimizer: "adam", loss: "meanSquaredError" });
  model.learningRate = 0.05;
  const x = tensor(
    Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
    [8, 4, 2],
  );
  const y = tensor(
    Float32Array.from({ length: 8 }, (_, i) => Math.cos(i)),
    [8, 1],
  );
  const losses: number[] = [];
  for (let i = 0; i < 20; i++) losses.push((await model.trainOnBatch(x, y))[0]);
  const [first = Number.NaN, last = Number.NaN] = [losses[0], losses.at(-1)];
  if (!(last < first)) throw new Error(`a training on it went from a loss of ${first} to ${last}`);
}

function text(found: Findings): string {
  const { environment, native, wasm } = found;
  const state = ({ name, threads, works, trouble }: Checked) =>
    works ? `${name}: works` : `${name}${threads > 0 ? `, ${threads} threads` : ""}: ${trouble}`;
  const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return [
    `Rondo ${found.rondo}, Node ${found.node}, ${found.platform}`,
    `${found.processor}, ${found.cores} ${found.cores === 1 ? "core" : "cores"}, ${found.memoryGiB} GiB`,
    ...(set.length === 0 ? [] : [`Environment: ${set.join(", ")}`]),
    "",
    "Backends:",
    `  ${state(native)}`,
    `  ${state(wasm)}`,
    `  Used where none is asked for: ${found.used}`,
    "",
    `Reports: ${found.reports ? "drawn with Vega" : `none, as Vega is not installed: ${howToDraw}`}`,
    "",
    "Data sets:",
    setsTable(found.dataSets),
  ].join("\n");
}
