// Tables that a press on a column's name sorts and words filter: a row stays if it has all of them.

const textOf = (row, column) => row.cells[column].textContent.trim();

function sortRows(head) {
  const table = head.closest("table");
  const column = head.cellIndex;
  const rows = [...table.tBodies[0].rows];
  const numbers = new Map(rows.map((row) => [row, Number.parseFloat(textOf(row, column))]));
  const numeric = [...numbers.values()].some(Number.isFinite);
  // Numbers begin with the highest, words with the first.
  const before = head.getAttribute("aria-sort") || (numeric ? "ascending" : "descending");
  const order = before === "ascending" ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  const number = (row) => numbers.get(row);
  rows.sort((a, b) => {
    if (!numeric) return sign * textOf(a, column).localeCompare(textOf(b, column));
    if (!Number.isFinite(number(a))) return Number.isFinite(number(b)) ? 1 : 0;
    return Number.isFinite(number(b)) ? sign * (number(a) - number(b)) : -1;
  });
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  table.tBodies[0].append(...rows);
}

function filterRows(box) {
  const figure = box.closest("figure");
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...figure.querySelector("table").tBodies[0].rows];
  for (const row of rows) {
    const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  figure.querySelector("[data-shown]").textContent = `${shown} of ${rows.length}`;
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-sort]");
  if (button) sortRows(button.closest("th"));
});
element.addEventListener("input", (event) => {
  if (event.target.matches("[data-filter]")) filterRows(event.target);
});
