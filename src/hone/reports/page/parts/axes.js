// The frame of a chart, with ticks. What is drawn inside it uses the two scales that are returned.
function frame(width, height, xs, ys, options = {}) {
  const left = 58, right = 12, top = 10, bottom = 34;
  const x = scale(xs, [left, width - right], options.logarithmic);
  const y = scale(ys, [height - bottom, top]);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": options.label || "chart" });
  for (const value of ticks(ys, height / 55)) {
    root.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    root.append(svg("text", { x: left - 7, y: y(value) + 4, "text-anchor": "end" }, formatShort(value)));
  }
  const marks = options.marks || ticks(xs, (width - left) / 90).map((value) => [value, (options.formatTick || formatShort)(value)]);
  for (const [value, label] of marks) {
    const at = x(value);
    const anchor = at > width - 40 ? "end" : "middle";
    root.append(svg("text", { x: at, y: height - bottom + 17, "text-anchor": anchor }, label));
  }
  root.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  if (options.xLabel) root.append(svg("text", { x: width - right, y: height - 3, "text-anchor": "end" }, options.xLabel));
  return { root, x, y };
}

function path(points) {
  return points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function shorten(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
