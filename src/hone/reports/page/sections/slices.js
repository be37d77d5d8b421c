parts.slices = (data, box) => {
  const runs = scoredRuns(data);
  const keys = [...data.keys, ...(data.has_seeds ? ["seed"] : [])];
  const value = (run, key) => key === "seed" ? run.seed : run.values[key];
  if (!runs.length || !keys.length) return box.append(emptyNote("This chart needs finished runs that differ."));
  let key = keys[0];
  let redraw = () => {};
  const draw = (width) => {
    const values = runs.map((run) => value(run, key));
    const names = [...new Set(values)].sort((one, other) => compare(one, other));
    const numbers = names.length > 8 ? numeric(values) : null;
    const ys = padded(extent(runs.map((run) => run.value)));
    const options = numbers ? { logarithmic: numbers.logarithmic } : { marks: names.map((name, place) => [place, shorten(name, Math.max(4, Math.floor((width - 80) / names.length / 7)))]) };
    const xs = numbers ? extent(numbers.values) : [-0.5, names.length - 0.5];
    if (numbers && numbers.logarithmic) options.marks = decades(xs).map((tick) => [tick, formatShort(tick)]);
    const { root, x, y } = frame(width, 260, xs, ys, { ...options, xLabel: key, label: `${data.metric.name} by ${key}` });
    runs.forEach((run, row) => {
      const place = numbers ? numbers.values[row] : names.indexOf(values[row]) + jitter(row);
      root.append(svg("circle", { cx: x(place), cy: y(run.value), r: 4, ...runMark(run, formatScore(run.value)), style: { fill: colourOf(run.group), opacity: 0.75 } }));
    });
    if (!numbers) names.forEach((name, place) => {
      const scores = runs.filter((run) => value(run, key) === name).map((run) => run.value);
      const middle = y(mean(scores));
      root.append(svg("line", { x1: x(place - 0.28), x2: x(place + 0.28), y1: middle, y2: middle, style: { stroke: "var(--ink)", strokeWidth: 2 } }));
    });
    return root;
  };
  box.append(el("div", { class: "bar" }, keys.length < 4 ? buttonRow(keys, 0, (place) => { key = keys[place]; redraw(); }) : dropdown(keys, "Key", (place) => { key = keys[place]; redraw(); })));
  redraw = drawResponsive(box, draw);
  box.append(el("p", { class: "quiet" }, `Each dot is a finished run. Each bar is the mean ${data.metric.name} of all runs with that value.`));
};

function jitter(row) {
  return ((row * 0.618034) % 1 - 0.5) * 0.34;
}
