import { words } from "../report/words.js";
import type { Findings } from "./run.js";
import type { StoredResult } from "./saved.js";

/** How figures stand to those of the training: the same bits, the same but for rounding, or others. */
export type Agreement = "same" | "rounding" | "different";

/**
 * What rounding may change: a thousandth of a figure, which is one in a thousand samples, or a figure as small as what is
 * left of two sums in float32.
 */
const rounding = { relative: 1e-3, absolute: 1e-5 };

/** What `rondo evaluate` found beside what the training said. */
export interface Comparison {
  readonly agreement: Agreement;
  /** The figures in the order of the training's, then those that the training had not. */
  readonly figures: Findings["figures"];
  /** In a sentence. */
  readonly text: string;
}

/**
 * Holds the figures of an evaluation against those of the training. Where the same instruction set computed both, they are
 * the same bits; others round differently.
 *
 * @param backend the name of the one that evaluated
 */
export function compared(
  { figures: now }: Pick<Findings, "figures">,
  backend: string,
  then: StoredResult,
): Comparison {
  const names = [...new Set([...Object.keys(then.figures), ...Object.keys(now)])];
  const isAlike = instructionSet(backend) === instructionSet(then.backend);
  const pairs = names.map((name) => {
    const [a, b] = [now[name], then.figures[name]];
    return { name, a, b, agreement: agreementOf(a, b) };
  });
  const differing = pairs.filter(
    ({ agreement }) => agreement === "different" || (agreement === "rounding" && isAlike),
  );
  const figures = Object.fromEntries(
    pairs.flatMap(({ name, a }) => (a === undefined ? [] : [[name, a] as const])),
  );
  if (differing.length > 0) {
    const list = differing.map(
      ({ name, a, b }) => `${words(name)} ${text(a)}, after the training ${text(b)}`,
    );
    return {
      agreement: "different",
      figures,
      text: `Not the figures of the training: ${list.join("; ")}. ${isAlike ? "" : `Trained on ${then.backend}, evaluated on ${backend}, which alone changes less. `}The data, the model or Rondo has changed since.`,
    };
  }
  if (pairs.every(({ agreement }) => agreement === "same"))
    return { agreement: "same", figures, text: "The same figures as after the training, to the bit." };
  return {
    agreement: "rounding",
    figures,
    text: `The figures of the training but for rounding: trained on ${then.backend}, evaluated on ${backend}.`,
  };
}

/** `native avx2` of `native avx2, 2 threads`: results do not depend on the rest. */
const instructionSet = (backend: string): string => backend.split(",")[0] ?? backend;

function agreementOf(a: number | undefined, b: number | undefined): Agreement {
  if (a === undefined || b === undefined) return "different";
  // JSON has null for every number that is not finite.
  if (a === b || (!Number.isFinite(a) && Number.isNaN(b))) return "same";
  const most = Math.max(rounding.relative * Math.max(Math.abs(a), Math.abs(b)), rounding.absolute);
  return Math.abs(a - b) <= most ? "rounding" : "different";
}

const text = (value: number | undefined): string => (value === undefined ? "none" : String(value));
