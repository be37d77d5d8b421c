// Theme, heading, then every section; one that fails does not take the others with it.
const data = JSON.parse(document.getElementById("data").textContent);
const themes = ["system", "light", "dark"];
const system = window.matchMedia("(prefers-color-scheme: dark)");
let theme = stored();

function stored() {
  try {
    return localStorage.getItem("hone-theme") || "system";
  } catch {
    return "system";
  }
}

function dress() {
  const dark = theme === "dark" || (theme === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = { system: "◐ System", light: "☀ Light", dark: "☾ Dark" }[theme];
}

document.getElementById("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try {
    localStorage.setItem("hone-theme", theme);
  } catch { /* a page that may not remember starts with the system's */ }
  dress();
});
system.addEventListener("change", dress);
dress();

const better = data.metric.higher_is_better ? "higher" : "lower";
document.getElementById("about").textContent = [
  data.state, `${data.runs.length} runs`, data.sampler, `${data.metric.name}, ${better} is better`, data.seconds === null ? "" : lasting(data.seconds),
].filter(Boolean).join(" · ");
document.getElementById("foot").textContent = `Written ${data.written} by hone${data.state === "running" ? "; reload for news" : ""}. This file needs no network.`;

for (const box of document.querySelectorAll("[data-part]")) {
  try {
    parts[box.dataset.part](data, box);
  } catch (error) {
    console.error(error);
    box.append(empty("This part could not be drawn."));
  }
}
