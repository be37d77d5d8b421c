parts.commands = (data, box) => {
  if (!data.commands.length) return box.append(empty("No run has recorded its command."));
  for (const each of data.commands) box.append(command(each.what, each.line));
};

function command(what, line) {
  const button = el("button", { type: "button", class: "copy", onclick: async () => {
    button.textContent = await copied(line) ? "Copied" : "Press Ctrl-C";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  } }, "Copy");
  return el("div", {}, el("div", { class: "quiet" }, what), el("div", { class: "command" }, el("pre", {}, line), button));
}

// A page from the disk may have no clipboard to write to; the old way works everywhere.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { style: { position: "fixed", opacity: 0 } });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
