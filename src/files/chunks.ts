import { readChunks } from "#files";
import { Breather } from "../breather.js";
import { RondoError, valueText } from "../errors.js";
import { chunksOfStream, unpacked } from "./streams.js";

/** Where bytes are: at a path (Node) or an address, in memory, in a Blob, or in what gives them piece by piece. */
export type ByteSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** How errors call a source. */
export const sourceName = (source: ByteSource): string => {
  if (typeof source === "string" || source instanceof URL) return String(source);
  return source instanceof Blob && "name" in source ? String(source.name) : "the file";
};

/**
 * The bytes of a source as they come, unpacked where they are packed with gzip. Nothing is read before it is asked for.
 *
 * @param where the operation, by which errors are named
 */
export const readSource = (where: string, source: ByteSource): AsyncGenerator<Uint8Array> =>
  unpacked(sourceName(source), opened(where, source));

function opened(where: string, source: ByteSource): AsyncIterable<Uint8Array> {
  if (typeof source === "string" || source instanceof URL) return readChunks(String(source));
  if (source instanceof Blob) return chunksOfStream(source.stream());
  if (source instanceof Uint8Array) return inMemory(source);
  if (source instanceof ArrayBuffer) return inMemory(new Uint8Array(source));
  if (source instanceof ReadableStream) return chunksOfStream(source);
  if (typeof source === "object" && source !== null && Symbol.asyncIterator in source) return source;
  throw new RondoError({
    where,
    received: valueText(source),
    expected: "a path, an address, bytes, a Blob, or a stream of bytes",
    fix: `Write for example ${where}("data.csv"); text that is in memory is new Blob([text])`,
  });
}

async function* inMemory(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  // In pieces between which the event loop turns: what is made of them takes time.
  const breather = new Breather();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield bytes.subarray(at, at + pieceBytes);
    const rest = breather.tick();
    if (rest !== undefined) await rest;
  }
}

const pieceBytes = 2 ** 16;
