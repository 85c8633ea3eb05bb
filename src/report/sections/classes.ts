import { type Html, html } from "../html.js";
import { greyPicture } from "../pictures.js";
import { figure, percent } from "../words.js";
import { type Classification, classScores } from "./classification.js";

/** Classes of a confusion matrix that has room beside another table. */
const mostBeside = 10;

/** Columns of a matrix that has room for letters of the usual size. */
const mostUsual = 16;

/** How a matrix with a column for each of the names is drawn. */
export const matrixClass = (names: readonly string[]): string =>
  names.length > mostUsual ? "confusion dense" : "confusion";

/** The confusion matrix, the scores of the classes, and the pictures of the worst mistakes. */
export function drawClassification(result: Classification): Html {
  const pictures = result.mistakes.flatMap(({ image, ...mistake }) =>
    image === undefined ? [] : [{ ...mistake, uri: greyPicture(image) }],
  );
  const name = (i: number) => result.names[i] ?? String(i);
  return html`<div class="${result.names.length > mostBeside ? "" : "columns"}">
<section><h2>Confusion matrix</h2><div class="card scroll">${confusionTable(result)}</div></section>
<section><h2>Classes</h2><div class="card scroll">${scoresTable(result)}</div></section>
</div>
${
  pictures.length === 0
    ? ""
    : html`<section>
<h2>Worst mistakes</h2>
<p class="soft">The ${pictures.length} test samples that the model got wrong with the most confidence: the true class, what it was taken for, and the probability given to that.</p>
<div class="mistakes">${pictures.map(
        ({ sample, truth, predicted, confidence, uri }) =>
          html`<figure><div><img src="${uri}" alt="sample ${sample}, a ${name(truth)} taken for ${name(predicted)}" title="sample ${sample}"></div><figcaption><b>${name(truth)}</b> → <b class="wrong">${name(predicted)}</b><br>${percent(confidence)}</figcaption></figure>`,
      )}</div>
</section>`
}`;
}

/** Rows are true classes; the diagonal is shaded by recall, the rest by the number of mistakes. */
function confusionTable({ names, confusion }: Classification): Html {
  const most = Math.max(1, ...confusion.flatMap((row, i) => row.filter((_, j) => j !== i)));
  const body = confusion.map((row, i) => {
    const support = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, j) => {
      if (count === 0) return html`<td class="none">·</td>`;
      const share = (i === j ? count / support : count / most).toFixed(3);
      const told = `${count} of ${support} samples of class ${names[i] ?? i} taken for ${names[j] ?? j}`;
      return html`<td class="${i === j ? "hit" : "miss"}" style="--share: ${share}" title="${told}">${count}</td>`;
    });
    return html`<tr><th scope="row"><div>${names[i] ?? i}</div></th>${cells}</tr>`;
  });
  return html`<table class="${matrixClass(names)}">
<thead>
<tr><th></th><th class="over" colspan="${names.length}">predicted</th></tr>
<tr><th>true</th>${names.map((name) => html`<th scope="col"${name.length > 4 ? html` class="upright"` : ""} title="${name}">${name}</th>`)}</tr>
</thead>
<tbody>${body}</tbody>
</table>`;
}

function scoresTable(result: Classification): Html {
  const scores = classScores(result);
  const total = scores.reduce((sum, { support }) => sum + support, 0);
  const mean = (score: "precision" | "recall" | "f1") =>
    percent(scores.reduce((sum, one) => sum + one[score], 0) / Math.max(1, scores.length));
  return html`<table class="rows">
<thead><tr><th>class</th><th class="number">precision</th><th class="number">recall</th><th class="number">F1</th><th class="number">samples</th></tr></thead>
<tbody>${scores.map(
    ({ name, precision, recall, f1, support }) =>
      html`<tr><th scope="row">${name}</th><td class="number">${percent(precision)}</td><td class="number">${percent(recall)}</td><td class="number">${percent(f1)}</td><td class="number">${figure(support)}</td></tr>`,
  )}</tbody>
<tfoot><tr><th scope="row">mean</th><td class="number">${mean("precision")}</td><td class="number">${mean("recall")}</td><td class="number">${mean("f1")}</td><td class="number">${figure(total)}</td></tr></tfoot>
</table>`;
}
