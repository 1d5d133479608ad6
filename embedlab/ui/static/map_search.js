// The linked map: the search in the page's own texts, and the texts nearest to a query. Follows
// linked_map.js in the same function.

const field = find(".lm-search input");
const oneLine = (text) => text.replaceAll(/\s+/g, " ").trim();

// Lights the texts that contain these words as they stand, whatever the case.
function search(words) {
  const query = oneLine(words).toLowerCase();
  const { lower, most } = state.texts;
  state.query = query;
  state.hits = query ? lower.flatMap((text, i) => (text.includes(query) && shown(i) ? [i] : [])) : null;
  element.dataset.matches = state.hits?.length ?? "";
  const where = most ? ` in the first ${counted(most)} characters of each` : "";
  say(state.hits ? `${counted(state.hits.length)} of ${counted(lower.length)} texts match${where}` : "");
  find(".lm-take").hidden = !state.hits?.length;
}

function say(words) {
  find(".lm-count").textContent = words;
}

function typed() {
  state.found = null;
  if (!state.points) return;
  search(field.value);
  drawSelection();
}

// Something was selected since: that is bright now. The words stay in the field.
function leaveSearch() {
  if (state.query || state.found) search("");
  state.found = null;
}

function endSearch() {
  if (state.found) tell("find", { query: "" });
  field.value = "";
  typed();
}

// Both designs' nearest texts, unless something else was typed or asked since; or a query to ask for them.
function takeFound(found) {
  if (found.ask) return ask(found.query);
  if (oneLine(field.value) !== found.query) return;
  state.found = found;
  find(".lm-take").hidden = true;
  say(`The ${counted(found.a.length)} nearest under A and under B`);
  drawSelection();
}

function ask(query) {
  field.value = query;
  typed();
  if (!query) return;
  say("Asking both designs …");
  tell("find", { query: oneLine(query) });
}

function onSearchKey(event) {
  if (event.isComposing) return;
  if (event.key === "Escape") endSearch();
  else if (event.key === "Enter" && state.query) ask(field.value);
  else return;
  event.preventDefault();
}

field.addEventListener("input", typed);
field.addEventListener("keydown", onSearchKey);
find(".lm-take").addEventListener("click", () => {
  const indices = state.hits ?? [];
  endSearch();
  if (indices.length) takeLasso(indices);
});
document.addEventListener("keydown", (event) => {
  const writing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || !root.offsetWidth) return;
  event.preventDefault();
  field.focus();
});
