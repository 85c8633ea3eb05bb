import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { RondoError } from "../errors.js";

/**
 * Writes a file so that a reader sees either the old content or all of the new one, even when the process is stopped
 * half-way: the content goes to a new file beside it, which then takes its name.
 *
 * @throws RondoError when the folder is missing or cannot be written to, or the disk is full
 */
export async function writeFileAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  try {
    const file = await open(beside, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw unwritable(`write ${path}`, dirname(path), error);
  }
}

/**
 * Makes a folder (and those above it) unless it exists, and makes sure that files can be written there: to be called
 * before hours of work whose result goes there.
 *
 * @returns whether the folder is new
 * @throws RondoError when that is not possible
 */
export async function prepareFolder(folder: string): Promise<boolean> {
  const trial = join(folder, `.${randomBytes(6).toString("hex")}`);
  try {
    const made = await makeFolder(folder);
    await (await open(trial, "wx")).close();
    await rm(trial);
    return made;
  } catch (error) {
    throw unwritable("output folder", folder, error);
  }
}

/**
 * Makes a folder and those above it, and says whether it had to; one that exists stays. (Node's own `recursive` never comes back where an existing
 * folder answers that it does not exist, as /proc does.)
 */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    if (codeOf(error) !== "ENOENT" || existsSync(dirname(folder))) throw error;
    await makeFolder(dirname(folder));
    return makeFolder(folder);
  }
}

/**
 * Reads a whole file; one that starts like gzip is unpacked.
 *
 * @throws RondoError when it cannot be read or unpacked
 */
export async function readWholeFile(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new RondoError(
      {
        where: `read ${path}`,
        received: codeOf(error) === "ENOENT" ? "no such file" : messageOf(error),
        expected: "a readable file",
        fix: "Check the path and the file's permissions",
      },
      { cause: error },
    );
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw new RondoError(
      {
        where: `read ${path}`,
        received: `a gzip file that cannot be unpacked (${messageOf(error)})`,
        expected: "a complete gzip file",
        fix: "Download the file again: it is truncated or damaged",
      },
      { cause: error },
    );
  }
}

function unwritable(where: string, folder: string, error: unknown): RondoError {
  const reasons: Record<string, string> = {
    EACCES: "no permission to write there",
    EPERM: "no permission to write there",
    EROFS: "a file system that is read-only",
    ENOENT: "a folder that does not exist",
    ENOTDIR: "a path with a file where a folder should be",
    EEXIST: "a path with a file where a folder should be",
    EISDIR: "a path that is a folder",
    ENOSPC: "a full disk",
    EDQUOT: "a full disk quota",
  };
  return new RondoError(
    {
      where,
      received: reasons[codeOf(error)] ?? messageOf(error),
      expected: `that files can be written in ${folder}`,
      fix: "Choose another folder, or change its permissions or free space",
    },
    { cause: error },
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
