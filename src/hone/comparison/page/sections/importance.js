parts.importance = (data, box) => {
  if (!data.importance.length) return box.append(empty("This needs finished runs that repeat the values of a key."));
  for (const each of data.importance) {
    box.append(el("div", { class: "gauge" },
      el("span", {}, each.key, each.key === "seed" ? el("span", { class: "quiet" }, " (chance)") : null),
      el("span", { class: "trough" }, el("i", { style: { width: `${(each.share * 100).toFixed(1)}%` } })),
      el("span", {}, `${(each.share * 100).toFixed(0)} %`)));
  }
  const binned = data.importance.filter((each) => each.binned).map((each) => each.key);
  box.append(el("p", { class: "quiet" }, `The share of the variance of ${data.metric.name} over finished runs that goes along with a key alone (epsilon squared of a one-way analysis of variance). What two keys do only together is in neither share.${binned.length ? ` Numbers of ${binned.join(", ")} are taken by quarters.` : ""}`));
};
