// Downloads of a study's files: a button asks Python for a file, and its answer is saved.

const [VALUE] = "value".split(" ");
const TYPES = { json: "application/json", csv: "text/csv", html: "text/html" };

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-file]");
  if (button) trigger('download', { name: button.dataset.file });
});

watch(VALUE, () => {
  const file = props[VALUE];
  if (!file) return;
  const type = TYPES[file.name.split(".").pop()];
  const mark = type === "text/csv" ? ["\ufeff"] : []; // spreadsheets need it, JSON forbids it
  const url = URL.createObjectURL(new Blob([...mark, file.text], { type }));
  save(file.name, url);
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});
