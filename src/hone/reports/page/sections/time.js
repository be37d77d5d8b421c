parts.time = (data, box) => {
  const ended = data.runs.filter((run) => run.seconds !== null && run.seconds !== undefined);
  if (!ended.length) return box.append(emptyNote("No run has ended yet."));
  const seconds = ended.map((run) => run.seconds).sort((one, other) => one - other);
  const total = seconds.reduce((sum, value) => sum + value, 0);
  const median = seconds[Math.floor(seconds.length / 2)];
  const wall = data.seconds === null ? "" : ` in ${formatDuration(data.seconds)} of wall time`;
  box.append(el("p", {}, `${formatDuration(total)} of training in all${wall}. A run takes ${formatDuration(median)} (median), from ${formatDuration(seconds[0])} to ${formatDuration(seconds[seconds.length - 1])}.`));
  const withParts = ended.filter((run) => Object.keys(run.parts).length);
  if (!withParts.length) return;
  const sums = {};
  for (const run of withParts) for (const [name, value] of Object.entries(run.parts)) sums[name] = (sums[name] || 0) + value;
  const all = Object.values(sums).reduce((sum, value) => sum + value, 0) || 1;
  for (const [name, value] of Object.entries(sums)) {
    box.append(el("div", { class: "gauge" }, el("span", {}, name),
      el("span", { class: "trough" }, el("i", { style: { width: `${(value / all * 100).toFixed(1)}%` } })),
      el("span", {}, formatDuration(value / withParts.length))));
  }
  box.append(el("p", { class: "quiet" }, `Means over ${withParts.length} run${withParts.length === 1 ? "" : "s"}, from the times in their metric logs: up to the first row, from the first row to the last, and from the last row to the end.`));
};
