parts.seeds = (data, box) => {
  const groups = data.groups.map((group, place) => ({ ...group, place })).filter((group) => group.count);
  if (!groups.some((group) => group.count > 1)) return box.append(emptyNote("This chart needs a configuration with two finished seeds: add seed=0,1,2."));
  const best = groups.slice(0, 12);
  const runsOf = (group) => scoredRuns(data).filter((run) => run.group === group.place);
  drawResponsive(box, (width) => {
    const row = 34, top = 6, bottom = 26, side = 10, height = top + bottom + row * best.length;
    const all = best.flatMap((group) => [...runsOf(group).map((run) => run.value), ...(group.margin === null ? [] : [group.mean])]);
    const span = padded(extent(all));
    const x = scale(span, [side, width - side]);
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Scores of the seeds" });
    for (const value of ticks(span, width / 90)) {
      root.append(svg("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: height - bottom }));
      root.append(svg("text", { x: x(value), y: height - 8, "text-anchor": "middle" }, formatShort(value)));
    }
    best.forEach((group, place) => {
      const y = top + row * place + 24;
      root.append(svg("text", { x: side, y: y - 9 }, shorten(group.label, Math.floor(width / 7.2))));
      if (group.margin !== null) {
        const ends = [group.mean - group.margin, group.mean + group.margin].map((value) => Math.min(Math.max(x(value), 0), width));
        root.append(svg("line", { x1: ends[0], x2: ends[1], y1: y, y2: y, style: { stroke: colourOf(group.place), strokeWidth: 6, opacity: 0.28 } }));
      }
      for (const run of runsOf(group)) root.append(svg("circle", { cx: x(run.value), cy: y, r: 4, ...runMark(run, formatScore(run.value)), style: { fill: colourOf(group.place) } }));
      root.append(svg("line", { x1: x(group.mean), x2: x(group.mean), y1: y - 7, y2: y + 7, style: { stroke: "var(--ink)", strokeWidth: 2 } }));
    });
    return root;
  });
  const rest = groups.length - best.length;
  box.append(el("p", { class: "quiet" }, `Each dot is a seed, the mark is the mean, and the pale bar is its 95 % interval (Student's t).${rest > 0 ? ` Only the best ${best.length} of ${groups.length} configurations are shown.` : ""}`));
};
