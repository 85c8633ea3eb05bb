import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { drawGeneration, type GenerationOptions, generation } from "./generation.js";

const texts = [{ label: "temperature 0.5", prompt: "To <be", text: ">\n  or not" }];

describe("generation", () => {
  it("writes texts as they are, the prompt in bold, escaped", () => {
    const { text } = drawGeneration(generation({ title: "Samples", note: "a & b", texts }));
    expect(text).toContain("<h2>Samples</h2>");
    expect(text).toContain('<p class="soft">a &amp; b</p>');
    expect(text).toContain("<h3>temperature 0.5</h3>");
    expect(text).toContain('<pre class="text"><b>To &lt;be</b>&gt;\n  or not</pre>');
  });

  it("is plain data", () =>
    expect(generation({ texts })).toEqual({ kind: "generation", title: "What it writes", texts }));

  it.each([
    [{ texts: [{ label: "a", prompt: "b" }] }, /for text 0, expected \{ label, prompt, text \}/],
    [{ texts: undefined }, /received undefined for texts/],
    [{ texts, head: 1 }, /unknown option "head"/],
  ])("refuses what does not fit: %#", (given, message) => {
    const call = () => generation(given as unknown as GenerationOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });
});
