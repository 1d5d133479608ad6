// A button with data-index sends the number of its text to Python.

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-index]");
  if (button) trigger('pick', { index: Number(button.dataset.index) });
});
