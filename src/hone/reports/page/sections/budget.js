parts.budget = (data, box) => {
  const points = data.budget;
  if (!points.some((point) => point.best !== null)) return box.append(emptyNote("No run has finished yet."));
  let by = "trial";
  let redraw = () => {};
  const draw = (width) => {
    const xs = by === "trial" ? [1, Math.max(points.length, 2)] : [0, Math.max(...points.map((point) => point.seconds), 1)];
    const ys = padded(extent(points.flatMap((point) => [point.value, point.best])));
    const { root, x, y } = frame(width, 260, xs, ys, { xLabel: by === "trial" ? "runs ended" : "since the start", formatTick: by === "trial" ? formatShort : formatDuration, label: "Best score so far" });
    const steps = [];
    for (const point of points) {
      if (point.best === null) continue;
      if (steps.length) steps.push([x(point[by]), steps[steps.length - 1][1]]);
      steps.push([x(point[by]), y(point.best)]);
    }
    root.append(svg("path", { class: "line", d: path(steps), style: { stroke: "var(--accent)", strokeWidth: 2.2 } }));
    for (const point of points.filter((ended) => ended.value !== null)) {
      const run = { ...data.runs[point.run], place: point.run };
      root.append(svg("circle", { cx: x(point[by]), cy: y(point.value), r: 3.5, ...runMark(run, `${formatScore(point.value)} after ${formatDuration(point.seconds)}`), style: { fill: colourOf(run.group), opacity: 0.8 } }));
    }
    return root;
  };
  box.append(el("div", { class: "bar" }, buttonRow(["Runs", "Time"], 0, (place) => { by = ["trial", "seconds"][place]; redraw(); })));
  redraw = drawResponsive(box, draw);
};
