// The lessons: what the other lessons_*.js share, and how the panel asks the server. Together they are
// the body of the function that Gradio runs once with element, trigger, props and watch.
// HTML comes from the server's templates and its Markdown alone, both of which escape every word; all
// else is set as textContent.

const root = element.querySelector(".lessons");
const panel = root.querySelector(".ls-panel");
const opener = root.querySelector(".ls-open");
const [title, count, bar, body, line, foot, said] =
  [".ls-title", ".ls-count", ".ls-progress i", ".ls-body", ".ls-note", ".ls-foot", ".ls-said"].map((each) => root.querySelector(each));
const CERTAINTIES = root.dataset.certainties.trim().split(" ").map(Number);

// A copy without the proxies that Gradio wraps what it gives in.
const plain = (part) => JSON.parse(JSON.stringify(part ?? null));

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (name === "html") made.innerHTML = value;
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Events in single quotes, which is how Gradio finds them.
const ASK = {
  lesson: (data) => trigger('open_lesson', data),
  figures: (data) => trigger('ask_figures', data),
  reveal: (data) => trigger('predicted', data),
  room: (data) => trigger('ask_room', data),
  result: (data) => trigger('finished', data),
};
const waiting = {};
let asked = 0;

// Resolves with the server's answer; one that was asked for earlier, of the same kind, never comes.
function ask(kind, data) {
  asked += 1;
  return new Promise((resolve) => {
    waiting[kind] = { asked, resolve };
    ASK[kind]({ ...data, asked });
  });
}

for (const kind of Object.keys(ASK)) {
  watch(kind, () => {
    const answer = plain(props[kind]);
    if (!answer || answer.asked !== waiting[kind]?.asked) return;
    const { resolve } = waiting[kind];
    delete waiting[kind];
    resolve(answer);
  });
}
