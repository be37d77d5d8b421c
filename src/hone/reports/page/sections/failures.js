parts.failures = (data, box) => {
  if (!data.failures.length) return box.append(empty("No run has failed."));
  for (const each of data.failures) {
    const names = each.runs.slice(0, 12).join(", ") + (each.runs.length > 12 ? ` and ${each.runs.length - 12} more` : "");
    box.append(el("details", {},
      el("summary", {}, el("span", { class: `pill ${each.state}` }, `${each.runs.length} ${each.state}`), ` ${each.cause}`),
      el("p", { class: "quiet" }, names),
      each.tail ? [el("p", { class: "quiet" }, "The end of the log of the last such run:"), el("pre", {}, each.tail)] : null,
      each.command ? command("Train it again", each.command) : null));
  }
};
