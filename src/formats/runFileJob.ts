import { startFileWorker } from "#files";
import { Breather } from "../breather.js";
import { RondoError } from "../errors.js";
import type { FileJobKind, FileJobs, FileMessage, FileReply } from "./fileJob.js";

/** Bytes and where they go in the worker's block. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** How much is copied for the worker at a time: well below a millisecond. */
const pieceBytes = 2 ** 20;

/**
 * Does work on a file in a worker of its own, which ends with it. The caller's thread copies what the worker is to have,
 * in slices between which the event loop turns; it must stay as it is until the promise settles. Results come without a
 * copy.
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
  const worker = startFileWorker();
  try {
    let failed = false;
    const answer = new Promise<FileReply>((resolve, reject) => {
      worker.listen(
        (reply) => resolve(reply as FileReply),
        (error) => {
          failed = true;
          reject(error instanceof RondoError ? error : broken(where, error.message, error));
        },
      );
    });
    answer.catch(() => undefined); // it may come while pieces are on their way
    worker.hold(true);
    const post = (message: FileMessage, transfer: ArrayBuffer[] = []) => worker.post(message, transfer);
    const breather = new Breather();
    post({ size });
    for (const { bytes, offset } of pieces) {
      for (let at = 0; at < bytes.length && !failed; at += pieceBytes) {
        const piece = new Uint8Array(bytes.subarray(at, at + pieceBytes));
        post({ piece, offset: offset + at }, [piece.buffer]);
        const rest = breather.tick();
        if (rest !== undefined) await rest;
      }
    }
    post({ kind, job } as FileMessage);
    const reply = await answer;
    if ("refused" in reply) throw new RondoError(reply.refused);
    if ("broken" in reply) throw broken(where, reply.broken);
    return reply.result;
  } finally {
    await worker.terminate();
  }
}

const broken = (where: string, reason: string, cause?: Error): RondoError =>
  new RondoError(
    {
      where,
      received: `a failure of its worker (${reason})`,
      expected: "a whole file, and memory for several times its size",
      fix: "Copy the file again, or free memory",
    },
    cause === undefined ? {} : { cause },
  );
