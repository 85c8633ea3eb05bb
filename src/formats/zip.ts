import { inflateSync, zipSync } from "fflate";
import { RondoError } from "../errors.js";

/** A part of a zip archive, as its directory describes it. */
interface Entry {
  readonly method: number;
  readonly encrypted: boolean;
  readonly checksum: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes unpacked. */
  readonly size: number;
  /** Where its local header begins. */
  readonly begin: number;
}

/** Signatures, little-endian. */
const marks = { local: 0x04034b50, directory: 0x02014b50, end: 0x06054b50 };
const lengths = { local: 30, directory: 46, end: 22 };

/** What may be unpacked however little is stored; beyond it, no more than `expansion` times what is stored. */
const freeBytes = 64 * 2 ** 20;
const expansion = 100;

/**
 * Parts of a zip archive by name, unpacked and held against their checksums; names that are not there are left out.
 * Nothing but these names is looked at. (Source: APPNOTE.TXT, PKWARE, sections 4.3 to 4.5.)
 *
 * @param names the parts to read
 * @param file what errors call the archive
 * @throws RondoError for another format, a truncated or damaged archive, a part that is there twice, is encrypted or
 *   unpacks to far more than is stored, and archives of 4 GB and more
 */
export function readZip(bytes: Uint8Array, names: readonly string[], file: string): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { entries, end } = readDirectory(view, file);
  const parts = new Map<string, Uint8Array>();
  for (const name of names) {
    const [entry, second] = entries.get(name) ?? [];
    if (entry === undefined) continue;
    if (second !== undefined) throw damaged(file, `two parts called ${name}`);
    parts.set(name, unpack(view, entry, end, `${name} in ${file}`));
  }
  return parts;
}

/** The entries by name, and where the data must end: at the directory. */
function readDirectory(view: DataView, file: string): { entries: Map<string, Entry[]>; end: number } {
  const last = endRecord(view, file);
  const count = view.getUint16(last + 10, true);
  const size = view.getUint32(last + 12, true);
  const begin = view.getUint32(last + 16, true);
  if (count === 0xffff || size === 0xffffffff || begin === 0xffffffff) {
    throw new RondoError({
      where: `read ${file}`,
      received: "a zip64 archive",
      expected: "one of less than 4 GB",
      fix: "Save the model in smaller pieces",
    });
  }
  if (begin + size > last) throw damaged(file, "a zip archive whose directory is not where it should be");
  const entries = new Map<string, Entry[]>();
  const decoder = new TextDecoder();
  let at = begin;
  for (let i = 0; i < count; i++) {
    if (at + lengths.directory > last || view.getUint32(at, true) !== marks.directory)
      throw damaged(file, "a zip archive with a damaged directory");
    const nameLength = view.getUint16(at + 28, true);
    const next =
      at + lengths.directory + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > last) throw damaged(file, "a zip archive with a damaged directory");
    const name = decoder.decode(
      new Uint8Array(view.buffer, view.byteOffset + at + lengths.directory, nameLength),
    );
    const entry: Entry = {
      encrypted: (view.getUint16(at + 8, true) & 1) !== 0,
      method: view.getUint16(at + 10, true),
      checksum: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      begin: view.getUint32(at + 42, true),
    };
    entries.set(name, [...(entries.get(name) ?? []), entry]);
    at = next;
  }
  return { entries, end: begin };
}

/** Where the end record begins: the last thing in the file but a comment. */
function endRecord(view: DataView, file: string): number {
  const length = view.byteLength;
  for (let at = length - lengths.end; at >= Math.max(0, length - lengths.end - 0xffff); at--) {
    const fits =
      view.getUint32(at, true) === marks.end && view.getUint16(at + 20, true) === length - at - lengths.end;
    if (fits) return at;
  }
  if (length >= 4 && view.getUint32(0, true) === marks.local)
    throw damaged(file, "a zip archive without its end (truncated)");
  const start = Array.from({ length: Math.min(4, length) }, (_, i) =>
    view.getUint8(i).toString(16).padStart(2, "0"),
  );
  throw new RondoError({
    where: `read ${file}`,
    received: length === 0 ? "an empty file" : `a file that starts with the bytes ${start.join(" ")}`,
    expected: "a zip archive, which starts with 50 4b 03 04",
    fix: 'Give the file that Keras\'s model.save("….keras") wrote',
  });
}

function unpack(view: DataView, entry: Entry, end: number, name: string): Uint8Array {
  const { begin, packed, size, method } = entry;
  if (begin + lengths.local > end || view.getUint32(begin, true) !== marks.local)
    throw damaged(name, "a part that is not where it should be");
  const first = begin + lengths.local + view.getUint16(begin + 26, true) + view.getUint16(begin + 28, true);
  if (first + packed > end) throw damaged(name, "a part that goes on beyond the archive");
  if (entry.encrypted || (method !== 0 && method !== 8)) {
    throw new RondoError({
      where: `read ${name}`,
      received: entry.encrypted ? "an encrypted part" : `compression method ${method}`,
      expected: "a part that is stored or deflated",
      fix: "Pack the archive again, as Keras does: zip -0",
    });
  }
  if (size > freeBytes && size > expansion * packed) {
    throw new RondoError({
      where: `read ${name}`,
      received: `${packed} bytes that are to become ${size}`,
      expected: `at most ${expansion} times as many bytes as are stored`,
      fix: "Do not trust the file: this is how archives are made that fill the memory",
    });
  }
  const stored = new Uint8Array(view.buffer, view.byteOffset + first, packed);
  const bytes = method === 0 ? stored : inflate(stored, size, name);
  if (bytes.length !== size) throw damaged(name, `${bytes.length} bytes where ${size} are announced`);
  if (crc32(bytes) !== entry.checksum) throw damaged(name, "data that does not fit its checksum");
  return bytes;
}

function inflate(stored: Uint8Array, size: number, name: string): Uint8Array {
  try {
    return inflateSync(stored, { out: new Uint8Array(size) });
  } catch (cause) {
    throw damaged(name, "compressed data that cannot be unpacked", cause);
  }
}

const damaged = (file: string, received: string, cause?: unknown): RondoError =>
  new RondoError(
    {
      where: `read ${file}`,
      received,
      expected: "a whole zip archive",
      fix: "Copy or download the file again",
    },
    cause === undefined ? {} : { cause },
  );

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The checksum of zip archives. */
function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    value = (crcTable[(value ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
  }
  return ~value >>> 0;
}

/** A zip archive of parts, stored uncompressed as Keras does and dated 1980, so that the same parts give the same bytes. */
export function writeZip(parts: Readonly<Record<string, Uint8Array>>): Uint8Array<ArrayBuffer> {
  // Read back in local time, so that it is the same date everywhere.
  const options = { level: 0, mtime: new Date(1980, 0, 1), os: 3, attrs: 0o600 << 16 } as const;
  return zipSync(Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, [bytes, options]])));
}
