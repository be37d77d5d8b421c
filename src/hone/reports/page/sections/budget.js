parts.budget = (data, box) => {
  const points = data.budget;
  if (!points.some((each) => each.best !== null)) return box.append(empty("No run has finished yet."));
  let by = "trial";
  let again = () => {};
  const draw = (width) => {
    const xs = by === "trial" ? [1, Math.max(points.length, 2)] : [0, Math.max(...points.map((each) => each.seconds), 1)];
    const ys = padded(extent(points.flatMap((each) => [each.value, each.best])));
    const { root, x, y } = frame(width, 260, xs, ys, { below: by === "trial" ? "runs ended" : "since the start", tell: by === "trial" ? brief : lasting, label: "Best score so far" });
    const steps = [];
    for (const each of points) {
      if (each.best === null) continue;
      if (steps.length) steps.push([x(each[by]), steps[steps.length - 1][1]]);
      steps.push([x(each[by]), y(each.best)]);
    }
    root.append(svg("path", { class: "line", d: path(steps), style: { stroke: "var(--accent)", strokeWidth: 2.2 } }));
    for (const each of points.filter((every) => every.value !== null)) {
      const run = { ...data.runs[each.run], place: each.run };
      root.append(svg("circle", { cx: x(each[by]), cy: y(each.value), r: 3.5, ...marked(run, `${told(each.value)} after ${lasting(each.seconds)}`), style: { fill: colourOf(run.group), opacity: 0.8 } }));
    }
    return root;
  };
  box.append(el("div", { class: "bar" }, choice(["Runs", "Time"], 0, (place) => { by = ["trial", "seconds"][place]; again(); })));
  again = drawn(box, draw);
};
