parts.leaderboard = (data, box) => {
  const boards = [byConfiguration(data), byRun(data)];
  let board = 0, text = "", state = "", order = [null, null], back = [false, false];
  const holder = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Leaderboard", onscroll: () => hinted() });
  const hint = el("p", { class: "quiet hint", hidden: true }, "← Scroll the table sideways for more columns →");
  const hinted = () => { hint.hidden = holder.scrollWidth <= holder.clientWidth + 1 || holder.scrollLeft > 8; };
  new ResizeObserver(hinted).observe(holder);
  const count = el("span", { class: "quiet", id: "shown" });
  const states = ["", ...Object.keys(data.states)];

  const show = () => {
    const { columns, rows } = boards[board];
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const left = rows.filter((row) => (!state || row.states.includes(state)) && words.every((word) => row.text.includes(word)));
    const column = columns[order[board]];
    if (column) left.sort((one, other) => compare(column.of(one), column.of(other), back[board] ? -1 : 1));
    const head = columns.map((each, place) => el("th", { class: each.num ? "num" : null, "aria-sort": order[board] === place ? (back[board] ? "descending" : "ascending") : "none" },
      el("button", { type: "button", onclick: () => turn(place) }, `${each.name}${order[board] === place ? (back[board] ? " ↓" : " ↑") : ""}`)));
    const body = left.map((row) => el("tr", { onpointerenter: () => heat(row.runs), onpointerleave: () => heat(null) },
      columns.map((each) => el("td", { class: each.num ? "num" : String(each.of(row)).length > 32 ? "long" : null }, each.show(row)))));
    holder.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
    hinted();
    count.textContent = `${left.length} of ${rows.length}`;
    leave(words.length || state ? left.flatMap((row) => row.runs) : null);
  };
  const turn = (place) => {
    const first = boards[board].columns[place].backwards || false;
    back[board] = order[board] === place ? !back[board] : first;
    order[board] = place;
    show();
  };
  box.append(el("div", { class: "bar" },
    choice(["Configurations", "Runs"], 0, (place) => { board = place; show(); }),
    el("input", { type: "search", placeholder: "Filter: words in any column", "aria-label": "Filter", oninput: (event) => { text = event.target.value; show(); } }),
    pick(states.map((each) => each || "any state"), "State", (place) => { state = states[place]; show(); }),
    count), hint, holder);
  show();
};

// Missing values come last in either direction.
function compare(one, other, way = 1) {
  const missing = [one, other].map((value) => value === null || value === undefined || value === "–");
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  const numbers = [Number(one), Number(other)];
  const order = numbers.some(Number.isNaN) ? String(one).localeCompare(String(other), undefined, { numeric: true }) : numbers[0] - numbers[1];
  return order * way;
}

function number(name, of, show, backwards) {
  return { name, num: true, of, show: (row) => show(of(row)), backwards };
}

// The head of the page names the split.
function bare(data) {
  return data.metric.name.replace(/^validation\//, "");
}

function keyColumns(data) {
  return data.keys.map((key) => ({ name: key, of: (row) => row.values[key], show: (row) => row.values[key] ?? "–" }));
}

function byConfiguration(data) {
  const higher = data.metric.higher_is_better;
  const rows = data.groups.map((group, place) => {
    const runs = data.runs.map((run, at) => run.group === place ? at : -1).filter((at) => at >= 0);
    const states = runs.map((at) => data.runs[at].state);
    return { ...group, place, runs, states, text: [group.label, ...states].join(" ").toLowerCase() };
  });
  const columns = [
    { name: "#", of: (row) => row.place, show: (row) => [dot(row.place), String(row.place + 1)] },
    number(bare(data), (row) => row.mean, told, higher),
    number("± std", (row) => row.std, told),
    ...keyColumns(data),
    number("95 %", (row) => row.margin, (value) => value === null ? "–" : `± ${told(value)}`),
    number("best", (row) => row.best, told, higher),
    number("worst", (row) => row.worst, told, higher),
    { name: "runs", num: true, of: (row) => row.count, show: (row) => row.count === row.runs.length ? String(row.count) : `${row.count} of ${row.runs.length}` },
    number("p seeds", (row) => row.p_seeds, chance),
    number("p examples", (row) => row.p_examples, chance),
  ];
  return { columns, rows };
}

function byRun(data) {
  const higher = data.metric.higher_is_better;
  const rows = data.runs.map((run, place) => ({ ...run, place, runs: [place], states: [run.state], text: [run.name, run.state, run.reason, run.number ?? "", `seed=${run.seed}`, ...Object.entries(run.values).map(([key, value]) => `${key}=${value}`)].join(" ").toLowerCase() }));
  const rank = (row) => row.value === null ? Infinity : higher ? -row.value : row.value;
  rows.sort((one, other) => rank(one) - rank(other) || one.place - other.place);
  const columns = [
    { name: "run", of: (row) => row.number ?? row.name, show: (row) => [dot(row.group), row.number === null ? row.name : `${row.number}`] },
    number(bare(data), (row) => row.value, told, higher),
    { name: "state", of: (row) => row.state, show: (row) => el("span", { class: `pill ${row.state}`, title: row.reason }, row.state) },
    ...keyColumns(data),
    ...(data.has_seeds ? [{ name: "seed", num: true, of: (row) => row.seed, show: (row) => row.seed }] : []),
    ...data.others.map((name, at) => number(name, (row) => row.others[at], told, higher)),
    number("took", (row) => row.seconds, lasting),
    { name: "folder", of: (row) => row.folder, show: (row) => row.folder || "–" },
  ];
  return { columns, rows };
}
