import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkFolder, makeFolder, readWholeFile, unwritable, writeFiles } from "./files.js";
import type { Numbered } from "./numbered.js";

/** Digits of a number in a name: names then have the order of their numbers. */
const digits = 6;

/** Numbered files in a folder of the file system. */
export class NumberedFiles implements Numbered {
  readonly folder: string;
  readonly #name: string;
  readonly #ending: string;

  private constructor(folder: string, name: string, ending: string) {
    this.folder = folder;
    this.#name = name;
    this.#ending = ending;
  }

  /**
   * Makes the folder, and clears away what a process that was killed left beside its places.
   *
   * @throws RondoError where files cannot be written there
   */
  static async open(folder: string, name: string, ending: string): Promise<NumberedFiles> {
    await checkFolder(folder);
    const left = new RegExp(`^\\.${name}-\\d+\\.${ending}\\.[0-9a-f]+$`);
    const files = new NumberedFiles(folder, name, ending);
    await files.#changed(async () => {
      await makeFolder(folder);
      for (const file of await readdir(folder))
        if (left.test(file)) await rm(join(folder, file), { force: true });
    });
    return files;
  }

  async numbers(): Promise<number[]> {
    const own = new RegExp(`^${this.#name}-(\\d+)\\.${this.#ending}$`);
    const names = await this.#changed(() => readdir(this.folder));
    const found = names.flatMap((file) => {
      const [, number] = own.exec(file) ?? [];
      return number === undefined ? [] : [Number(number)];
    });
    return found.sort((a, b) => a - b);
  }

  pathOf(number: number): string {
    return join(this.folder, this.#fileOf(number));
  }

  read(number: number): Promise<Uint8Array> {
    return readWholeFile(this.pathOf(number));
  }

  write(number: number, bytes: Uint8Array): Promise<void> {
    return this.writeNamed(this.#fileOf(number), bytes);
  }

  writeNamed(name: string, bytes: Uint8Array): Promise<void> {
    return writeFiles(this.folder, { [name]: bytes });
  }

  remove(number: number): Promise<void> {
    return this.#changed(() => rm(this.pathOf(number), { force: true }));
  }

  /** Work on the folder, with its errors in words. */
  #changed<R>(work: () => Promise<R>): Promise<R> {
    return work().catch((error: unknown) => {
      throw unwritable(`write ${this.folder}`, this.folder, error);
    });
  }

  #fileOf(number: number): string {
    return `${this.#name}-${String(number).padStart(digits, "0")}.${this.#ending}`;
  }
}
