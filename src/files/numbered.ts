/** Files of one kind in a folder, in the order of their numbers. */
export interface Numbered {
  readonly folder: string;
  /** Numbers of the files that are there, the smallest first. */
  numbers(): Promise<number[]>;
  pathOf(number: number): string;
  /** @throws RondoError where it cannot be read */
  read(number: number): Promise<Uint8Array>;
  /**
   * Writes a file: complete and on the disk, or not at all.
   *
   * @throws RondoError where it cannot be written; then the others are as they were
   */
  write(number: number, bytes: Uint8Array): Promise<void>;
  /** The same for a file of another name in the folder. */
  writeNamed(name: string, bytes: Uint8Array): Promise<void>;
  /** Takes a file away where it is there. */
  remove(number: number): Promise<void>;
}
