import { RondoError } from "../errors.js";

/** A file in an archive. */
export interface TarFile {
  /** With its folders: `txt_sentoken/neg/cv000_29416.txt`. */
  readonly name: string;
  /** A part of the archive's memory. */
  readonly bytes: Uint8Array;
}

/** An archive is made of blocks of this size: a header for each file, then its bytes, filled up with zeros. */
const block = 512;

/** Fields of a header: where they begin, and their sizes (POSIX.1-1988, ustar). */
const fields = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 5],
  prefix: [345, 155],
} as const;

/**
 * The files of a tar archive, without folders and links. Files with names of over 255 bytes, which formats after ustar can
 * hold, are refused.
 *
 * @param path of the archive, in errors
 * @throws RondoError where the archive ends within a file, or holds what is no header
 */
export function readTar(archive: Uint8Array, path: string): TarFile[] {
  const refused = (received: string, expected: string) =>
    new RondoError({
      where: `read ${path}`,
      received,
      expected,
      fix: "Download the file again: it is truncated or damaged",
    });
  const files: TarFile[] = [];
  for (let at = 0; ; ) {
    const header = archive.subarray(at, at + block);
    if (header.length < block)
      throw refused(
        `an archive that ends after ${archive.length} bytes`,
        "a header or two empty blocks there",
      );
    if (header.every((byte) => byte === 0)) return files;
    const size = octal(header, fields.size);
    if (Number.isNaN(size) || octal(header, fields.checksum) !== checksum(header))
      throw refused(`at byte ${at} what is no header`, "a tar archive");
    const type = textOf(header, fields.type);
    const name = nameOf(header);
    const begin = at + block;
    if (begin + size > archive.length)
      throw refused(`${archive.length - begin} bytes of ${name}`, `the ${size} that its header tells`);
    if (type === "" || type === "0") files.push({ name, bytes: archive.subarray(begin, begin + size) });
    else if (!ignored.includes(type)) throw refused(`an entry of type ${type}, ${name}`, "files and folders");
    at = begin + Math.ceil(size / block) * block;
  }
}

/** Links, devices, folders, and remarks on the whole archive. */
const ignored: readonly string[] = ["1", "2", "3", "4", "5", "6", "g"];

type Place = readonly [begin: number, size: number];

/** The text of a field, which ends at its first zero byte. */
function textOf(header: Uint8Array, [begin, size]: Place): string {
  const bytes = header.subarray(begin, begin + size);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function nameOf(header: Uint8Array): string {
  const prefix = textOf(header, fields.magic) === "ustar" ? textOf(header, fields.prefix) : "";
  return `${prefix === "" ? "" : `${prefix}/`}${textOf(header, fields.name)}`;
}

/** A number in octal digits; NaN where there is none. */
function octal(header: Uint8Array, place: Place): number {
  const digits = textOf(header, place).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** The sum of a header's bytes, its own field taken for spaces. */
function checksum(header: Uint8Array): number {
  const [begin, size] = fields.checksum;
  return header.reduce((sum, byte, i) => sum + (i >= begin && i < begin + size ? 32 : byte), 0);
}
