parts.parallel = (data, box) => {
  const runs = scoredRuns(data);
  const keys = data.keys.filter((key) => new Set(runs.map((run) => run.values[key])).size > 1);
  if (runs.length < 2 || !keys.length) return box.append(emptyNote("This chart needs two finished runs that differ in more than their seed."));
  const scores = extent(runs.map((run) => run.value));
  const share = scale(scores, data.metric.higher_is_better ? [0, 1] : [1, 0]);
  runs.sort((one, other) => share(one.value) - share(other.value));

  drawResponsive(box, (width) => {
    const height = 320, top = 46, bottom = 18, side = 50;
    const names = [...keys, data.metric.name];
    const at = (place) => side + place * (width - 2 * side) / (names.length - 1);
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Parallel coordinates" });
    const axes = [...keys.map((key) => keyAxis(runs.map((run) => run.values[key]), [height - bottom, top])), scoreAxis(runs, scores, [height - bottom, top])];
    runs.forEach((run, row) => root.append(svg("path", {
      ...runMark(run, `${data.metric.name} ${formatScore(run.value)}`), class: "line", style: { stroke: scoreColour(share(run.value)) },
      d: path(axes.map((axis, place) => [at(place), axis.at[row]])),
    })));
    axes.forEach((axis, place) => {
      root.append(svg("line", { class: "axis", x1: at(place), x2: at(place), y1: top, y2: height - bottom }));
      const anchor = place === 0 ? "start" : place === axes.length - 1 ? "end" : "middle";
      root.append(svg("text", { class: "strong", x: anchor === "start" ? 4 : anchor === "end" ? width - 4 : at(place), y: place % 2 ? 30 : 14, "text-anchor": anchor }, shorten(names[place], 28)));
      const last = place === axes.length - 1;
      root.append(svg("g", { class: "names" }, axis.marks.flatMap(([y, label]) => tick(at(place), y, shorten(label, 18), last ? -1 : 1))));
    });
    return root;
  }, Math.max(300, 110 * (keys.length + 1)));
  box.append(el("p", { class: "quiet" }, `Each line is a finished run. The deeper its colour, the better its ${data.metric.name}.`));
};

// A mark on an axis and its label. The mark is a dot, since a dash would read as a minus. The label has a background, so that no run's line crosses it out.
function tick(x, y, label, side) {
  const width = 8.2 * label.length + 6;
  return [
    svg("circle", { cx: x, cy: y, r: 2.5, style: { fill: "var(--muted)" } }),
    svg("rect", { class: "plate", x: side > 0 ? x + 5 : x - 5 - width, y: y - 8, width, height: 16, rx: 3 }),
    svg("text", { x: x + side * 8, y: y + 4, "text-anchor": side > 0 ? "start" : "end" }, label),
  ];
}

function keyAxis(values, range) {
  const numbers = numeric(values);
  if (numbers && new Set(values).size > 2) {
    const span = extent(numbers.values);
    const place = scale(span, range, numbers.logarithmic);
    const distinct = [...new Set(numbers.values)].sort((one, other) => one - other);
    const ticked = distinct.length <= 8 ? distinct : numbers.logarithmic ? decades(span) : ticks(span, 5);
    return { at: numbers.values.map(place), marks: ticked.map((value) => [place(value), formatShort(value)]) };
  }
  const names = [...new Set(values)].sort((one, other) => compare(one, other));
  const place = scale([0, Math.max(names.length - 1, 1)], [range[0] - 16, range[1] + 16]);
  return { at: values.map((value) => place(names.indexOf(value))), marks: names.map((name, rank) => [place(rank), name]) };
}

function scoreAxis(runs, scores, range) {
  const place = scale(scores, range);
  return { at: runs.map((run) => place(run.value)), marks: ticks(scores, 5).map((value) => [place(value), formatShort(value)]) };
}
