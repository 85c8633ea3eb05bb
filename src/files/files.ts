import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { RondoError } from "../errors.js";
import { damagedGzip } from "./streams.js";

/**
 * Writes the files of one result into a folder, which is made (with those above it) when missing. When all lie complete
 * beside their places, files of these names that were there are moved aside, the new ones take their names, and the old
 * ones are deleted. A failure puts everything back, so that a folder never holds files of both. A file that comes alone takes
 * its name in one step. Files and names are on the disk when this resolves, whatever becomes of the machine.
 *
 * @throws RondoError when the folder cannot be made or written to, a name is taken by a folder, or the disk is full
 */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  const mark = randomBytes(6).toString("hex");
  const written = Object.entries(files).map(([name, content]) => ({
    path: join(folder, name),
    beside: join(folder, `.${name}.${mark}`),
    aside: join(folder, `.${name}.${mark}.old`),
    content,
  }));
  /** What takes back the steps so far, in their order. */
  const undo: (() => Promise<void>)[] = [];
  try {
    await makeFolder(folder);
    await requireNoFolders(folder, Object.keys(files));
    for (const { beside, content } of written) {
      undo.push(() => rm(beside, { force: true }));
      const file = await open(beside, "wx");
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    for (const { path, aside } of written) {
      if (written.length === 1 || !existsSync(path)) continue;
      await rename(path, aside);
      undo.push(() => rename(aside, path));
    }
    for (const { path, beside } of written) {
      await rename(beside, path);
      undo.push(() => rm(path, { force: true }));
    }
    await syncFolder(folder);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => undefined);
    throw unwritable(`write ${folder}`, folder, error);
  }
  for (const { aside } of written) await rm(aside, { force: true }).catch(() => undefined);
}

/** Brings the names in a folder to the disk. Windows does that by itself, and opens no folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const opened = await open(folder, "r");
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/**
 * Makes sure that files of these names can be written in a folder, there or not yet, and leaves everything as it was: to
 * be called before hours of work whose result goes there.
 *
 * @throws RondoError when that is not possible
 */
export async function checkFolder(folder: string, names: readonly string[] = []): Promise<void> {
  const trial = join(folder, `.${randomBytes(6).toString("hex")}`);
  const made: string[] = [];
  try {
    await makeFolder(folder, made);
    await requireNoFolders(folder, names);
    await (await open(trial, "wx")).close();
    await rm(trial);
  } catch (error) {
    throw unwritable("output folder", folder, error);
  } finally {
    // One that is not empty is somebody else's by now.
    for (const path of made.reverse()) await rmdir(path).catch(() => undefined);
  }
}

async function requireNoFolders(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isDirectory() === true)
      throw Object.assign(new Error(`a folder in the place of ${name}`), { code: "EISDIR" });
  }
}

/**
 * Makes a folder and those above it, and adds those that it had to make to `made`, outermost first; one that exists
 * stays. (Node's own `recursive` never comes back where an existing folder answers that it does not exist, as /proc does.)
 */
export async function makeFolder(folder: string, made: string[] = []): Promise<void> {
  try {
    await mkdir(folder);
    made.push(folder);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    if (codeOf(error) !== "ENOENT" || existsSync(dirname(folder))) throw error;
    await makeFolder(dirname(folder), made);
    await makeFolder(folder, made);
  }
}

/**
 * Reads a whole file; one that starts like gzip is unpacked.
 *
 * @throws RondoError when it cannot be read or unpacked
 */
export async function readWholeFile(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw damagedGzip(path, error);
  }
}

const unread: Readonly<Record<string, string>> = { ENOENT: "no such file", EISDIR: "a folder" };

/** The error for a file that the system does not let be read. */
export const unreadable = (path: string, error: unknown): RondoError =>
  new RondoError(
    {
      where: `read ${path}`,
      received: unread[codeOf(error)] ?? messageOf(error),
      expected: "a readable file",
      fix: "Check the path and the file's permissions",
    },
    { cause: error },
  );

/** The error for a folder that the system does not let be written. */
export function unwritable(where: string, folder: string, error: unknown): RondoError {
  const reasons: Record<string, string> = {
    EACCES: "no permission to write there",
    EPERM: "no permission to write there",
    EROFS: "a file system that is read-only",
    ENOENT: "a folder that does not exist",
    ENOTDIR: "a path with a file where a folder should be",
    EEXIST: "a path with a file where a folder should be",
    ENOSPC: "a full disk",
    EDQUOT: "a full disk quota",
    EFBIG: "a file that is larger than the system allows",
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
