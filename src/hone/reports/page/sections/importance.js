parts.importance = (data, box) => {
  if (!data.importance.length) return box.append(emptyNote("This chart needs finished runs that share the values of a key."));
  for (const item of data.importance) {
    box.append(el("div", { class: "gauge" },
      el("span", {}, item.key, item.key === "seed" ? el("span", { class: "quiet" }, " (chance)") : null),
      el("span", { class: "trough" }, el("i", { style: { width: `${(item.share * 100).toFixed(1)}%` } })),
      el("span", {}, `${(item.share * 100).toFixed(0)} %`)));
  }
  const binned = data.importance.filter((item) => item.binned).map((item) => item.key);
  box.append(el("p", { class: "quiet" }, `The share of the variance of ${data.metric.name} over finished runs that one key explains alone (epsilon squared of a one-way analysis of variance). Interactions of two keys are in neither share.${binned.length ? ` The values of ${binned.join(", ")} are grouped into quarters.` : ""}`));
};
