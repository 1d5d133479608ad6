// A button with data-index sends the number of its text to Python, with data-grade a judgement of it;
// one with data-get asks for a file, one with data-clear for the end of what it stands beside.

const [VALUE] = "value".split(" ");
let pressed = null;

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-index]");
  if (button) {
    const { index, grade } = button.dataset;
    const judged = grade === undefined ? {} : { grade: Number(grade) };
    pressed = grade === undefined ? null : `[data-index="${index}"][data-grade="${grade}"]`;
    trigger('pick', { index: Number(index), ...judged });
  }
  if (event.target.closest("[data-get=csv]")) trigger('save', {});
  if (event.target.closest("[data-clear]")) trigger('clear', {});
});
// The answer draws the list anew: whoever judges by keyboard goes on from the same button.
watch(VALUE, () => {
  if (pressed) requestAnimationFrame(() => element.querySelector(pressed)?.focus());
});
