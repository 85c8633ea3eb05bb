import { choice } from "../../config/fields.js";
import { RondoError } from "../../errors.js";
import { equal } from "../../graph/dim.js";
import { mul } from "../../graph/ops/elementwise.js";
import { sum } from "../../graph/ops/reduce.js";
import { reshape } from "../../graph/ops/shape.js";
import { noTagger } from "../equations.js";
import { figure } from "./define.js";

const fields = {
  /** How broken tags are read: `strict` (the default), they mark nothing; `conlleval`, what that script takes them for. */
  mode: choice<"strict" | "conlleval">("strict", ["strict", "conlleval"]),
  /** `micro` (the default): one figure over all labels; null: one for each. */
  average: choice<"micro" | null>("micro", ["micro", null]),
};

/** A figure of the spans of the truth, of the prediction and of both alike, for the tags of a CRF layer with a scheme. */
const entityFigure = (
  name: string,
  className: string,
  of: (truth: number, had: number, both: number) => number,
) =>
  figure(name, className, fields, ({ mode, average }) => ({
    target: "labels",
    link: { name: "crfDecode" },
    accumulate({ yTrue, yPred, mask, sampleWeight, linked }) {
      const [B = 1, T = 1] = yPred.shape;
      const steps = [yTrue, yPred].map((x) => reshape(x.withMask(undefined), [B, T]));
      const [truth = yTrue, predicted = yPred] = steps;
      const found = linked?.op.decoding?.spans(linked, truth, predicted, mask, mode);
      if (linked === undefined) throw noTagger(name);
      if (found === undefined) {
        throw new RondoError({
          where: name,
          received: "tags without a scheme",
          expected: "a CRF layer that knows what its tags mean",
          fix: 'Write layers.crf({ tags: tagScheme("BIOES", labels) }) in the place of crf({ units })',
        });
      }
      const { counts, labels } = found;
      if (sampleWeight !== undefined && !equal(sampleWeight.shape[1] ?? 1, 1)) {
        throw new RondoError({
          where: name,
          received: "a weight for each step",
          expected: "one for each sequence: an entity has no weight of its own",
          fix: "Give one weight for each sample, or put the metric into metrics, not weightedMetrics",
        });
      }
      const weighed = sampleWeight === undefined ? counts : mul(counts, reshape(sampleWeight, [B, 1, 1]));
      const L = labels.length;
      return {
        values: reshape(sum(weighed, 0), [3 * L]),
        figure(totals) {
          const at = (row: number, label: number) => totals[row * L + label] ?? 0;
          if (average === null) return labels.map((_, l) => of(at(0, l), at(1, l), at(2, l)));
          const all = (row: number) => labels.reduce((total, _, l) => total + at(row, l), 0);
          return of(all(0), all(1), all(2));
        },
        ...(average === null && { suffixes: labels }),
      };
    },
  }));

const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);

/**
 * Of the entities that a CRF layer with a scheme marks: their F1, 2·precision·recall / (precision + recall); an entity is right
 * where its label, its first and its last step are. `mode`: `strict` or `conlleval`; `average`: `micro`, or null for one a label.
 */
export const entityF1 = entityFigure("entityF1", "EntityF1", (truth, had, both) =>
  ratio(2 * both, truth + had),
);
/** The share of the entities found that are right. */
export const entityPrecision = entityFigure("entityPrecision", "EntityPrecision", (_, had, both) =>
  ratio(both, had),
);
/** The share of the true entities that were found. */
export const entityRecall = entityFigure("entityRecall", "EntityRecall", (truth, _, both) =>
  ratio(both, truth),
);
