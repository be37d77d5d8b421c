parts.curves = (data, box) => {
  if (!data.curves.length) return box.append(emptyNote("No run has been evaluated yet."));
  let name = data.curves[0];
  const note = el("p", { class: "quiet", role: "note" });
  let redraw = () => {};
  const runs = data.runs.map((run, place) => ({ ...run, place })).sort((one, other) => other.group - one.group);

  const draw = (width) => {
    const lines = runs.filter((run) => (run.curves[name] || []).length);
    const points = lines.flatMap((run) => run.curves[name]);
    const steps = extent(points.map(([step]) => step));
    // A single evaluation has no extent, so its axis starts at step 0.
    const single = new Set(points.map(([step]) => step)).size === 1;
    note.textContent = single ? `Only one evaluation (step ${points[0][0]}): a curve needs several; set evaluate_every to a shorter interval or train longer.` : "";
    const xs = single ? [0, points[0][0] * 1.1 || 1] : steps, ys = padded(extent(points.map(([, value]) => value)));
    const { root, x, y } = frame(width, Math.min(380, Math.max(240, width * 0.42)), xs, ys, { xLabel: "step", label: `${name} by step` });
    for (const run of lines) {
      const curve = run.curves[name].map(([step, value]) => [x(step), y(value)]);
      const paint = { "data-run": run.place, style: { stroke: colourOf(run.group), fill: colourOf(run.group) } };
      root.append(curve.length > 1 ? svg("path", { ...paint, class: "line", style: { stroke: colourOf(run.group) }, d: path(curve) }) : svg("circle", { ...paint, cx: curve[0][0], cy: curve[0][1], r: 3 }));
    }
    const mark = svg("circle", { r: 4, visibility: "hidden", style: { fill: "var(--ink)" } });
    root.append(mark);
    hover(root, lines, name, x, y, mark);
    return root;
  };
  box.append(el("div", { class: "bar" }, buttonRow(data.curves, 0, (place) => { name = data.curves[place]; redraw(); })));
  redraw = drawResponsive(box, draw);
  box.append(note, legend(data));
};

function hover(root, lines, name, x, y, mark) {
  const move = (event) => {
    const at = root.getBoundingClientRect();
    const [px, py] = [event.clientX - at.left, event.clientY - at.top];
    let nearest = null, least = 40 ** 2;
    for (const run of lines) {
      if (filteredRuns && !filteredRuns.has(run.place)) continue;
      for (const [step, value] of run.curves[name]) {
        const distance = (x(step) - px) ** 2 + (y(value) - py) ** 2;
        if (distance < least) { least = distance; nearest = { run, step, value }; }
      }
    }
    if (!nearest) return out();
    mark.setAttribute("cx", x(nearest.step));
    mark.setAttribute("cy", y(nearest.value));
    mark.setAttribute("visibility", "visible");
    highlight([nearest.run.place]);
    showTip(event, `${runTitle(nearest.run)}\nstep ${nearest.step}: ${formatScore(nearest.value)}`);
  };
  const out = () => { mark.setAttribute("visibility", "hidden"); highlight(null); hideTip(); };
  root.addEventListener("pointermove", move);
  root.addEventListener("pointerdown", move);
  root.addEventListener("pointerleave", out);
}

function legend(data) {
  const shown = data.groups.slice(0, 8).map((group, place) => el("span", {}, dot(place), shorten(group.label, 60)));
  const rest = data.groups.length > 8 ? [el("span", {}, dot(8), `${data.groups.length - 8} more`)] : [];
  return el("div", { class: "legend" }, shown, rest);
}
