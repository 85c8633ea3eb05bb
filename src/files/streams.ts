import { RondoError } from "../errors.js";

/** What a web stream gives. Who stops early cancels it. */
export async function* chunksOfStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); next.value !== undefined; next = await reader.read())
      yield next.value;
  } finally {
    await reader.cancel();
  }
}

/** A web stream of what an iterator gives. */
const streamOfChunks = (chunks: AsyncIterator<Uint8Array>): ReadableStream<BufferSource> =>
  new ReadableStream<BufferSource>({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    async cancel() {
      await chunks.return?.();
    },
  });

/**
 * The bytes themselves; where they begin like gzip, what is packed in them.
 *
 * @param name of the file, in errors
 */
export async function* unpacked(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  /** What was read to see how the file begins. */
  const begin: Uint8Array[] = [];
  try {
    for (let length = 0; length < 2; ) {
      const next = await iterator.next();
      if (next.done === true) break;
      begin.push(next.value);
      length += next.value.length;
    }
    const all = rejoined(begin, iterator);
    const [first, second] = begin.flatMap((chunk) => [...chunk.subarray(0, 2)]);
    if (first !== 0x1f || second !== 0x8b) yield* all;
    else yield* chunksOfStream(streamOfChunks(all).pipeThrough(new DecompressionStream("gzip")));
  } catch (error) {
    throw error instanceof RondoError ? error : damagedGzip(name, error);
  } finally {
    await iterator.return?.();
  }
}

async function* rejoined(
  begin: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* begin;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** The error for a file that begins like gzip and is none, or not all of one. */
export const damagedGzip = (name: string, error: unknown): RondoError =>
  new RondoError(
    {
      where: `read ${name}`,
      received: `a gzip file that cannot be unpacked (${error instanceof Error ? error.message : String(error)})`,
      expected: "a complete gzip file",
      fix: "Download the file again: it is truncated or damaged",
    },
    { cause: error },
  );
