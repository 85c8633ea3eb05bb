import { readRecords } from "../data/csv.js";
import { checkOptions, nearestName, RondoError } from "../errors.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";
import { type LabelledTexts, labelledTexts } from "./texts.js";

const classes = ["bearish", "bullish"] as const;
const columns = ["message", "sentiment"] as const;

/**
 * Messages on StockTwits about SPY, a fund that follows the S&P 500, of 2017: which their writers themselves called bearish
 * (0) or bullish (1).
 *
 * @throws RondoError where the file is not there and cannot be downloaded, is truncated, is no UTF-8, or, with the line, has
 *   another sentiment
 */
export async function stocktwits(
  options: LocateOptions = {},
): Promise<LabelledTexts<(typeof classes)[number]>> {
  checkOptions("stocktwits", options, locateNames);
  const [path = ""] = await locate(dataSets.stocktwits, options);
  const texts: string[] = [];
  const labels: number[] = [];
  for await (const { columns: names, rows } of readRecords("stocktwits", path, {})) {
    const [message, sentiment] = columns.map((column) => placeOf(column, names, path));
    for (const { line, fields } of rows) {
      const name = fields[sentiment ?? 0] ?? "";
      const label = (classes as readonly string[]).indexOf(name);
      if (label < 0) throw unknownSentiment(name, line, path);
      texts.push(fields[message ?? 0] ?? "");
      labels.push(label);
    }
  }
  return labelledTexts(texts, labels, classes);
}

function placeOf(column: string, names: readonly string[], path: string): number {
  const place = names.indexOf(column);
  if (place >= 0) return place;
  throw new RondoError({
    where: `read ${path}`,
    received: `the columns ${names.map((name) => JSON.stringify(name)).join(", ")}`,
    expected: columns.map((name) => JSON.stringify(name)).join(" and "),
    fix: "Give the columns these names, in the first line",
  });
}

function unknownSentiment(name: string, line: number, path: string): RondoError {
  const nearest = nearestName(name, classes);
  return new RondoError({
    where: `read ${path}`,
    received: `the sentiment ${JSON.stringify(name)} in the row that begins in line ${line}`,
    expected: classes.join(" or "),
    fix:
      nearest === undefined
        ? "Mend the row, or leave it out"
        : `Mend the row: did its writer mean "${nearest}"?`,
  });
}
