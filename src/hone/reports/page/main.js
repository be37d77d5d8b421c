// Sets the theme and the heading, then draws every section. If one fails, the others are still drawn.
const data = JSON.parse(document.getElementById("data").textContent);
const themes = ["system", "light", "dark"];
const system = window.matchMedia("(prefers-color-scheme: dark)");
let theme = storedTheme();

function storedTheme() {
  try {
    return localStorage.getItem("hone-theme") || "system";
  } catch {
    return "system";
  }
}

function applyTheme() {
  const dark = theme === "dark" || (theme === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = { system: "◐ System", light: "☀ Light", dark: "☾ Dark" }[theme];
}

document.getElementById("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try {
    localStorage.setItem("hone-theme", theme);
  } catch { /* without storage the page starts with the system's theme next time */ }
  applyTheme();
});
system.addEventListener("change", applyTheme);
applyTheme();

const better = data.metric.higher_is_better ? "higher" : "lower";
document.getElementById("about").textContent = [
  data.state, `${data.runs.length} run${data.runs.length === 1 ? "" : "s"}`, data.sampler, `${data.metric.name}, ${better} is better`, data.seconds === null ? "" : formatDuration(data.seconds),
].filter(Boolean).join(" · ");
document.getElementById("foot").textContent = `Written by hone at ${data.written}${data.state === "running" ? "; reload to update" : ""}. This file needs no network.`;

for (const box of document.querySelectorAll("[data-part]")) {
  try {
    parts[box.dataset.part](data, box);
  } catch (error) {
    console.error(error);
    box.append(emptyNote("This part could not be drawn."));
  }
}
