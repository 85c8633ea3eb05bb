import { startFileWorker } from "#fileWorker";
import { Breather } from "../breather.js";
import { RondoError } from "../errors.js";
import type { WorkerThread } from "../runtime/platform.js";
import type { FileJobKind, FileJobs, FileMessage, FileReply } from "./fileJob.js";

/** Bytes and where they go in the worker's block. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** How much is copied for the worker at a time: well below a millisecond. */
const pieceBytes = 2 ** 20;

/** How long a worker waits for its next job, ms: to start one costs a third of a second of a core. */
const patience = 5_000;
/** A worker keeps the memory of the largest file that it has seen, so beyond this it does not wait. */
const mostKept = 32 * 2 ** 20;

/** The worker that waits. Like every other, it has nothing left of what it did before. */
let waiting: FileThread | undefined;

/** A worker on the caller's side, with one job at a time. */
class FileThread {
  readonly #thread: WorkerThread;
  #settle: { resolve(reply: FileReply): void; reject(error: Error): void } | undefined;
  #failure: Error | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#thread = startFileWorker();
    this.#thread.listen(
      (reply) => this.#settle?.resolve(reply as FileReply),
      (error) => {
        this.#failure = error;
        this.#settle?.reject(error);
      },
    );
  }

  static take(): FileThread {
    const taken = waiting;
    waiting = undefined;
    if (taken === undefined || taken.#failure !== undefined) return new FileThread();
    clearTimeout(taken.#timer);
    return taken;
  }

  async run(message: FileMessage, size: number, pieces: Iterable<Piece>): Promise<FileReply> {
    const answer = new Promise<FileReply>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    answer.catch(() => undefined); // it may come while pieces are on their way
    this.#thread.hold(true);
    const post = (message: FileMessage, transfer: ArrayBuffer[] = []) => this.#thread.post(message, transfer);
    const breather = new Breather();
    post({ size });
    for (const { bytes, offset } of pieces) {
      for (let at = 0; at < bytes.length && this.#failure === undefined; at += pieceBytes) {
        const piece = new Uint8Array(bytes.subarray(at, at + pieceBytes));
        post({ piece, offset: offset + at }, [piece.buffer]);
        const rest = breather.tick();
        if (rest !== undefined) await rest;
      }
    }
    post(message);
    return await answer;
  }

  /** Waits for another job, unless another waits. */
  rest(): void {
    this.#settle = undefined;
    this.#thread.hold(false);
    waiting?.end();
    waiting = this;
    this.#timer = setTimeout(() => {
      waiting = undefined;
      this.end();
    }, patience);
    const { unref } = this.#timer as { unref?(): void };
    unref?.call(this.#timer); // what Node does not wait for
  }

  end(): void {
    clearTimeout(this.#timer);
    void this.#thread.terminate();
  }
}

/**
 * Does work on a file in a worker. The caller's thread copies what the worker is to have, in slices between which the
 * event loop turns; it must stay as it is until the promise settles. Results come without a copy.
 *
 * @param where what the work is called in an error of the worker itself
 * @param size of the worker's block; `pieces`: what is in it
 * @throws RondoError what the work refuses, and where the worker does not start or breaks
 */
export async function runFileJob<K extends FileJobKind>(
  where: string,
  kind: K,
  job: FileJobs[K]["job"],
  size: number,
  pieces: Iterable<Piece>,
): Promise<FileJobs[K]["result"]> {
  const thread = FileThread.take();
  let reply: FileReply;
  try {
    reply = await thread.run({ kind, job } as FileMessage, size, pieces);
  } catch (error) {
    thread.end();
    if (error instanceof RondoError) throw error;
    throw broken(where, error instanceof Error ? error.message : String(error), error);
  }
  if ("result" in reply) {
    if (size <= mostKept) thread.rest();
    else thread.end();
    return reply.result;
  }
  thread.end(); // HDF5 may not have cleared away what it could not read
  throw "refused" in reply ? new RondoError(reply.refused) : broken(where, reply.broken);
}

const broken = (where: string, reason: string, cause?: unknown): RondoError =>
  new RondoError(
    {
      where,
      received: `a failure of its worker (${reason})`,
      expected: "a whole file, and memory for several times its size",
      fix: "Copy the file again, or free memory",
    },
    cause === undefined ? {} : { cause },
  );
