import { checkList, checkOptions, namesOf, RondoError, valueText } from "../../errors.js";
import { type Html, html } from "../html.js";

/** A text that a model wrote. */
export interface GeneratedText {
  /** How it was drawn: `temperature 0.8`. */
  readonly label: string;
  /** What it goes on from. */
  readonly prompt: string;
  readonly text: string;
}

/** Texts that a model wrote, below each other. */
export interface Generation {
  readonly kind: "generation";
  readonly title: string;
  /** A sentence or two above the texts. */
  readonly note?: string;
  readonly texts: readonly GeneratedText[];
}

/** What `generation` shows. */
export type GenerationOptions = Omit<Generation, "kind" | "title"> & { readonly title?: string };

const where = "generation";
const optionNames = namesOf<GenerationOptions>({ title: true, note: true, texts: true });

/**
 * Texts that a model wrote, as a section of a report: the prompt of each in bold.
 *
 * @throws RondoError for what is no text
 */
export function generation(options: GenerationOptions): Generation {
  checkOptions(where, options, optionNames);
  const { title = "What it writes", texts } = options;
  checkList(where, texts, "a list of texts", "Write [{ label, prompt, text }]", " for texts");
  for (const [i, one] of texts.entries()) {
    const { label, prompt, text } = Object(one) as Partial<GeneratedText>;
    if ([label, prompt, text].every((part) => typeof part === "string")) continue;
    throw new RondoError({
      where,
      received: `${valueText(one)} for text ${i}`,
      expected: "{ label, prompt, text }, each of them text",
      fix: "Give what the model wrote, what it goes on from, and how it was drawn",
    });
  }
  return { kind: "generation", ...options, title };
}

export function drawGeneration({ title, note, texts }: Generation): Html {
  return html`<section>
<h2>${title}</h2>
${note === undefined ? "" : html`<p class="soft">${note}</p>`}
${texts.map(
  ({ label, prompt, text }) => html`<h3>${label}</h3>
<div class="card scroll"><pre class="text"><b>${prompt}</b>${text}</pre></div>`,
)}
</section>`;
}
