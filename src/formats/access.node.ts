import { access } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { RondoError } from "../errors.js";
import type { WorkerThread } from "../runtime/platform.js";
import { openWorker } from "../runtime/platform.node.js";
import { readWholeFile, writeFiles } from "./files.js";

/** Starts the worker that reads and writes files. */
export const startFileWorker = (): WorkerThread => openWorker("formats/file.worker.node.js");

/** The bytes of a file; of an address that begins with http. */
export async function readBytes(address: string): Promise<Uint8Array> {
  if (!/^https?:/.test(address))
    return readWholeFile(address.startsWith("file:") ? fileURLToPath(address) : address);
  const response = await fetch(address).catch((cause: unknown) => {
    throw unreadable(address, cause instanceof Error ? cause.message : String(cause));
  });
  if (!response.ok) throw unreadable(address, `status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const unreadable = (address: string, received: string): RondoError =>
  new RondoError({
    where: `read ${address}`,
    received,
    expected: "a file at this address",
    fix: "Check the address, or download the file and give its path",
  });

/** Whether there is such a file. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Writes a file: beside its place, then under its name; a failure leaves what was there. */
export const writeBytes = (path: string, bytes: Uint8Array): Promise<void> =>
  writeFiles(dirname(path), { [basename(path)]: bytes });
