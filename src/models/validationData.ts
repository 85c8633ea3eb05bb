import { RondoError, valueText } from "../errors.js";
import type { Data } from "./feeds.js";

/** Throws for what is no `ValidationData`. */
export function checkValidationData(given: unknown): readonly [x: Data, y: Data, sampleWeight?: Data] {
  if (Array.isArray(given) && (given.length === 2 || given.length === 3))
    return given as readonly Data[] as readonly [Data, Data, Data?];
  throw new RondoError({
    where: "fit",
    received: `validationData: ${Array.isArray(given) ? `a list of ${given.length}` : valueText(given)}`,
    expected: "[x, y] or [x, y, sampleWeight], or a dataset",
    fix: "Write validationData: [x, y]",
  });
}
