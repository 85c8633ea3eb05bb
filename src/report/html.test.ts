import { expect, it } from "vitest";
import { html } from "./html.js";

it("escapes text and keeps pieces of HTML", () => {
  const item = (text: string) => html`<li title="${text}">${text}</li>`;
  expect(html`<ul>${[item("a&b"), item("<'\">")]}</ul>${2}`.text).toBe(
    '<ul><li title="a&amp;b">a&amp;b</li><li title="&lt;&#39;&quot;&gt;">&lt;&#39;&quot;&gt;</li></ul>2',
  );
});
