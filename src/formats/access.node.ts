import { access } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerThread } from "../runtime/platform.js";
import { openWorker } from "../runtime/platform.node.js";
import { fetchBytes } from "./address.js";
import { readWholeFile, writeFiles } from "./files.js";

/** Starts the worker that reads and writes files. */
export const startFileWorker = (): WorkerThread => openWorker("formats/file.worker.node.js");

/** The bytes of a file; of an address that begins with http. */
export function readBytes(address: string): Promise<Uint8Array> {
  if (/^https?:/.test(address)) {
    return fetchBytes(address, {
      expected: "a file at this address",
      fix: "Check the address, or download the file and give its path",
    });
  }
  return readWholeFile(address.startsWith("file:") ? fileURLToPath(address) : address);
}

/** Whether there is such a file. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Writes a file: beside its place, then under its name; a failure leaves what was there. */
export const writeBytes = (path: string, bytes: Uint8Array): Promise<void> =>
  writeFiles(dirname(path), { [basename(path)]: bytes });
