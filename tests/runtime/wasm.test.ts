import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { platform } from "#platform";
import { RondoError } from "../../src/errors.js";
import type { WorkerThread } from "../../src/runtime/platform.js";
import { createBackend } from "../../src/runtime/select.js";
import { bitsOf, describeBackend } from "./backend.contract.js";
import { slow } from "./programs.js";

setFlagsFromString("--experimental-wasm-relaxed-simd"); // behind this flag in Node 20

for (const instructionSet of ["simd128", "relaxed-simd"]) {
  for (const threads of [1, 2]) {
    describeBackend(`wasm ${instructionSet}, threads ${threads}`, {
      backend: "wasm",
      instructionSet,
      threads,
    });
  }
}

describe("a wasm worker that breaks", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each([1, 2])("fails what is under way and all that comes later, with %s threads", async (threads) => {
    const failures: ((error: Error) => void)[] = [];
    const { startWorker } = platform;
    vi.spyOn(platform, "startWorker").mockImplementation(() => {
      const worker = startWorker();
      const listen: WorkerThread["listen"] = (message, error) => {
        failures.push(error);
        worker.listen(message, error);
      };
      return { ...worker, listen };
    });
    const backend = await createBackend({ backend: "wasm", threads });
    const state = backend.allocate(8);
    const reading = [state.read(0, new Uint8Array(1)), state.read(0, new Uint8Array(1))];
    failures.at(-1)?.(new Error("out of luck"));
    for (const read of reading)
      await expect(read).rejects.toThrow(/worker that broke \(out of luck\).*createBackend/);
    await expect(state.write(0, Uint8Array.of(1))).rejects.toThrow(/out of luck/);
    await backend.close();
  });

  it.each([1, 2])("does so too when it ends without a word, with %s threads", async (threads) => {
    const posting = vi.spyOn(Worker.prototype, "postMessage");
    const backend = await createBackend({ backend: "wasm", threads });
    const state = backend.allocate(8);
    await state.read(0, new Uint8Array(1));
    const running = backend.load(slow(40)).run({ entry: "main", state, inputs: [], outputs: [] });
    const last = threads === 1 ? posting.mock.contexts[0] : posting.mock.contexts[1]; // the one that runs, or its helper
    await (last as Worker).terminate();
    await expect(running).rejects.toThrow(/worker that broke \(it ended with exit code \d\)/);
    await expect(state.read(0, new Uint8Array(1))).rejects.toThrow(RondoError);
    expect(() => backend.allocate(8)).toThrow(/exit code/);
    await backend.close();
  });

  it("says nothing of workers that end because the backend is closed", async () => {
    const failures: Error[] = [];
    const { startWorker } = platform;
    vi.spyOn(platform, "startWorker").mockImplementation(() => {
      const worker = startWorker();
      return {
        ...worker,
        listen: (message) => worker.listen(message, (error) => failures.push(error)),
      };
    });
    const backend = await createBackend({ backend: "wasm", threads: 2 });
    await backend.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(failures).toEqual([]);
  });
});

describe("the number of threads", () => {
  it.each(["simd128", "relaxed-simd"])(
    "does not change a bit of the result on %s",
    async (instructionSet) => {
      const one = await bitsOf({ backend: "wasm", instructionSet, threads: 1 });
      for (const threads of [2, 3]) {
        expect(await bitsOf({ backend: "wasm", instructionSet, threads })).toEqual(one);
      }
    },
  );
});
