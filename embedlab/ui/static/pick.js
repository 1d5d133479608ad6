// A button with data-index sends the number of its text to Python; one with data-get asks for a file,
// one with data-clear for the end of what it stands beside.

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-index]");
  if (button) trigger('pick', { index: Number(button.dataset.index) });
  if (event.target.closest("[data-get=csv]")) trigger('save', {});
  if (event.target.closest("[data-clear]")) trigger('clear', {});
});
