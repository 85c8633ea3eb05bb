import { RondoError, within } from "../errors.js";
import type { Backend } from "./backend.js";
import { threadsRefused } from "./fault.js";
import { Heap } from "./heap.js";
import { Instance } from "./instance.js";
import { Jobs } from "./jobs.js";
import type { Platform, WasmSet, WorkerThread } from "./platform.js";
import { QueuedBackend } from "./queued.js";
import { WasmDriver } from "./wasm-driver.js";
import { WasmServer } from "./wasm-server.js";
import type { Broken, Message } from "./wasm-worker.js";

const pageBytes = 65536;
const initialPages = 16;
/** Of every further thread; a task of the kernels may use half of it. */
const stackBytes = 262144;

/** Ends the workers of backends that were never closed: running workers are not garbage themselves. */
const dropped = new FinalizationRegistry<WasmDriver>((driver) => driver.stop());

/**
 * A backend on WebAssembly. One worker owns the memory and runs; with more than one thread the memory is shared and
 * further workers compute with it. Rejects with a RondoError when they cannot start.
 *
 * @param most pages of 64 KiB that the memory may have
 */
export async function wasmBackend(
  platform: Platform,
  set: WasmSet,
  threads: number,
  most = 65536,
): Promise<Backend> {
  const workers: WorkerThread[] = [];
  const startWorker = () => {
    const worker = platform.startWorker();
    workers.push(worker);
    return worker;
  };
  try {
    const module = await platform.compile(threads > 1 ? `${set}-threads` : set);
    const space = threads > 1 ? sharedSpace(most) : { memory: undefined, pages: most };
    const server = new WasmServer(startWorker());
    server.post({ kind: "start", module, memory: space.memory, threads });
    const ready = await server.ready;

    const heap = new Heap(ready.heapBase, (space.pages - 1) * pageBytes);
    for (let i = 1; i < threads && space.memory !== undefined; i++) {
      const stack = heap.allocate(stackBytes) ?? 0;
      Instance.reach(space.memory, heap.top);
      const helper = startWorker();
      helper.listen(
        (message) => server.fail(new Error((message as Broken).reason)), // it has nothing else to say
        (error) => server.fail(error),
      );
      helper.post(
        { kind: "work", module, memory: space.memory, stackTop: stack + stackBytes } satisfies Message,
        [],
      );
    }
    const jobs = new Jobs();
    const capabilities = { vectorWidth: ready.vectorWidth, threads, synchronous: true };
    const driver = new WasmDriver({ platform, set, capabilities, workers, server, heap, jobs });
    const backend = new QueuedBackend(driver, jobs);
    dropped.register(backend, driver);
    return backend;
  } catch (cause) {
    await Promise.all(workers.map((worker) => worker.terminate()));
    if (cause instanceof RondoError) throw within("createBackend", cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    const where = "createBackend, wasm";
    throw new RondoError(
      /EAGAIN/.test(reason)
        ? threadsRefused(where, threads)
        : {
            where,
            received: `a failure to start (${reason})`,
            expected: "an engine that runs Rondo's workers",
            fix: "Free memory or lower threads; if it happens again, it is a defect of Rondo",
          },
      { cause },
    );
  }
}

/** A shared memory with as much address space as the engine grants. */
function sharedSpace(most: number): { memory: WebAssembly.Memory; pages: number } {
  for (let pages = most; ; pages /= 2) {
    try {
      return {
        memory: new WebAssembly.Memory({ initial: initialPages, maximum: pages, shared: true }),
        pages,
      };
    } catch (error) {
      if (pages <= 4096) throw error;
    }
  }
}
