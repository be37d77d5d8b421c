// A sweep with several objectives: its runs by the first two objectives, and the Pareto front of all of them.
parts.pareto = (data, box) => {
  if (!data.front) return;
  box.hidden = false;
  const [[across], [up]] = data.front.objectives;
  const all = data.runs.map((run, place) => ({ ...run, place, at: data.front.numbers[place] })).filter((run) => run.at.every((value) => value !== null) && run.state === "finished");
  if (!all.length) return box.append(emptyNote("No run has finished with all objectives yet."));
  const describe = (run) => data.front.objectives.map(([name], place) => `${name} ${formatScore(run.at[place])}`).join("\n");
  const front = new Set(data.front.runs);
  drawResponsive(box, (width) => {
    const [xs, ys] = [0, 1].map((place) => padded(extent(all.map((run) => run.at[place]))));
    const { root, x, y } = frame(width, 300, xs, ys, { xLabel: across, label: `${up} by ${across}` });
    const line = all.filter((run) => front.has(run.place)).sort((one, other) => one.at[0] - other.at[0]);
    if (data.front.objectives.length === 2) root.append(svg("path", { class: "line", style: { stroke: "var(--accent)" }, d: path(line.map((run) => [x(run.at[0]), y(run.at[1])])) }));
    for (const run of all) root.append(svg("circle", { cx: x(run.at[0]), cy: y(run.at[1]), r: front.has(run.place) ? 6 : 3.5, ...runMark(run, describe(run)), style: { fill: colourOf(run.group), opacity: front.has(run.place) ? 1 : 0.5 } }));
    return root;
  });
  const objectives = data.front.objectives.map(([name, direction]) => `${name} (${direction})`).join(", ");
  box.append(el("p", { class: "quiet" }, `${up} by ${across}. The large dots are the Pareto front of ${objectives}: no other run is at least as good in all of them and better in one.`));
};
