// The panel's contents: the list of lessons, a step, a question with its answers, and the end.

const button = (words, onclick, attributes = {}) =>
  make("button", { type: "button", class: "ls-button", onclick, ...attributes }, words);
const primary = (words, onclick, attributes = {}) => button(words, onclick, { class: "ls-button ls-primary", ...attributes });

function frame({ heading, counted = "", part = 0, list = true }) {
  title.textContent = heading;
  count.textContent = counted;
  bar.style.width = `${Math.round(100 * part)}%`;
  root.querySelector(".ls-list").hidden = !list;
  body.replaceChildren();
  foot.replaceChildren();
  body.scrollTop = 0;
  tell("");
}

// A line under the text, with a button where something can be done about it.
function tell(words, ...buttons) {
  if (line.dataset.words === words && !line.hidden === Boolean(words)) return;
  line.dataset.words = words;
  line.hidden = !words;
  line.replaceChildren(words, ...(words ? buttons.flatMap((each) => [" ", each]) : []));
}

const say = (words) => (said.textContent = words);

function drawList() {
  const lessons = plain(props.index) ?? [];
  frame({ heading: "Lessons", list: false });
  Object.assign(panel.dataset, { lesson: "", step: "" });
  body.append(make("p", { class: "muted" },
    "Short lessons on the page itself. Each lets you predict before it shows, and counts how often you were right. What you have done is kept in this browser alone."));
  const list = make("ol", { class: "ls-lessons" });
  for (const [number, lesson] of lessons.entries()) {
    const { step, done } = mine(lesson.id);
    const state = done ? "done" : step ? `step ${step + 1} of ${lesson.count}` : `${lesson.minutes} min`;
    list.append(make("li", { class: done ? "ls-done" : "" },
      make("button", { type: "button", "data-lesson": lesson.id, onclick: () => openLesson(lesson.id) },
        make("span", { class: "ls-number num" }, `${number + 1}`),
        make("span", { class: "ls-name" }, make("strong", {}, lesson.title), make("small", {}, lesson.about)),
        make("span", { class: "ls-state muted" }, state))));
  }
  body.append(list);
  if (Object.keys(progress).length) {
    foot.append(button("Forget my progress", () => { forget(); drawList(); }));
  }
}

function drawStep() {
  const { lesson, step: number } = now;
  const step = lesson.steps[number];
  Object.assign(panel.dataset, { lesson: lesson.id, step: number });
  frame({ heading: lesson.title, counted: `${number + 1} / ${lesson.count}`, part: (number + 1) / lesson.count });
  if (step.text) body.append(make("div", { class: "ls-words", "data-text": "text", html: step.text }));
  foot.append(button("Back", () => enter(number - 1), { disabled: number === 0 }));
  if (step.target) foot.append(button("Show me where", focusTarget, { class: "ls-button ls-where" }));
  foot.append(make("span", { class: "ls-space" }));
  if (step.question) drawQuestion(step, mine(lesson.id).predictions[number]);
  else drawNext();
}

function drawNext() {
  const { lesson, step: number } = now;
  const before = foot.querySelector(".ls-next");
  const focused = before === document.activeElement;
  before?.remove();
  const last = number + 1 === lesson.count;
  const onward = () => (last ? finish() : enter(number + 1));
  const words = last ? "Finish" : "Next";
  foot.append(now.complete ? primary(words, onward, { class: "ls-button ls-primary ls-next" })
    : button("Skip", onward, { class: "ls-button ls-next", title: "Go on without doing this" }));
  if (focused) foot.lastElementChild.focus({ preventScroll: true });
}

const choices = (name, legend, values, made) => make("fieldset", { class: `ls-choices ls-${name}` },
  make("legend", {}, legend),
  ...values.map(([value, words]) => make("label", {},
    make("input", { type: "radio", name: `ls-${name}`, value, checked: `${made}` === `${value}`, disabled: made !== undefined }),
    make("span", {}, words))));

function drawQuestion(step, made) {
  const answers = ["A", "B", "same"].map((key, i) => [key, step.answers[i]]);
  body.append(make("div", { class: "ls-words ls-question", "data-text": "question", html: step.question }),
    choices("answer", "Your prediction", answers, made?.answer),
    choices("sure", "How sure are you? 50 % is a coin's toss.", CERTAINTIES.map((sure) => [sure, `${sure} %`]), made?.sure));
  if (made) {
    reveal(made);
    return;
  }
  foot.append(primary("Show the answer", () => reveal(chosen()), { class: "ls-button ls-primary ls-reveal", disabled: true }));
}

body.addEventListener("change", () => foot.querySelector(".ls-reveal")?.toggleAttribute("disabled", !chosen()));

function chosen() {
  const value = (name) => body.querySelector(`input[name=ls-${name}]:checked`)?.value;
  return value("answer") && value("sure") ? { answer: value("answer"), sure: Number(value("sure")) } : null;
}

function drawRevealed({ html, room }) {
  foot.querySelector(".ls-reveal")?.remove();
  body.querySelectorAll("input").forEach((input) => (input.disabled = true));
  body.querySelectorAll(".ls-revealed, .ls-room").forEach((each) => each.remove());
  const shown = make("div", { class: "ls-revealed", tabindex: "-1", html });
  body.append(shown, make("div", { class: "ls-room", html: room ?? "" }));
  now.complete = true;
  drawNext();
  panel.dataset.revealed = now.step;
  return shown;
}

function drawEnd(result) {
  const { lesson } = now;
  const index = plain(props.index) ?? [];
  panel.dataset.step = "end";
  const next = index[index.findIndex(({ id }) => id === lesson.id) + 1];
  frame({ heading: lesson.title, counted: "finished", part: 1 });
  body.append(make("p", {}, "That was the lesson."));
  if (result) body.append(make("div", { class: "ls-result", html: result }));
  foot.append(button("Start again", () => { forget(lesson.id); enter(0); }), make("span", { class: "ls-space" }));
  foot.append(next ? primary(`Next: ${next.title}`, () => openLesson(next.id)) : primary("All lessons", showList));
}
