// The highlighted runs, and the runs that pass the leaderboard's filter. Every chart follows both.
let filteredRuns = null;

function highlight(runs) {
  const chosen = runs ? new Set(runs.map(String)) : null;
  for (const node of document.querySelectorAll("svg [data-run]")) node.classList.toggle("hot", Boolean(chosen && chosen.has(node.dataset.run)));
  for (const node of document.querySelectorAll(".draw")) node.classList.toggle("dim", Boolean(chosen));
}

function applyFilter(root) {
  for (const node of root.querySelectorAll("[data-run]")) node.classList.toggle("off", Boolean(filteredRuns && !filteredRuns.has(Number(node.dataset.run))));
}

function filterRuns(runs) {
  filteredRuns = runs ? new Set(runs) : null;
  applyFilter(document);
}
