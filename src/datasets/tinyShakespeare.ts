import { readLines } from "../data/text.js";
import { checkOptions } from "../errors.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";

/**
 * Plays by Shakespeare as one text, who speaks in capitals before the lines: what character language models are shown on since
 * Karpathy's char-rnn.
 *
 * @throws RondoError where the file is not there and cannot be downloaded, is empty, or is no UTF-8
 */
export async function tinyShakespeare(options: LocateOptions = {}): Promise<string> {
  checkOptions("tinyShakespeare", options, locateNames);
  const [path = ""] = await locate(dataSets.tinyShakespeare, options);
  const lines: string[] = [];
  for await (const line of readLines(path)) lines.push(line);
  return `${lines.join("\n")}\n`;
}
