import type { InputLine, PredictInput } from "rondo/recipe";

/** What a line holds as JSON; undefined where it is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Whether something is a number that float32 holds. */
export const isNumber = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(Math.fround(value));

/** A number that stands alone in a text; undefined where it is none that float32 holds. */
export function numberIn(text: string): number | undefined {
  const value = Number(text);
  return text.trim() !== "" && isNumber(value) ? value : undefined;
}

/** The beginning of a line, as errors quote it. */
export const shown = (text: string): string =>
  JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`);

/** The lines of some inputs that are not blank, one after the other. */
export async function* linesOf(
  inputs: readonly PredictInput[],
): AsyncGenerator<InputLine & { readonly input: PredictInput }> {
  for (const input of inputs)
    for await (const { line, text } of input.lines()) if (text.trim() !== "") yield { input, line, text };
}
