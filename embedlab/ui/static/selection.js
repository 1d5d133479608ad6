// The tools of a selection: each tells Python what to do; ids are copied here, where the press allows it.

const said = (words) => {
  const line = element.querySelector(".selection-said");
  if (line) Object.assign(line, { textContent: words, hidden: false });
};

// Without https, as in a classroom, there is no clipboard to write to, but a selected text is copied.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

const ASK = {
  only: () => trigger('only', {}),
  hide: () => trigger('hide', {}),
  compare: () => trigger('compare', {}),
  forget: () => trigger('forget', {}),
  deselect: () => trigger('deselect', {}),
  back: () => trigger('back', {}),
  keep: (name) => trigger('keep', { name }),
  leave: (name) => trigger('leave', { name }),
};

element.addEventListener("click", (event) => {
  const { do: action, copy: ids, kind } = event.target.closest("button")?.dataset ?? {};
  if (action) ASK[action]?.(element.querySelector("[data-name]")?.value ?? "");
  if (kind) trigger('download', { kind });
  if (ids === undefined) return;
  copy(ids).then(
    () => said(`${ids.split("\n").length} ids are copied.`),
    () => said("The browser does not let the page copy; download them as CSV."),
  );
});
