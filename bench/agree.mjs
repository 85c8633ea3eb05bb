// Whether all contestants compute the same: each trains each work for three steps, from the same weights, on the same data,
// without dropout, and the losses are held against each other.

import { columns } from "./report.mjs";
import { kindText, modelText } from "./works.mjs";

/**
 * The most by which losses may differ, relative to the first contestant's: before any update, and after. Updates are not
 * all the same: Adam's ε is 1e-7 in Keras and 1e-8 elsewhere, and it is added before the bias correction or after it.
 */
const tolerances = { first: 1e-5, later: 2e-3 };

/**
 * Asks one contestant of each name for the losses of all training rows. Who fails has a `failure` from then on.
 *
 * @param contestants started, ours first
 * @param say told what happens
 * @returns for each row: { work, losses: { [name]: [first, second, third step] } }
 */
export async function askLosses(contestants, rows, say) {
  const one = [...new Map(contestants.toReversed().map((c) => [c.name, c])).values()].toReversed();
  const answers = [];
  for (const row of rows) {
    const losses = {};
    for (const contestant of one) {
      const question = { ...row, kind: "losses" };
      if (contestant.failure !== undefined || !contestant.knows(question)) continue;
      say(`${row.work}, ${contestant.name}`);
      try {
        const answer = await contestant.ask(question);
        if (answer !== undefined) losses[contestant.name] = answer;
      } catch (error) {
        contestant.failure = `${row.work} losses: ${error.message}`;
      }
    }
    answers.push({ work: row.work, losses });
  }
  return answers;
}

/** What `askLosses` found, as text, and whether all agree: { text, agreed }. */
export function agreement(answers) {
  const { first, later } = tolerances;
  let agreed = true;
  const parts = answers.map(({ work, losses }) => {
    const [reference] = Object.values(losses);
    const lines = Object.entries(losses).map(([name, values]) => {
      const apart = values.map((loss, i) => Math.abs(loss / reference[i] - 1));
      const close = apart.every((x, i) => x <= (i === 0 ? first : later));
      agreed &&= close;
      const figures = values.flatMap((loss, i) => [loss.toFixed(6), apart[i].toExponential(0)]);
      return [name, ...figures, close ? "" : "APART"];
    });
    return `${work} ${modelText(work)}: ${kindText({ work, kind: "train" })}\n${columns(lines)}`;
  });
  const verdict = agreed ? "All agree" : "Some do not agree";
  const closing = `${verdict}: losses of three steps without dropout, with their distances from the first line's; ${first} is allowed in the first step, ${later} in the others.`;
  return { agreed, text: [...parts, closing].join("\n\n") };
}
