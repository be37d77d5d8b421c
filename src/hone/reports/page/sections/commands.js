parts.commands = (data, box) => {
  if (!data.commands.length) return box.append(emptyNote("No run has recorded its command."));
  for (const item of data.commands) box.append(commandBox(item.what, item.line));
};

function commandBox(what, line) {
  const button = el("button", { type: "button", class: "copy", onclick: async () => {
    button.textContent = await copyText(line) ? "Copied" : "Press Ctrl-C";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  } }, "Copy");
  return el("div", {}, el("div", { class: "quiet" }, what), el("div", { class: "command" }, el("pre", {}, line), button));
}

// A page opened from the disk may have no access to the clipboard. The old way works everywhere.
async function copyText(text) {
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
