// How a process fares that holds a backend: each case is a child process on the built library.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { describeWith, nativeAddon, type Requirement } from "../machine.js";

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
    entries: { main: { begin: 0, end: encoder.length, writes: "nothing" } },
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

    it("stays until its close is done, whatever comes meanwhile", async () => {
      const script = `
        const state = backend.allocate(64);
        for (let i = 0; i < 20; i++) {
          const executable = backend.load(slow);
          if (i === 0) await executable.prepareSync(state);
        }
        await backend.close();
        console.log("closed");
      `;
      for (let i = 0; i < 3; i++) expect(await child(options, script)).toBe("closed");
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

    it.runIf(process.platform === "linux")("gets the threads back of backends that are garbage", async () => {
      const script = `
        const { readFile } = await import("node:fs/promises");
        const threads = async () =>
          Number(/^Threads:\\s*(\\d+)$/m.exec(await readFile("/proc/self/status", "utf8"))[1]);
        const before = await threads();
        const use = async () => {
          const other = await createBackend(${JSON.stringify(options)});
          other.load(slow);
          await other.allocate(8).read(0, new Uint8Array(1));
        };
        for (let i = 0; i < 3; i++) await use();
        const made = (await threads()) - before;
        for (let i = 0; i < 500 && (await threads()) > before; i++) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        console.log(made > 0, (await threads()) - before);
        await runSlow();
      `;
      expect(await child(options, script, ["--expose-gc"])).toBe("true 0");
    });
  });
}

const prlimit: Requirement = {
  name: "prlimit",
  path: ["/usr/bin/prlimit", "/bin/prlimit"].find(existsSync),
  howToGetIt: "install util-linux (Linux only)",
};

/**
 * Leaves the process address space for some of the stacks of 256 threads, 1 MiB each. (A limit of processes would not
 * hold for root, and who becomes somebody else may not be let into the folder of the library.)
 */
const noMoreThreads = `
  const { execFileSync } = await import("node:child_process");
  const { readFileSync } = await import("node:fs");
  const used = 1024 * Number(/^VmSize:\\s*(\\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  execFileSync("prlimit", ["--pid", String(process.pid), "--as=" + (used + 128 * 2 ** 20)]);
`;

describeWith(nativeAddon, "a process with a native backend", () => {
  describeProcess("of one thread", { backend: "native", threads: 1 });
  describeProcess("of two threads", { backend: "native", threads: 2 });

  describeWith(prlimit, "and without room for more threads", () => {
    it("refuses another backend, and goes on with the one it has", async () => {
      const script = `${noMoreThreads}
        const error = await createBackend({ backend: "native", threads: 256 }).catch((error) => error);
        console.log(error.name, error.received);
        console.log(error.fix);
        await runSlow();
        console.log("ran");
      `;
      expect((await child({ backend: "native", threads: 2 }, script)).split("\n")).toEqual([
        "RondoError threads 256, of which the system refused one",
        "Lower threads (or RONDO_THREADS), or raise the system's limit of processes (ulimit -u)",
        "ran",
      ]);
    });
  });
});

describe("a process with a wasm backend", () => {
  describeProcess("of one thread", { backend: "wasm", threads: 1 });
  describeProcess("of two threads", { backend: "wasm", threads: 2 });

  describe.each([1, 2])("of %s threads, whose memory may not grow beyond 128 MiB", (threads) => {
    const options = { backend: "wasm", threads };
    const flags = ["--wasm-max-mem-pages=2048", "--expose-gc"];
    /** Programs that need so much scratch, cache and constants; words for what becomes of runs. */
    const common = `
      const state = backend.allocate(64);
      const of = (sizes) => backend.load({ ...slow, ...sizes, buffers: [], words: new Int32Array(0),
        entries: { main: { begin: 0, end: 0, writes: "nothing" } } });
      const small = of({ scratchBytes: 1000 });
      const use = (program, memory = state) =>
        program.run({ entry: "main", state: memory, inputs: [], outputs: [] });
      const tell = async (...jobs) => console.log(...(await Promise.allSettled(jobs)).map((job) =>
        job.status === "fulfilled" ? "ok" : job.reason.name === "RondoError" ? "refused" : job.reason));
      const read = (memory) => memory.read(0, new Uint8Array(8));
    `;

    it("fails a run that does not fit, and no other, before, beside and after it", async () => {
      const script = `${common}
        const large = of({ scratchBytes: 200 * 2 ** 20 });
        await tell(use(small), use(large), use(small), read(state), use(large));
        await tell(use(small), use(of({ scratchBytes: 50 * 2 ** 20 })), read(backend.allocate(1000)), use(small));
        await small.prepareSync(state);
        for (const program of [large, small]) {
          try {
            program.runSync({ entry: "main", state, inputs: [], outputs: [] });
            console.log("ok");
          } catch (error) {
            console.log(error.name, error.fix);
          }
        }
      `;
      expect((await child(options, script, flags)).split("\n")).toEqual([
        "ok refused ok ok refused",
        "ok ok ok ok",
        "RondoError Use a smaller model or batchSize, or free memory on the machine",
        "ok",
      ]);
    });

    it("fails the jobs on a state that does not fit, and gives its room back", async () => {
      const script = `${common}
        const large = backend.allocate(200 * 2 ** 20);
        await tell(read(large), large.write(0, new Uint8Array(8)), use(small, large));
        const next = backend.allocate(50 * 2 ** 20);
        await tell(read(large), use(small, large), read(next), use(small, next), use(small));
        const zeros = new Uint8Array(50 * 2 ** 20).fill(1);
        await next.read(0, zeros);
        console.log(zeros.every((byte) => byte === 0));
      `;
      expect((await child(options, script, flags)).split("\n")).toEqual([
        "refused refused refused",
        "refused refused ok ok ok",
        "true",
      ]);
    });

    it("fails the runs of a program that does not fit, and gives its room back", async () => {
      const script = `${common}
        const large = of({ cacheBytes: 200 * 2 ** 20 });
        await tell(use(large), use(large));
        await tell(use(large), use(of({ cacheBytes: 50 * 2 ** 20 })), use(small));
      `;
      expect((await child(options, script, flags)).split("\n")).toEqual(["refused refused", "refused ok ok"]);
    });
  });
});
