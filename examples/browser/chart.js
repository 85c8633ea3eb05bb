const width = 460;
const height = 210;
// The text grows on narrow screens (style.css): there is room for it.
const frame = { left: 40, right: width - 110, top: 34, bottom: height - 24 };
const labelGap = 20;

const namespace = "http://www.w3.org/2000/svg";

function element(name, attributes, text = "") {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/**
 * Lines over the epochs 1, 2, … as SVG.
 *
 * @param epochs the length of the axis
 * @param top the upper end of the other axis; it begins at 0
 * @param lines `{ name, style, values }`; `style` is the class that gives the colour
 */
export function chart(title, epochs, top, lines) {
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  const x = (epoch) => frame.left + ((epoch - 1) / Math.max(1, epochs - 1)) * (frame.right - frame.left);
  const y = (value) => frame.bottom - (Math.min(value, top) / top) * (frame.bottom - frame.top);
  svg.append(element("text", { x: 0, y: 12, class: "title" }, title));
  for (const tick of [0, top / 2, top]) {
    svg.append(
      element("line", { x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick) }),
      element("text", { x: frame.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick)),
    );
  }
  for (const epoch of new Set([1, Math.ceil(epochs / 2), epochs])) {
    svg.append(element("text", { x: x(epoch), y: height - 4, "text-anchor": "middle" }, String(epoch)));
  }
  const ends = lines.map(({ values }) => (values.length === 0 ? undefined : y(values.at(-1))));
  const tooClose = ends.length === 2 && Math.abs(ends[0] - ends[1]) < labelGap;
  for (const [i, { name, style, values }] of lines.entries()) {
    if (values.length === 0) continue;
    const points = values.map((value, epoch) => `${x(epoch + 1).toFixed(1)},${y(value).toFixed(1)}`);
    const isUpper = ends[i] < (ends[1 - i] ?? 0) || (ends[i] === ends[1 - i] && i === 0);
    const end = tooClose ? (ends[0] + ends[1]) / 2 + (isUpper ? -labelGap : labelGap) / 2 : ends[i];
    svg.append(
      element("polyline", { class: style, points: points.join(" ") }),
      element("text", { class: style, x: x(values.length) + 8, y: end + 4 }, name),
    );
  }
  return svg;
}
