parts.time = (data, box) => {
  const known = data.runs.filter((run) => run.seconds !== null && run.seconds !== undefined);
  if (!known.length) return box.append(empty("No run has ended yet."));
  const seconds = known.map((run) => run.seconds).sort((one, other) => one - other);
  const total = seconds.reduce((sum, each) => sum + each, 0);
  const middle = seconds[Math.floor(seconds.length / 2)];
  const wall = data.seconds === null ? "" : ` in ${lasting(data.seconds)} of wall time`;
  box.append(el("p", {}, `${lasting(total)} of training in all${wall}. A run takes ${lasting(middle)} (median), from ${lasting(seconds[0])} to ${lasting(seconds[seconds.length - 1])}.`));
  const parted = known.filter((run) => Object.keys(run.parts).length);
  if (!parted.length) return;
  const sums = {};
  for (const run of parted) for (const [name, value] of Object.entries(run.parts)) sums[name] = (sums[name] || 0) + value;
  const all = Object.values(sums).reduce((sum, each) => sum + each, 0) || 1;
  for (const [name, value] of Object.entries(sums)) {
    box.append(el("div", { class: "gauge" }, el("span", {}, name),
      el("span", { class: "trough" }, el("i", { style: { width: `${(value / all * 100).toFixed(1)}%` } })),
      el("span", {}, lasting(value / parted.length))));
  }
  box.append(el("p", { class: "quiet" }, `Means over ${parted.length} run${parted.length === 1 ? "" : "s"}, from the times in their logs of metrics: up to the first row, from the first row to the last, and from the last row to the end.`));
};
