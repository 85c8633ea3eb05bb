import { RondoError } from "../errors.js";
import { openWorker } from "../runtime/platform.browser.js";
import type { WorkerThread } from "../runtime/platform.js";
import { fetchBytes } from "./address.js";

/** Starts the worker that reads and writes files. */
export const startFileWorker = (): WorkerThread =>
  openWorker(
    "file worker",
    "file.worker.browser.js",
    () => new Worker(new URL("./file.worker.browser.js", import.meta.url), { type: "module" }),
  );

/** The bytes at an address, relative to the page. */
export const readBytes = (address: string): Promise<Uint8Array> =>
  fetchBytes(address, {
    expected: "a file that the page may fetch",
    fix: "Check the address, or give the bytes or a Blob",
  });

/** A page has no files. */
export const exists = async (_path: string): Promise<boolean> => false;

/** A page has no files to write. */
export async function writeBytes(path: string, _bytes: Uint8Array): Promise<void> {
  throw new RondoError({
    where: `write ${path}`,
    received: "a path in a page",
    expected: "no path: pages write no files",
    fix: "Take the bytes: const bytes = await model.save(), and offer them as a download or keep them in IndexedDB",
  });
}
