// A button with data-index tells Python which text it stands for.

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-index]");
  if (button) trigger('pick', { index: Number(button.dataset.index) });
});
