import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchBytes, fetchChunks } from "./address.js";
import { readWholeFile, unreadable, writeFiles } from "./files.js";
import type { Numbered } from "./numbered.js";
import { NumberedFiles } from "./numbered.node.js";

const missing = {
  expected: "a file at this address",
  fix: "Check the address, or download the file and give its path",
};
const isAddress = (path: string): boolean => /^https?:/.test(path);
const pathOf = (path: string): string => (path.startsWith("file:") ? fileURLToPath(path) : path);

/** The bytes of a file; of an address that begins with http. */
export const readBytes = (path: string): Promise<Uint8Array> =>
  isAddress(path) ? fetchBytes(path, missing) : readWholeFile(pathOf(path));

/** How much of a file is read at a time. */
const chunkBytes = 2 ** 16;

/** The bytes of a file, or of an address that begins with http, as they come. */
export async function* readChunks(path: string): AsyncGenerator<Uint8Array> {
  if (isAddress(path)) {
    yield* fetchChunks(path, missing);
    return;
  }
  try {
    yield* createReadStream(pathOf(path), { highWaterMark: chunkBytes });
  } catch (error) {
    throw unreadable(path, error);
  }
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

/** The files of a folder whose names are numbered: `name-000001.ending`. Makes the folder, and makes sure that it can be written. */
export const numberedFiles = (folder: string, name: string, ending: string): Promise<Numbered> =>
  NumberedFiles.open(pathOf(folder), name, ending);
