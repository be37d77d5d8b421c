parts.leaderboard = (data, box) => {
  const boards = [byConfiguration(data), byRun(data)];
  let board = 0, text = "", state = "", sortedBy = [null, null], descending = [false, false];
  const scroller = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Leaderboard", onscroll: () => updateHint() });
  const hint = el("p", { class: "quiet hint", hidden: true }, "← Scroll the table sideways for more columns →");
  const updateHint = () => { hint.hidden = scroller.scrollWidth <= scroller.clientWidth + 1 || scroller.scrollLeft > 8; };
  new ResizeObserver(updateHint).observe(scroller);
  const count = el("span", { class: "quiet", id: "shown" });
  const states = ["", ...Object.keys(data.states)];

  const show = () => {
    const { columns, rows } = boards[board];
    const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = rows.filter((row) => (!state || row.states.includes(state)) && terms.every((word) => row.text.includes(word)));
    const column = columns[sortedBy[board]];
    if (column) shown.sort((one, other) => compare(column.value(one), column.value(other), descending[board] ? -1 : 1));
    const head = columns.map((shownColumn, place) => el("th", { class: shownColumn.num ? "num" : null, "aria-sort": sortedBy[board] === place ? (descending[board] ? "descending" : "ascending") : "none" },
      el("button", { type: "button", onclick: () => sortBy(place) }, `${shownColumn.name}${sortedBy[board] === place ? (descending[board] ? " ↓" : " ↑") : ""}`)));
    const body = shown.map((row) => el("tr", { onpointerenter: () => highlight(row.runs), onpointerleave: () => highlight(null) },
      columns.map((cell) => el("td", { class: cell.num ? "num" : String(cell.value(row)).length > 32 ? "long" : null }, cell.show(row)))));
    scroller.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
    updateHint();
    count.textContent = `${shown.length} of ${rows.length}`;
    filterRuns(terms.length || state ? shown.flatMap((row) => row.runs) : null);
  };
  const sortBy = (place) => {
    const first = boards[board].columns[place].descendingFirst || false;
    descending[board] = sortedBy[board] === place ? !descending[board] : first;
    sortedBy[board] = place;
    show();
  };
  box.append(el("div", { class: "bar" },
    buttonRow(["Configurations", "Runs"], 0, (place) => { board = place; show(); }),
    el("input", { type: "search", placeholder: "Filter: words in any column", "aria-label": "Filter", oninput: (event) => { text = event.target.value; show(); } }),
    dropdown(states.map((name) => name || "any state"), "State", (place) => { state = states[place]; show(); }),
    count), hint, scroller);
  show();
};

// Missing values come last in both directions.
function compare(one, other, way = 1) {
  const missing = [one, other].map((value) => value === null || value === undefined || value === "–");
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  const numbers = [Number(one), Number(other)];
  const order = numbers.some(Number.isNaN) ? String(one).localeCompare(String(other), undefined, { numeric: true }) : numbers[0] - numbers[1];
  return order * way;
}

function numberColumn(name, value, show, descendingFirst) {
  return { name, num: true, value, show: (row) => show(value(row)), descendingFirst };
}

// The metric without its split, which the head of the page names.
function bareMetric(data) {
  return data.metric.name.replace(/^validation\//, "");
}

function keyColumns(data) {
  return data.keys.map((key) => ({ name: key, value: (row) => row.values[key], show: (row) => row.values[key] ?? "–" }));
}

function byConfiguration(data) {
  const higher = data.metric.higher_is_better;
  const rows = data.groups.map((group, place) => {
    const runs = data.runs.map((run, at) => run.group === place ? at : -1).filter((at) => at >= 0);
    const states = runs.map((at) => data.runs[at].state);
    return { ...group, place, runs, states, text: [group.label, ...states].join(" ").toLowerCase() };
  });
  const columns = [
    { name: "#", value: (row) => row.place, show: (row) => [dot(row.place), String(row.place + 1)] },
    numberColumn(bareMetric(data), (row) => row.mean, formatScore, higher),
    numberColumn("± std", (row) => row.std, formatScore),
    ...keyColumns(data),
    numberColumn("95 %", (row) => row.margin, (value) => value === null ? "–" : `± ${formatScore(value)}`),
    numberColumn("best", (row) => row.best, formatScore, higher),
    numberColumn("worst", (row) => row.worst, formatScore, higher),
    { name: "runs", num: true, value: (row) => row.count, show: (row) => row.count === row.runs.length ? String(row.count) : `${row.count} of ${row.runs.length}` },
    numberColumn("p seeds", (row) => row.p_seeds, formatP),
    numberColumn("p examples", (row) => row.p_examples, formatP),
  ];
  return { columns, rows };
}

function byRun(data) {
  const higher = data.metric.higher_is_better;
  const rows = data.runs.map((run, place) => ({ ...run, place, runs: [place], states: [run.state], text: [run.name, run.state, run.reason, run.number ?? "", `seed=${run.seed}`, ...Object.entries(run.values).map(([key, value]) => `${key}=${value}`)].join(" ").toLowerCase() }));
  const rank = (row) => row.value === null ? Infinity : higher ? -row.value : row.value;
  rows.sort((one, other) => rank(one) - rank(other) || one.place - other.place);
  const columns = [
    { name: "run", value: (row) => row.number ?? row.name, show: (row) => [dot(row.group), row.number === null ? row.name : `${row.number}`] },
    numberColumn(bareMetric(data), (row) => row.value, formatScore, higher),
    { name: "state", value: (row) => row.state, show: (row) => el("span", { class: `pill ${row.state}`, title: row.reason }, row.state) },
    ...keyColumns(data),
    ...(data.has_seeds ? [{ name: "seed", num: true, value: (row) => row.seed, show: (row) => row.seed }] : []),
    ...data.others.map((name, at) => numberColumn(name, (row) => row.others[at], formatScore, higher)),
    numberColumn("took", (row) => row.seconds, formatDuration),
    { name: "folder", value: (row) => row.folder, show: (row) => row.folder || "–" },
  ];
  return { columns, rows };
}
