// Which runs are pointed at, and which the leaderboard's filter leaves: every chart follows.
let wanted = null;

function heat(runs) {
  const chosen = runs ? new Set(runs.map(String)) : null;
  for (const node of document.querySelectorAll("svg [data-run]")) node.classList.toggle("hot", Boolean(chosen && chosen.has(node.dataset.run)));
  for (const node of document.querySelectorAll(".draw")) node.classList.toggle("dim", Boolean(chosen));
}

function faded(root) {
  for (const node of root.querySelectorAll("[data-run]")) node.classList.toggle("off", Boolean(wanted && !wanted.has(Number(node.dataset.run))));
}

function leave(runs) {
  wanted = runs ? new Set(runs) : null;
  faded(document);
}
