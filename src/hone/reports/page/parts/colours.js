// The first eight configurations have a colour each, the others are grey. Better scores have deeper colours.
function colourOf(group) {
  return group < 8 ? `var(--s${group})` : "var(--muted)";
}

function scoreColour(share) {
  const at = Math.min(Math.max(share, 0), 1);
  const [from, to, part] = at < 0.5 ? ["--low", "--mid", at * 2] : ["--mid", "--high", at * 2 - 1];
  return `color-mix(in oklab, var(${from}) ${Math.round((1 - part) * 100)}%, var(${to}))`;
}

function dot(group) {
  return el("span", { class: "dot", style: { background: colourOf(group) } });
}
