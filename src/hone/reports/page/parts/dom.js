// Elements and text. Text is always text: nothing here reads markup, so that no name can become code.
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

function empty(text) {
  return el("p", { class: "empty" }, text);
}

// A row of buttons of which one is pressed.
function choice(labels, start, chosen) {
  const buttons = labels.map((label, place) =>
    el("button", { type: "button", "aria-pressed": String(place === start), onclick: () => {
      buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === place)));
      chosen(place);
    } }, label));
  return buttons;
}

function pick(labels, title, chosen) {
  const options = labels.map((label, place) => el("option", { value: place }, label));
  return el("select", { "aria-label": title, onchange: (event) => chosen(Number(event.target.value)) }, options);
}

// Draws now, and again whenever the available width changes.
function drawn(box, draw, least) {
  const place = el("div", { class: least ? "draw sideways" : "draw" });
  box.append(place);
  let width = 0;
  const again = () => {
    width = Math.max(Math.floor(place.clientWidth), 1);
    place.replaceChildren(draw(Math.max(width, least || 0)));
    faded(place);
  };
  new ResizeObserver(() => { if (Math.floor(place.clientWidth) !== width) again(); }).observe(place);
  again();
  return again;
}

const tip = document.getElementById("tip");

function point(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(event.clientX + 14, 6), window.innerWidth - width - 6);
  const below = event.clientY + 18;
  tip.style.left = `${left}px`;
  tip.style.top = `${below + height > window.innerHeight ? event.clientY - height - 12 : below}px`;
}

function unpoint() {
  tip.hidden = true;
}

// What a mark of a run needs: the run's number for filters, and its name and values in the tip.
function marked(run, text) {
  return {
    "data-run": run.place,
    onpointermove: (event) => { heat([run.place]); point(event, `${title(run)}\n${text}`); },
    onpointerleave: () => { heat(null); unpoint(); },
  };
}

function title(run) {
  const values = Object.entries(run.values).map(([key, value]) => `${key}=${value}`);
  return [...values, run.seed === "–" ? null : `seed=${run.seed}`].filter(Boolean).join(" ") || run.name;
}

// The finished runs that have a score, each with its place among all runs.
function scored(data) {
  return data.runs.map((run, place) => ({ ...run, place })).filter((run) => run.value !== null && run.state === "finished");
}

function mean(values) {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}
