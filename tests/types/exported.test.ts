import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

// The compiler writes a declaration only where it can name every type of it through the package's entry points.
const module = `
import { createBackend, fields, layers, losses, metrics, optimizers, callbacks, ops, sequential, tensor, defineLayer } from "rondo";
import { mnist } from "rondo/datasets";
import { decodeSafetensors } from "rondo/formats";
import { classification } from "rondo/report";
export const all = layers;
export const { lstm, gru, dense, bidirectional, rnn, activation } = layers;
export const encoder = layers.bidirectional({ layer: layers.lstm({ units: 3, inputShape: [4, 5] }) });
export const stack = layers.rnn({ cell: layers.stackedRNNCells({ cells: [layers.gruCell({ units: 3 })] }) });
export const model = sequential([layers.gru({ units: 3 }), layers.dense({ units: 2 })]);
export const config = model.config();
export const [history, figures, prediction, inner] = [model.fit([1], [1]), model.evaluate([1], [1]), model.predict([1]), model.layers];
export const [input, memory, weights] = [model.inputShape, model.memory({}), model.getWeights()];
export const values = tensor([1, 2]).array();
export const [adam, sgd, rmsprop] = [optimizers.adam(), optimizers.sgd(), optimizers.rmsprop()];
export const [loss, metric, stop] = [losses.meanSquaredError(), metrics.binaryAccuracy(), callbacks.earlyStopping()];
export const definition = defineLayer("Scale", { by: fields.real(1) });
export const [backend, multiply, decode, digits, figuresOf] = [createBackend({}), ops.matMul, decodeSafetensors, mnist(), classification];
`;

it("names every type that a maker gives, for a module that exports it", { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "rondo-types-"));
  try {
    await mkdir(join(folder, "node_modules"));
    await symlink(root, join(folder, "node_modules", "rondo"), "dir");
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(join(folder, "module.ts"), module);
    const settings = ["--module", "nodenext", "--target", "es2023", "--strict", "--declaration"];
    const types = ["--types", "node", "--typeRoots", join(root, "node_modules/@types")];
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, "module.ts", ...settings, ...types], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(stdout).toBe("");
  } finally {
    await rm(folder, { recursive: true });
  }
});
