// The measuring itself: rounds in which every contestant runs every row, in turn.

import { EPOCH_STEPS } from "./works.mjs";

/** The row that asks for GFLOPS of a large matrix product. */
export const ROOF = { work: "sgemm", kind: "roof", limits: {} };

/** Starts all; who does not start has a `failure` and is left out of the rounds. */
export async function start(contestants, say) {
  for (const contestant of contestants) {
    say(`starting ${contestant.title}`);
    await contestant.start().catch((error) => {
      contestant.failure = error.message;
    });
  }
}

/**
 * Who fails has a `failure` from then on and is asked no more; who does not know a row is asked for it once.
 *
 * @param options `rounds`, and `seconds` for which each measures a row (what takes longer runs once)
 * @param say told what happens: (text, lasting)
 * @returns for each row in turn, a list of figures by contestant's id: { [id]: [one per round] }
 */
export async function measure(contestants, rows, { rounds, seconds }, say) {
  const figures = rows.map(() => ({}));
  const unknown = new Set();

  async function askOne(contestant, i) {
    const row = rows[i];
    const key = `${contestant.id} ${i}`;
    if (contestant.failure !== undefined || !contestant.knows(row) || unknown.has(key)) return;
    try {
      const value = await contestant.ask(row, seconds, 1);
      if (value === undefined) {
        unknown.add(key);
        return;
      }
      const perStep = row.kind === "fit" ? value / EPOCH_STEPS[row.work] : value;
      figures[i][contestant.id] = [...(figures[i][contestant.id] ?? []), perStep];
    } catch (error) {
      contestant.failure = `${row.work} ${row.kind}: ${error.message}`;
    }
  }

  for (let round = 0; round < rounds; round++) {
    const title = `round ${round + 1} of ${rounds}`;
    say(title, true);
    for (const [i, { work, kind }] of rows.entries()) {
      for (let j = 0; j < contestants.length; j++) {
        const contestant = contestants[(j + round) % contestants.length]; // another one begins each round
        say(`${title}: ${work} ${kind}, ${contestant.title}`);
        await askOne(contestant, i);
      }
    }
  }
  return figures;
}
