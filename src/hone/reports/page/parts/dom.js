// Elements and text. Text is never parsed as markup, so no name can become code.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function emptyNote(text) {
  return el("p", { class: "empty" }, text);
}

// A row of buttons, one of which is pressed.
function buttonRow(labels, start, onChoose) {
  const buttons = labels.map((label, place) =>
    el("button", { type: "button", "aria-pressed": String(place === start), onclick: () => {
      buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === place)));
      onChoose(place);
    } }, label));
  return buttons;
}

function dropdown(labels, title, onChoose) {
  const options = labels.map((label, place) => el("option", { value: place }, label));
  return el("select", { "aria-label": title, onchange: (event) => onChoose(Number(event.target.value)) }, options);
}

// Draws now, and redraws whenever the available width changes. Returns the function that redraws.
function drawResponsive(box, draw, least) {
  const place = el("div", { class: least ? "draw sideways" : "draw" });
  box.append(place);
  let width = 0;
  const redraw = () => {
    width = Math.max(Math.floor(place.clientWidth), 1);
    place.replaceChildren(draw(Math.max(width, least || 0)));
    applyFilter(place);
  };
  new ResizeObserver(() => { if (Math.floor(place.clientWidth) !== width) redraw(); }).observe(place);
  redraw();
  return redraw;
}

const tip = document.getElementById("tip");

function showTip(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(event.clientX + 14, 6), window.innerWidth - width - 6);
  const below = event.clientY + 18;
  tip.style.left = `${left}px`;
  tip.style.top = `${below + height > window.innerHeight ? event.clientY - height - 12 : below}px`;
}

function hideTip() {
  tip.hidden = true;
}

// The attributes of a run's mark: the run's place for filters, and a tip with its name and values.
function runMark(run, text) {
  return {
    "data-run": run.place,
    onpointermove: (event) => { highlight([run.place]); showTip(event, `${runTitle(run)}\n${text}`); },
    onpointerleave: () => { highlight(null); hideTip(); },
  };
}

function runTitle(run) {
  const values = Object.entries(run.values).map(([key, value]) => `${key}=${value}`);
  return [...values, run.seed === "–" ? null : `seed=${run.seed}`].filter(Boolean).join(" ") || run.name;
}

// The finished runs that have a score, each with its place among all runs.
function scoredRuns(data) {
  return data.runs.map((run, place) => ({ ...run, place })).filter((run) => run.value !== null && run.state === "finished");
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
