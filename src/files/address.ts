import { RondoError } from "../errors.js";
import { chunksOfStream } from "./streams.js";

/** What an error says that there should be, and how to mend it. */
interface Expected {
  readonly expected: string;
  readonly fix: string;
}

/** The bytes at an address. */
export async function fetchBytes(address: string, expected: Expected): Promise<Uint8Array> {
  return new Uint8Array(await (await fetched(address, expected)).arrayBuffer());
}

/** The bytes at an address as they come. */
export async function* fetchChunks(address: string, expected: Expected): AsyncGenerator<Uint8Array> {
  const { body } = await fetched(address, expected);
  if (body !== null) yield* chunksOfStream(body);
}

async function fetched(address: string, expected: Expected): Promise<Response> {
  const refused = (received: string, cause?: unknown) =>
    new RondoError({ where: `read ${address}`, received, ...expected }, { cause });
  const response = await fetch(address).catch((cause: unknown) => {
    throw refused(cause instanceof Error ? cause.message : String(cause), cause);
  });
  if (!response.ok) throw refused(`status ${response.status}`);
  return response;
}
