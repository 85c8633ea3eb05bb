import { RondoError } from "../errors.js";

/**
 * The bytes at an address.
 *
 * @param expected what an error says that there should be, and how to mend it
 */
export async function fetchBytes(
  address: string,
  expected: { readonly expected: string; readonly fix: string },
): Promise<Uint8Array> {
  const refused = (received: string, cause?: unknown) =>
    new RondoError({ where: `read ${address}`, received, ...expected }, { cause });
  const response = await fetch(address).catch((cause: unknown) => {
    throw refused(cause instanceof Error ? cause.message : String(cause), cause);
  });
  if (!response.ok) throw refused(`status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
