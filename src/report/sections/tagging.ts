import { checkCount, checkList, checkOptions, namesOf, RondoError } from "../../errors.js";
import { shapeText, type Tensor, type TensorLike, toTensor } from "../../tensor.js";
import { type Html, html } from "../html.js";
import { figure, percent } from "../words.js";

/** How well a model tags the steps of sequences. */
export interface Tagging {
  readonly kind: "tagging";
  /** The tags' names, in the order of their numbers. */
  readonly names: readonly string[];
  /** Steps that count, and how many of them have the right tag. */
  readonly steps: number;
  readonly right: number;
  /** Sequences with a step that counts, and how many of them are right in every such step. */
  readonly sequences: number;
  readonly whole: number;
  /** Some sequences, to be seen. */
  readonly shown: readonly TaggedSequence[];
}

/** The steps of one sequence that count. */
export interface TaggedSequence {
  /** Its position among the sequences. */
  readonly sample: number;
  /** What each step holds, in words. */
  readonly inputs?: readonly string[];
  /** Numbers of the tags. */
  readonly truth: readonly number[];
  readonly predicted: readonly number[];
}

/** What `tagging` can be told. */
export interface TaggingOptions {
  /** The tags' names, in the order of their numbers; default: their numbers. */
  readonly names?: readonly string[];
  /** What the steps hold: [N, T] or [N, T, 1] numbers, or N lists of words or characters. */
  readonly inputs?: TensorLike | readonly (readonly string[])[];
  /** `[N, T]`: 0 or false for steps that do not count, such as padding. */
  readonly mask?: TensorLike;
  /** How many sequences to show, from the first; default 10. */
  readonly sequences?: number;
}

const where = "tagging";
const optionNames = namesOf<TaggingOptions>({ names: true, inputs: true, mask: true, sequences: true });

/**
 * Compares the tags that a model gives to the steps of sequences with the true ones.
 *
 * @param truth [N, T] or [N, T, 1] numbers of the tags, from 0
 * @param predicted the same of the model: `await model.predictClasses(x)`
 * @throws RondoError when shapes or options do not fit, and for tags that are no whole numbers from 0
 */
export function tagging(truth: TensorLike, predicted: TensorLike, options: TaggingOptions = {}): Tagging {
  checkOptions(where, options, optionNames);
  const { sequences: most = 10 } = options;
  checkCount(where, "sequences", most, 0);
  const expected = readSteps("truth", truth);
  const [N = 0, T = 0] = expected.shape;
  const given = readSteps("predicted", predicted, [N, T]);
  const mask = options.mask === undefined ? undefined : readSteps("mask", options.mask, [N, T]).data;
  const counts = (sample: number) => (step: number) => (mask?.[sample * T + step] ?? 1) !== 0;
  const texts = inputTexts(options.inputs, [N, T]);
  const totals = { steps: 0, right: 0, sequences: 0, whole: 0 };
  const shown: TaggedSequence[] = [];
  for (let sample = 0; sample < N; sample++) {
    const steps = Array.from({ length: T }, (_, step) => step).filter(counts(sample));
    const tags = (of: Tensor) => steps.map((step) => of.data[sample * T + step] ?? 0);
    const [want, have] = [tags(expected), tags(given)];
    const right = want.filter((tag, i) => tag === have[i]).length;
    totals.steps += steps.length;
    totals.right += right;
    totals.sequences += steps.length > 0 ? 1 : 0;
    totals.whole += steps.length > 0 && right === steps.length ? 1 : 0;
    if (shown.length >= most || steps.length === 0) continue;
    const inputs = texts && { inputs: steps.map((step) => texts(sample, step)) };
    shown.push({ sample, ...inputs, truth: want, predicted: have });
  }
  const largest = [expected, given]
    .flatMap(({ data }) => Array.from(data))
    .reduce((a, b) => Math.max(a, b), 0);
  return { kind: "tagging", names: readNames(options.names, largest + 1), ...totals, shown };
}

/** An array [N, T], given as that or as [N, T, 1]; tags are whole numbers from 0. */
function readSteps(name: string, values: TensorLike, wanted?: readonly [number, number]): Tensor {
  const tensor = toTensor(`${where}, ${name}`, values);
  const shape = tensor.rank === 3 && tensor.shape[2] === 1 ? tensor.shape.slice(0, 2) : tensor.shape;
  if (shape.length !== 2 || wanted?.some((size, axis) => size !== shape[axis])) {
    throw new RondoError({
      where,
      received: `${name} of shape ${shapeText(tensor.shape)}`,
      expected: wanted === undefined ? "[N, T] or [N, T, 1]" : `${shapeText(wanted)}, as the truth`,
      fix: "Pass one number for each step of each sequence",
    });
  }
  const wrong = tensor.data.find((value) => !Number.isInteger(value) || value < 0);
  if (wrong === undefined) return tensor.shape === shape ? tensor : tensor.reshape(shape);
  throw new RondoError({
    where,
    received: `${wrong} among ${name}`,
    expected: "whole numbers from 0",
    fix: "Pass numbers of tags, for example what model.predictClasses gives, not probabilities",
  });
}

function readNames(names: readonly string[] | undefined, count: number): readonly string[] {
  if (names === undefined) return Array.from({ length: count }, (_, i) => String(i));
  const fix = "Give every tag its name, in the order of the numbers";
  checkList(where, names, "a list of names", fix, " for names");
  if (names.length >= count) return names;
  throw new RondoError({
    where,
    received: `a list of length ${names.length} for names`,
    expected: `at least ${count}, because there is a tag ${count - 1}`,
    fix,
  });
}

/** The text of a step. */
function inputTexts(
  inputs: TaggingOptions["inputs"],
  [N, T]: readonly [number, number],
): ((sample: number, step: number) => string) | undefined {
  if (inputs === undefined) return undefined;
  if (isTexts(inputs)) {
    const length = inputs.findIndex((row) => row.length > T);
    if (inputs.length === N && length < 0) return (sample, step) => inputs[sample]?.[step] ?? "";
    throw new RondoError({
      where,
      received:
        length < 0
          ? `inputs for ${inputs.length} sequences`
          : `${inputs[length]?.length} inputs for sequence ${length}`,
      expected: `inputs for ${N} sequences of ${T} steps at most`,
      fix: "Pass the inputs of the same sequences",
    });
  }
  const { data, shape } = toTensor(`${where}, inputs`, inputs);
  if (data.length === N * T)
    return (sample, step) => {
      const value = data[sample * T + step] ?? 0;
      return Number.isInteger(value) ? String(value) : value.toFixed(2);
    };
  throw new RondoError({
    where,
    received: `inputs of shape ${shapeText(shape)}`,
    expected: `[${N}, ${T}] or [${N}, ${T}, 1], or lists of words`,
    fix: "Pass one feature for each step, or leave inputs out",
  });
}

const isTexts = (inputs: unknown): inputs is readonly (readonly string[])[] =>
  Array.isArray(inputs) &&
  inputs.every((row) => Array.isArray(row) && row.every((text) => typeof text === "string"));

export function drawTagging({ names, steps, right, sequences, whole, shown }: Tagging): Html {
  const name = (tag: number) => names[tag] ?? String(tag);
  const share = (part: number, all: number) => (all === 0 ? "none" : percent(part / all));
  return html`<section>
<h2>Expected and predicted</h2>
<p class="soft">${figure(right)} of ${figure(steps)} steps (${share(right, steps)}) have the right tag; ${figure(whole)} of ${figure(sequences)} sequences (${share(whole, sequences)}) are right in every step.${shown.length === 0 ? "" : " Wrong tags are marked."}</p>
${shown.length === 0 ? "" : html`<div class="card scroll"><table class="steps">${shown.map((sequence) => rowsOf(sequence, name))}</table></div>`}
</section>`;
}

/** The rows of one sequence: what its steps hold, the true tags, the predicted ones. */
function rowsOf({ sample, inputs, truth, predicted }: TaggedSequence, name: (tag: number) => string): Html {
  const rows = inputs === undefined ? 2 : 3;
  const first = html`<th scope="rowgroup" rowspan="${rows}">${sample}</th>`;
  const wanted = html`<th scope="row">expected</th>${truth.map((tag) => html`<td>${name(tag)}</td>`)}`;
  const had = predicted.map((tag, step) => {
    const want = truth[step] ?? 0;
    if (tag === want) return html`<td>${name(tag)}</td>`;
    return html`<td class="wrong" title="step ${step}: ${name(want)} taken for ${name(tag)}">${name(tag)}</td>`;
  });
  return html`<tbody>
${inputs === undefined ? "" : html`<tr class="soft">${first}<th scope="row">input</th>${inputs.map((text) => html`<td>${text}</td>`)}</tr>`}
<tr>${inputs === undefined ? first : ""}${wanted}</tr>
<tr><th scope="row">predicted</th>${had}</tr>
</tbody>`;
}
