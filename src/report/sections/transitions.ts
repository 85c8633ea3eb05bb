import { checkList, RondoError } from "../../errors.js";
import { shapeText, type TensorLike, toTensor } from "../../tensor.js";
import { type Html, html } from "../html.js";
import { matrixClass } from "./classes.js";

/** What a conditional random field has learnt of the order of tags. */
export interface Transitions {
  readonly kind: "transitions";
  readonly names: readonly string[];
  /** Scores from one tag (row) to the next (column). */
  readonly scores: readonly (readonly number[])[];
}

/**
 * The transition scores of a CRF layer as a picture.
 *
 * @param scores [K, K]
 * @param names of the tags
 * @throws RondoError where there are more or fewer names than tags
 */
export function transitions(scores: TensorLike, names: readonly string[]): Transitions {
  const where = "transitions";
  checkList(where, names, "a list of names", "Give every tag its name: tags.tags", " for names");
  const { data, shape } = toTensor(where, scores);
  const [K = 0] = shape;
  if (shape.length !== 2 || shape[1] !== K || names.length !== K) {
    throw new RondoError({
      where,
      received: `scores of shape ${shapeText(shape)} and ${names.length} names`,
      expected: "[tags, tags] and a name for each tag",
      fix: "Pass the weights `transitions` of the CRF layer and the tags of its scheme",
    });
  }
  return {
    kind: "transitions",
    names,
    scores: names.map((_, i) => Array.from(data.slice(i * K, (i + 1) * K))),
  };
}

export function drawTransitions({ names, scores }: Transitions): Html {
  const most = scores.flat().reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
  const row = (values: readonly number[], i: number) =>
    html`<tr><th scope="row"><div>${names[i] ?? i}</div></th>${values.map((score, k) => {
      const share = (Math.abs(score) / most).toFixed(3);
      const text = score.toFixed(1).replace("-0.0", "0.0");
      const told = `${names[i]} to ${names[k]}: ${score.toFixed(2)}`;
      return html`<td class="${score < 0 ? "miss" : "hit"}" style="--share: ${share}" title="${told}">${text}</td>`;
    })}</tr>`;
  return html`<section>
<h2>Transitions</h2>
<p class="soft">The score that the model adds where a tag (column) follows another (row): the higher, the likelier.</p>
<div class="card scroll"><table class="${matrixClass(names)}">
<thead><tr><th></th>${names.map((name) => html`<th scope="col" class="upright" title="${name}">${name}</th>`)}</tr></thead>
<tbody>${scores.map(row)}</tbody>
</table></div>
</section>`;
}
