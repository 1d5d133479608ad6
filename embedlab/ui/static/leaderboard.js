// A row's buttons make its design A or B; the caption's button asks for the table as a file.

element.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-side]");
  if (button) trigger('pick', { name: button.dataset.name, side: button.dataset.side });
  if (target.closest("[data-get=csv]")) trigger('save', {});
});
