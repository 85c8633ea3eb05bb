import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { namesOf, RondoError } from "../errors.js";
import { unreadable, writeFiles } from "../files/files.js";
import type { DataFile, DataSet } from "./sets.js";

/** Where a data set is looked for. */
export interface LocateOptions {
  /**
   * A folder with the set's files, or with files of one's own of the same names and form. Left out: the folder of the set's
   * name in the folder that the environment variable RONDO_DATA names; then the one in the cache, which is `rondo` in
   * XDG_CACHE_HOME or in `~/.cache`. What is in neither is downloaded into the cache.
   */
  readonly data?: string | undefined;
  /** Ends a download. */
  readonly signal?: AbortSignal | undefined;
}

export const locateNames = namesOf<LocateOptions>({ data: true, signal: true });

/**
 * The paths of a set's files, in the order of `set.files`. What is downloaded lies complete and checked in the cache, or not at
 * all; what lies in the cache is checked each time, what lies in a folder of one's own is not.
 *
 * @throws RondoError, which says which file from which address goes where, when one is not there and cannot be downloaded;
 *   where the SHA-256 of a file that was downloaded is not the published one
 */
export async function locate(set: DataSet, options: LocateOptions = {}): Promise<string[]> {
  const paths: string[] = [];
  for (const file of set.files) paths.push(await located(set, file, options));
  return paths;
}

async function located(set: DataSet, file: DataFile, { data, signal }: LocateOptions): Promise<string> {
  const found = find(set, file, data);
  if (found !== undefined && !found.isCached) return found.path;
  if (data !== undefined) {
    const folder = resolve(data);
    throw new RondoError({
      where: set.name,
      received: existsSync(folder)
        ? `the folder ${folder} without ${file.name}`
        : `the folder ${folder}, which does not exist`,
      expected: `${set.files.map(({ name }) => name).join(" and ")} in it`,
      fix: `${howToGet(file, join(folder, file.name))}, or leave the folder out`,
    });
  }
  const target = join(cacheFolder(set), file.name);
  if (found !== undefined) {
    const bytes = await readFile(target).catch((error: unknown) => {
      throw unreadable(target, error);
    });
    requireSame(set, file, bytes, target, `Delete ${target}, so that it is downloaded again`);
    return target;
  }
  try {
    const bytes = await download(file, signal);
    requireSame(set, file, bytes, file.address, howToGet(file, target));
    await writeFiles(cacheFolder(set), { [file.name]: bytes });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RondoError && error.where === set.name) throw error;
    throw new RondoError(
      {
        where: set.name,
        received: `no ${file.name} in ${placesOf(set).join(" or ")}, and a download that failed: ${reasonOf(error)}`,
        expected: "the published file",
        fix: `${howToGet(file, target)}, or set RONDO_DATA to the folder in which ${set.name}/${file.name} is`,
      },
      { cause: error },
    );
  }
  return target;
}

/** A set's file where it is now. */
export function find(
  set: DataSet,
  file: DataFile,
  data?: string,
): { readonly path: string; readonly isCached: boolean } | undefined {
  const folders = data === undefined ? placesOf(set) : [resolve(data)];
  const path = folders.map((folder) => join(folder, file.name)).find(existsSync);
  if (path === undefined) return undefined;
  return { path, isCached: data === undefined && path === join(cacheFolder(set), file.name) };
}

/** Which file from which address goes where, in a sentence without its full stop. */
export const howToGet = ({ address, bytes, sha256 }: DataFile, target: string): string =>
  `Download ${address} (${bytes.toLocaleString("en")} bytes, SHA-256 ${sha256}) and put it at ${target}`;

/** Where a set is put. */
export const cacheFolder = ({ name }: DataSet): string =>
  join(environment("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "rondo", name);

/** The folders in which a set may be, the first choice first. */
function placesOf(set: DataSet): string[] {
  const own = environment("RONDO_DATA");
  return [...(own === undefined ? [] : [resolve(own, set.name)]), cacheFolder(set)];
}

/** A variable of the environment; one that is empty is none. */
const environment = (name: string): string | undefined => process.env[name] || undefined;

async function download({ address }: DataFile, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const response = await fetch(address, { signal: signal ?? null });
  if (!response.ok) throw new Error(`status ${response.status} of ${address}`);
  return new Uint8Array(await response.arrayBuffer());
}

function requireSame(
  set: DataSet,
  { name, bytes: size, sha256 }: DataFile,
  bytes: Uint8Array,
  place: string,
  fix: string,
): void {
  const sum = createHash("sha256").update(bytes).digest("hex");
  if (sum === sha256) return;
  throw new RondoError({
    where: set.name,
    received: `${name} of ${bytes.length.toLocaleString("en")} bytes with the SHA-256 ${sum} from ${place}`,
    expected: `the published file of ${size.toLocaleString("en")} bytes with the SHA-256 ${sha256}`,
    fix,
  });
}

/** An error in a phrase; those of `fetch` say what they mean in their cause. */
function reasonOf(error: unknown): string {
  if (error instanceof RondoError) return `${error.where}: ${error.received}`;
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
}
