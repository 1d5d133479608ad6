// The tools of a selection: each tells Python what to do; ids are copied here, where the press allows it.

const said = (words) => {
  const line = element.querySelector(".selection-said");
  if (line) Object.assign(line, { textContent: words, hidden: false });
};

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
