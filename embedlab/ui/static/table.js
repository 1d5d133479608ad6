// Score tables as CSV: the button in a table's caption saves that table.

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-get=table]");
  if (!button) return;
  const { rows } = button.closest("figure").querySelector("table");
  const texts = [...rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  saveText(`${button.dataset.name}.csv`, csvText(button.dataset.caption, texts));
});
