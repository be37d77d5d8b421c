parts.failures = (data, box) => {
  if (!data.failures.length) return box.append(emptyNote("No run has failed."));
  for (const failure of data.failures) {
    const names = failure.runs.slice(0, 12).join(", ") + (failure.runs.length > 12 ? ` and ${failure.runs.length - 12} more` : "");
    box.append(el("details", {},
      el("summary", {}, el("span", { class: `pill ${failure.state}` }, `${failure.runs.length} ${failure.state}`), ` ${failure.cause}`),
      el("p", { class: "quiet" }, names),
      failure.tail ? [el("p", { class: "quiet" }, "The end of the log of the last such run:"), el("pre", {}, failure.tail)] : null,
      failure.command ? commandBox("Train it again", failure.command) : null));
  }
};
