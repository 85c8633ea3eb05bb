// How a process fares that holds a backend: each case is a child process on the built library.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { describeWith, nativeAddon } from "../machine.js";

const library = new URL("../../dist/", import.meta.url);

/** Common to all children: `backend`, and `slow`, a program of many milliseconds. */
const preamble = (options: object) => `
  import { createBackend } from "${new URL("runtime/select.js", library).href}";
  import { Encoder } from "${new URL("plan/encode.js", library).href}";
  const backend = await createBackend(${JSON.stringify(options)});
  const encoder = new Encoder();
  const size = 2 ** 20;
  const vector = { buffer: 0, offset: 0, dtype: "float32", strides: [1] };
  encoder.loop(60, [], (body) => body.map({
    dims: [size], inputs: [vector], outputs: [{ ...vector, register: 1 }], steps: [{ op: "tanh", to: 1, args: [0] }],
  }));
  const slow = {
    name: "slow", words: encoder.words(), constants: new Uint8Array(),
    buffers: [{ region: "scratch", index: 0, offset: 0, bytes: 4 * size }],
    entries: { main: { begin: 0, end: encoder.length, writesState: false } },
    scratchBytes: 4 * size, cacheBytes: 0, stateBytes: 0, inputs: [], outputs: [],
  };
  const runSlow = () =>
    backend.load(slow).run({ entry: "main", state: backend.allocate(0), inputs: [], outputs: [] });
`;

/** Runs a script to its end; rejects when it fails or hangs. */
async function child(options: object, script: string, flags: readonly string[] = []): Promise<string> {
  const args = [...flags, "--input-type=module", "--eval", preamble(options) + script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 });
  return stdout.trim();
}

function describeProcess(name: string, options: object): void {
  describe(name, () => {
    it("ends while the backend is idle, without close()", async () => {
      const script = `await runSlow(); const kept = backend.allocate(1000); console.log("ran");`;
      expect(await child(options, script)).toBe("ran");
    });

    it("stays until what is under way is done", async () => {
      expect(await child(options, `runSlow(); runSlow().then(() => console.log("ran"));`)).toBe("ran");
    });

    it("ends at once by process.exit() in the middle of work", async () => {
      const script = `
        for (let i = 0; i < 1000; i++) runSlow();
        setTimeout(() => { console.log("leaving"); process.exit(0); }, 30);
      `;
      expect(await child(options, script)).toBe("leaving");
    });

    it("ends when a worker thread with a backend of its own ends", async () => {
      const script = `
        const { Worker, isMainThread } = await import("node:worker_threads");
        await runSlow();
        const code = ${JSON.stringify(`import(${JSON.stringify(new URL("runtime/select.js", library).href)})
          .then(({ createBackend }) => createBackend(${JSON.stringify(options)}))
          .then((backend) => backend.allocate(100).read(0, new Uint8Array(1)))
          .then(() => import("node:worker_threads"))
          .then(({ parentPort }) => parentPort.postMessage("read"))`)};
        const worker = new Worker(code, { eval: true });
        worker.on("message", (text) => console.log(text));
        worker.on("exit", () => runSlow().then(() => console.log("ran")));
      `;
      expect(await child(options, script)).toBe("read\nran");
    });

    it("gets its memory back from blocks and programs that are garbage", async () => {
      const script = `
        const data = new Uint8Array(4 * 2 ** 20).fill(1);
        const before = process.resourceUsage().maxRSS;
        for (let i = 0; i < 64; i++) {
          await backend.allocate(32 * 2 ** 20).write(0, data); // 2 GiB in all, at least 256 MiB touched
          backend.load(slow);
          gc();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        console.log((process.resourceUsage().maxRSS - before) / 1024);
      `;
      expect(Number(await child(options, script, ["--expose-gc"]))).toBeLessThan(160);
    });
  });
}

describeWith(nativeAddon, "a process with a native backend", () => {
  describeProcess("of one thread", { backend: "native", threads: 1 });
  describeProcess("of two threads", { backend: "native", threads: 2 });
});

describe("a process with a wasm backend", () => {
  describeProcess("of one thread", { backend: "wasm", threads: 1 });
  describeProcess("of two threads", { backend: "wasm", threads: 2 });
});
