import { RondoError } from "../errors.js";
import { fetchBytes, fetchChunks } from "./address.js";
import type { Numbered } from "./numbered.js";

const missing = {
  expected: "a file that the page may fetch",
  fix: "Check the address, or give the bytes or a Blob",
};

/** The bytes at an address, relative to the page. */
export const readBytes = (address: string): Promise<Uint8Array> => fetchBytes(address, missing);

/** The bytes at an address, relative to the page, as they come. */
export const readChunks = (address: string): AsyncGenerator<Uint8Array> => fetchChunks(address, missing);

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

/** A page has no folders. */
export async function numberedFiles(folder: string, _name: string, _ending: string): Promise<Numbered> {
  throw new RondoError({
    where: `write ${folder}`,
    received: "a folder in a page",
    expected: "Node: pages write no files",
    fix: "Leave out what writes there, and keep what model.save() gives, in IndexedDB for example",
  });
}
