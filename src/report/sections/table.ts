import { checkList, checkOptions, namesOf, RondoError, valueText } from "../../errors.js";
import { type Html, html } from "../html.js";
import { figure } from "../words.js";

/** A small table: what was measured in several ways, say. */
export interface Table {
  readonly kind: "table";
  readonly title: string;
  /** A sentence or two above the table. */
  readonly note?: string;
  /** Headings, one a column. */
  readonly columns: readonly string[];
  /** One cell a column; numbers are written with four significant digits. What is a number, as text too, stands at the right. */
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What `table` shows. */
export type TableOptions = Omit<Table, "kind">;

const where = "table";
const optionNames = namesOf<TableOptions>({ title: true, note: true, columns: true, rows: true });

/**
 * A table as a section of a report; the first cell of a row names it.
 *
 * @throws RondoError for a row with more or fewer cells than there are columns
 */
export function table(options: TableOptions): Table {
  checkOptions(where, options, optionNames);
  const { title, columns, rows } = options;
  checkList(where, columns, "a list of headings", "Give every column its heading", " for columns");
  checkList(where, rows, "a list of rows", "Give a list of lists of cells", " for rows");
  if (typeof title !== "string") {
    throw new RondoError({
      where,
      received: `${valueText(title)} for title`,
      expected: "text",
      fix: "Give the table its title",
    });
  }
  for (const [i, row] of rows.entries()) {
    if (Array.isArray(row) && row.length === columns.length) continue;
    throw new RondoError({
      where,
      received: `${Array.isArray(row) ? `${row.length} cells` : valueText(row)} for row ${i}`,
      expected: `${columns.length}, one for each of ${columns.join(", ")}`,
      fix: "Give every row a cell for each column",
    });
  }
  return { kind: "table", ...options };
}

export function drawTable({ title, note, columns, rows }: Table): Html {
  const isNumber = columns.map((_, i) => rows.length > 0 && rows.every((row) => isNumeric(row[i])));
  const kind = (i: number) => (isNumber[i] === true ? html` class="number"` : "");
  const cell = (value: string | number, i: number) => {
    const text = typeof value === "number" ? figure(value) : value;
    return i === 0 ? html`<th scope="row"${kind(i)}>${text}</th>` : html`<td${kind(i)}>${text}</td>`;
  };
  return html`<section>
<h2>${title}</h2>
${note === undefined ? "" : html`<p class="soft">${note}</p>`}
<div class="card scroll"><table class="rows">
<thead><tr>${columns.map((name, i) => html`<th${kind(i)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody>
</table></div>
</section>`;
}

const isNumeric = (cell: string | number | undefined): boolean =>
  typeof cell === "number" || (typeof cell === "string" && /^[-+]?\d[\d.,]*(e[-+]?\d+)?( ?%)?$/.test(cell));
