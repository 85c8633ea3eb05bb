import { type EntityScore, EntityScores } from "../../data/entityScores.js";
import type { TagScheme } from "../../data/tagScheme.js";
import type { SpanMode } from "../../data/tagSpans.js";
import { checkCount, checkOptions, namesOf, RondoError } from "../../errors.js";
import { type Html, html } from "../html.js";
import { figure, percent } from "../words.js";

/** How well a model finds the entities of sentences. */
export interface Entities {
  readonly kind: "entities";
  readonly mode: SpanMode;
  readonly sentences: number;
  readonly steps: number;
  /** Share of the steps with the right tag. */
  readonly accuracy: number;
  readonly total: EntityScore;
  readonly rows: readonly EntityScore[];
  /** What conlleval prints. */
  readonly text: string;
  /** Some sentences, to be seen. */
  readonly shown: readonly MarkedSentence[];
}

/** A sentence in pieces, of which some are entities. */
export interface MarkedSentence {
  /** Its position among the sentences. */
  readonly sample: number;
  readonly pieces: readonly MarkedPiece[];
}

/** `right`: of the truth and of the prediction; `wrong`: of the prediction alone; `missed`: of the truth alone. */
export interface MarkedPiece {
  readonly text: string;
  readonly mark?: "right" | "wrong" | "missed";
  readonly label?: string;
}

/** What `entities` is told. */
export interface EntitiesOptions {
  readonly tags: TagScheme;
  /** The tokens of each sentence. */
  readonly tokens: readonly (readonly string[])[];
  /** What stands between tokens in a text; default nothing, for characters. */
  readonly separator?: string;
  /** How broken tags are read; default strict. */
  readonly mode?: SpanMode;
  /** How many sentences to show, the first with a mistake; default 12. */
  readonly shown?: number;
}

const where = "entities";
const optionNames = namesOf<EntitiesOptions>({
  tags: true,
  tokens: true,
  separator: true,
  mode: true,
  shown: true,
});

/**
 * Compares the entities of sentences with those that a model found.
 *
 * @param truth ids of the tags of each sentence, step by step
 * @param predicted the same of the model
 * @throws RondoError where sentences differ in length
 */
export function entities(
  truth: readonly ArrayLike<number>[],
  predicted: readonly ArrayLike<number>[],
  options: EntitiesOptions,
): Entities {
  checkOptions(where, options, optionNames);
  const { tags, tokens, separator = "", mode = "strict", shown: most = 12 } = options;
  checkCount(where, "shown", most, 0);
  const scores = new EntityScores(tags, mode);
  const shown: MarkedSentence[] = [];
  truth.forEach((wanted, sample) => {
    const [had, words] = [predicted[sample], tokens[sample]];
    if (had?.length !== wanted.length || words?.length !== wanted.length) {
      throw new RondoError({
        where,
        received: `${wanted.length} true tags, ${had?.length} predicted ones and ${words?.length} tokens for sentence ${sample}`,
        expected: "as many of each",
        fix: "Pass the steps that count, without padding",
      });
    }
    scores.add(wanted, had);
    if (shown.length >= most) return;
    const pieces = marked(
      words,
      [wanted, had].map((ids) => tags.spansOf(Int32Array.from(ids), mode)),
      separator,
    );
    if (pieces.some(({ mark }) => mark === "wrong" || mark === "missed")) shown.push({ sample, pieces });
  });
  const { sentences, steps, accuracy, total, rows, report: text } = scores;
  return { kind: "entities", mode, sentences, steps, accuracy, total, rows, text, shown };
}

interface Piece {
  readonly label: string;
  readonly start: number;
  readonly end: number;
}

/** A sentence cut where its entities are; where true and predicted ones overlap, the true one comes first, then the other. */
function marked(
  words: readonly string[],
  [truth = [], had = []]: readonly Piece[][],
  separator: string,
): MarkedPiece[] {
  const keyOf = ({ label, start, end }: Piece) => `${label} ${start} ${end}`;
  const [wanted, found] = [truth, had].map((spans) => new Set(spans.map(keyOf)));
  const all = [
    ...truth.map((span) => ({
      ...span,
      mark: found?.has(keyOf(span)) ? ("right" as const) : ("missed" as const),
    })),
    ...had.flatMap((span) => (wanted?.has(keyOf(span)) ? [] : [{ ...span, mark: "wrong" as const }])),
  ].sort((a, b) => a.start - b.start || a.end - b.end);
  const pieces: MarkedPiece[] = [];
  let at = 0;
  for (const { start, end, label, mark } of all) {
    if (start > at) pieces.push({ text: words.slice(at, start).join(separator) });
    pieces.push({ text: words.slice(start, end).join(separator), mark, label });
    at = Math.max(at, end);
  }
  if (at < words.length) pieces.push({ text: words.slice(at).join(separator) });
  return pieces;
}

/** Marks by sign, beside the colour. */
const signs = { right: "✓", wrong: "✗", missed: "○" } as const;

export function drawEntities({ mode, sentences, steps, accuracy, total, rows, text, shown }: Entities): Html {
  const cells = ({ truth, predicted, correct, precision, recall, f1 }: EntityScore) =>
    [figure(truth), figure(predicted), figure(correct), percent(precision), percent(recall), percent(f1)].map(
      (value) => html`<td class="number">${value}</td>`,
    );
  const heads = ["true", "found", "right", "precision", "recall", "F1"];
  return html`<section>
<h2>Entities</h2>
<p class="soft">${figure(sentences)} sentences of ${figure(steps)} steps, of which ${percent(accuracy)} have the right tag. An entity is right where its type, its first and its last step are${mode === "strict" ? "; broken tags mark none" : ", broken tags read as conlleval does"}.</p>
<div class="card scroll"><table class="rows">
<thead><tr><th>type</th>${heads.map((head) => html`<th class="number">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr><th scope="row">${row.label}</th>${cells(row)}</tr>`)}</tbody>
<tfoot><tr><th scope="row">all</th>${cells(total)}</tr></tfoot>
</table></div>
<details><summary>As conlleval prints it</summary><pre class="card scroll">${text}</pre></details>
</section>
${
  shown.length === 0
    ? ""
    : html`<section>
<h2>Sentences with mistakes</h2>
<p class="soft">The first ${shown.length}: ${signs.right} right, ${signs.wrong} found where there is none, ${signs.missed} missed. Where both overlap, both are written.</p>
<div class="card marked">${shown.map(drawSentence)}</div>
</section>`
}`;
}

const drawSentence = ({ sample, pieces }: MarkedSentence): Html =>
  html`<p><span class="soft">${sample}</span> ${pieces.map(({ text, mark, label }) =>
    mark === undefined
      ? text
      : html`<mark class="${mark}" title="${label ?? ""}, ${mark}"><b>${signs[mark]}</b>${text}<i>${label ?? ""}</i></mark>`,
  )}</p>`;
