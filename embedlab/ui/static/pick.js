// A button with data-index sends the number of its text to Python; one with data-get asks for a file.

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-index]");
  if (button) trigger('pick', { index: Number(button.dataset.index) });
  if (event.target.closest("[data-get=csv]")) trigger('save', {});
});
