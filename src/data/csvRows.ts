import Papa from "papaparse";
import { RondoError } from "../errors.js";

/** A row and the line on which it begins, from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** Characters of the longest row; a longer one is a quote that nobody closed. */
const longestRow = 2 ** 24;

/** What Papa Parse gives of a piece of text. */
interface Parsed {
  readonly data: readonly (readonly string[])[];
  readonly errors: readonly { readonly code: string; readonly row: number }[];
  /** Where the first row begins that is not complete. */
  readonly meta: { readonly cursor: number };
}

/**
 * Rows of text that comes piece by piece; those that are complete after each piece. Lines end as the first one does.
 *
 * @param name of the file, in errors
 * @throws RondoError, after the rows before, for quotes that are not closed or closed too early
 */
export async function* parseRows(
  name: string,
  pieces: AsyncIterable<string>,
  delimiter: string,
  quotes: boolean,
): AsyncGenerator<CsvRecord[]> {
  /** What is read and not in a row yet, and the line on which it begins. */
  let text = "";
  let line = 1;
  let newline: "\n" | "\r\n" | "\r" | undefined;
  let parser: Papa.Parser | undefined;
  async function* records(isLast: boolean): AsyncGenerator<CsvRecord[]> {
    newline ??= newlineOf(text, quotes, isLast);
    if (newline === undefined) return;
    parser ??= new Papa.Parser({ delimiter, newline, ...(quotes ? {} : { fastMode: true }) });
    const { data, errors, meta }: Parsed = parser.parse(text, 0, !isLast);
    const hasLines = newline === "\r\n" || (quotes && text.includes('"'));
    const lineEnd = newline === "\r" ? "\r" : "\n";
    const broken = errors.find(({ row }) => row < data.length);
    yield data.slice(0, broken?.row).map((fields) => {
      const record = { line, fields };
      line += 1 + (hasLines ? fields.reduce((sum, field) => sum + countOf(field, lineEnd), 0) : 0);
      return record;
    });
    if (broken !== undefined) throw wrongQuote(name, line, broken.code === "MissingQuotes");
    text = text.slice(meta.cursor);
  }
  for await (const piece of pieces) {
    text += piece;
    yield* records(false);
    if (text.length > longestRow) throw wrongQuote(name, line, true);
  }
  if (text !== "") yield* records(true);
}

function countOf(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) count++;
  return count;
}

/** The first line end outside quotes; undefined where that hangs on text to come. */
function newlineOf(text: string, quotes: boolean, isLast: boolean): "\n" | "\r\n" | "\r" | undefined {
  let inQuotes = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quotes && character === '"') inQuotes = !inQuotes;
    if (inQuotes) continue;
    if (character === "\n") return "\n";
    if (character !== "\r") continue;
    if (i + 1 < text.length || isLast) return text[i + 1] === "\n" ? "\r\n" : "\r";
  }
  return isLast ? "\n" : undefined;
}

const wrongQuote = (name: string, line: number, isOpen: boolean): RondoError =>
  new RondoError({
    where: `read ${name}`,
    received: isOpen
      ? `a quote that is not closed, in the row that begins in line ${line}`
      : `text after a closing quote, in the row that begins in line ${line}`,
    expected: "fields wholly within quotes or without, and quotes within them doubled",
    fix: "Mend the row, or give { quotes: false } where quotes are characters like others",
  });
