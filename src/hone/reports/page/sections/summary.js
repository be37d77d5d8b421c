parts.summary = (data, box) => {
  const [lead, ...others] = data.verdict;
  box.append(el("p", { class: "lead" }, lead));
  for (const line of [...others, ...data.notes]) box.append(el("p", {}, line));
  box.append(el("div", { class: "legend" }, Object.entries(data.states).map(([state, count]) => el("span", { class: `pill ${state}` }, `${count} ${state}`))));
};
