// How a lesson goes: opening one, its steps, what completes them, predictions, and the end; and how the
// panel opens and closes. The last file of the lessons' function.

// Milliseconds between two looks at the page.
const LOOK = 200;
// Milliseconds between two looks at what the class says, and where this browser's name is kept.
const ROOM = 4000;
const WHO = "embedlab browser";
let unkept = "";
let byKey = false;
const now = { lesson: null, asked: "", step: 0, complete: false, arrived: false, since: 0, before: {}, asking: 0 };
const current = () => now.lesson?.steps[now.step];
const inStep = () => now.lesson !== null && now.step < now.lesson.count;

// --- a lesson ----------------------------------------------------------------------------------

async function openLesson(id) {
  const asking = (now.asking += 1);
  showPanel();
  Object.assign(now, { lesson: null, asked: id });
  frame({ heading: "Lessons" });
  body.append(make("p", { class: "muted" }, "Opening the lesson…"));
  const lesson = await ask("lesson", { lesson: id });
  if (asking !== now.asking) return;
  if (lesson.error) {
    showList();
    tell(lesson.error);
    return;
  }
  now.lesson = lesson;
  address(lesson.id);
  const { step, done } = mine(lesson.id);
  enter(done ? 0 : Math.min(step, lesson.count - 1));
  fetchFigures(lesson);
}

// The figures of the texts come step by step, from the open one on: they take a while where the model is
// not there yet. Then what the answers need is computed, so that they are there when they are asked for.
async function fetchFigures(lesson) {
  const begun = now.step;
  const later = (numbers) => numbers.toSorted((x, y) => (x < begun) - (y < begun) || x - y);
  const asks = [...later(lesson.figures).map((step) => ({ step })), ...later(lesson.questions).map((step) => ({ step, ahead: true }))];
  lesson.coming = new Set(lesson.figures);
  for (const each of asks) {
    const { text, question, error } = await ask("figures", { lesson: lesson.id, ...each });
    if (now.lesson !== lesson) return;
    if (each.ahead) continue;
    lesson.coming.delete(each.step);
    Object.assign(lesson.steps[each.step], error ? { failed: error } : { text, question });
    if (now.step === each.step) {
      body.querySelectorAll("[data-text]").forEach((part) => (part.innerHTML = current()[part.dataset.text]));
    }
  }
}

function enter(number) {
  Object.assign(now, { step: number, arrived: false, since: performance.now(), before: actions() });
  const step = current();
  now.complete = step.done === "next" && !step.question;
  keep(now.lesson.id, { step: number });
  drawStep();
  say(`Step ${number + 1} of ${now.lesson.count}`);
  body.focus({ preventScroll: true });
  pointAnew(step.target);
  // A query or a selection of the step's own is set once, and then free to change.
  if (strayed(step)?.length !== 0 || step.own.some((key) => !WORDS[key])) goTo(step);
  look();
}

// Whoever did it by keyboard goes on from the panel, without looking for the way back to it.
function complete() {
  now.complete = true;
  drawNext();
  say("Done.");
  if (byKey && !root.contains(document.activeElement)) foot.querySelector(".ls-next").focus({ preventScroll: true });
}

async function reveal(made) {
  const { lesson, step: number } = now;
  const first = !mine(lesson.id).predictions[number];
  foot.querySelector(".ls-reveal")?.toggleAttribute("disabled", true);
  body.querySelectorAll("input").forEach((input) => (input.disabled = true));
  const here = () => now.lesson === lesson && now.step === number;
  const wait = setTimeout(() => here() && tell(slow()), 700);
  const question = { lesson: lesson.id, step: number, class: room(), who: who() };
  const answer = await ask("reveal", { ...question, answer: made.answer, sure: made.sure, first });
  clearTimeout(wait);
  if (!here()) return;
  tell("");
  if (answer.error) {
    tell(answer.error, button("Try again", () => { tell(""); reveal(made); }));
    now.complete = true; // one can go on without
    drawNext();
    return;
  }
  const predictions = { ...mine(lesson.id).predictions, [number]: { answer: made.answer, sure: made.sure, right: answer.right } };
  keep(lesson.id, { predictions });
  const shown = drawRevealed(answer);
  if (first) shown.focus({ preventScroll: true });
  body.scrollTop = shown.offsetTop - body.offsetTop - 8;
  if (room()) followRoom(question, here);
}

// What the class predicts comes in while its answer is on the screen.
async function followRoom(question, here) {
  const place = body.querySelector(".ls-room");
  while (here() && place.isConnected) {
    await new Promise((done) => setTimeout(done, ROOM));
    if (panel.hidden || document.hidden) continue;
    const { html } = await ask("room", question);
    if (html !== undefined && html !== place.dataset.html) place.innerHTML = place.dataset.html = html;
  }
}

const room = () => new URLSearchParams(window.location.search).get("class") ?? "";

// A random name of this browser, so that a class counts each of its members once.
function who() {
  const made = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
  try {
    if (!localStorage.getItem(WHO)) localStorage.setItem(WHO, made());
    return localStorage.getItem(WHO).slice(0, 60);
  } catch {
    return (unkept ||= made());
  }
}

const slow = () => (now.lesson?.loading && !props.view
  ? "The model is still being loaded; the figures come when it is there."
  : "The figures are being computed.");

async function finish() {
  const { lesson } = now;
  keep(lesson.id, { done: true, step: 0 });
  const here = predictionsOf(lesson.id);
  const everywhere = allPredictions();
  now.step = lesson.count;
  pointAt("");
  drawEnd("");
  body.focus({ preventScroll: true });
  if (!everywhere.length) return;
  const { html, error } = await ask("result", { here, everywhere });
  if (now.lesson !== lesson || inStep()) return;
  drawEnd(html ?? "");
  if (error) tell(error);
}

// --- what happens on the page ------------------------------------------------------------------

function look() {
  if (panel.hidden || !inStep()) return;
  const step = current();
  const words = strayed(step);
  const there = pointAt(step.target);
  if (words !== null && !words.length) now.arrived = true;
  if (!now.complete && !step.question && isComplete(step, now.before)) complete();
  saySituation(step, words, there);
}

// One line about the page: it is on its way to the step's state, it has left it, or lacks the target.
function saySituation(step, words, there) {
  const late = performance.now() - now.since;
  const back = () => button("Back to the lesson’s view", goBack, { class: "ls-button ls-back" });
  if (waiting.reveal) return;
  if (words?.length && (now.arrived || late > PATIENCE)) {
    tell(`This step needs ${words.join(", ")}; the page shows something else.`, back());
  } else if (words === null || words.length) {
    if (late > 1500) tell(words === null ? slow() : "The lesson’s view is on its way.");
  } else if (!there && late > 4000) {
    tell("What this step points at is not on the page; you can go on without it.", back());
  } else if (step.failed) {
    tell(step.failed);
  } else if (now.lesson.coming?.has(now.step) && late > 1500) {
    tell(slow());
  } else {
    tell("");
  }
}

function goBack() {
  Object.assign(now, { arrived: false, since: performance.now() });
  pointAnew(current().target);
  tell("The lesson’s view is on its way.");
  goTo(current());
  look();
}

// A press on the target completes a step that asks for it; by keyboard, too.
function pressed(event) {
  if (panel.hidden || !inStep() || now.complete || current().done !== "click") return;
  if (event.type === "keydown" && !["Enter", " "].includes(event.key)) return;
  if (pointed.element?.contains(event.target)) complete();
}

// --- the panel ---------------------------------------------------------------------------------

function showPanel() {
  panel.hidden = false;
  opener.setAttribute("aria-expanded", "true");
  root.classList.add("ls-shown");
}

function showList() {
  now.asking += 1;
  now.lesson = null;
  address("");
  showPanel();
  pointAt("");
  drawList();
  body.focus({ preventScroll: true });
}

function closePanel() {
  panel.hidden = true;
  opener.setAttribute("aria-expanded", "false");
  root.classList.remove("ls-shown");
  opener.textContent = inStep() ? `Lesson: go on` : "Lessons";
  address("");
  drawRing();
  opener.focus({ preventScroll: true });
}

function reopen() {
  if (!inStep()) {
    showList();
    return;
  }
  showPanel();
  address(now.lesson.id);
  enter(now.step);
}

// Escape closes the panel; from elsewhere on the page it leads back to it first, unless what has the
// focus needs it: an open list, or a search that it clears.
function escaped(event) {
  if (event.key !== "Escape" || panel.hidden) return;
  const focus = document.activeElement;
  if (root.contains(focus) || focus === document.body) {
    event.preventDefault();
    closePanel();
  } else if (!event.defaultPrevented && focus.getAttribute("aria-expanded") !== "true" && !(focus.type === "search" && focus.value)) {
    (foot.querySelector(".ls-next") ?? body).focus({ preventScroll: true });
  }
}

// The address carries the lesson.
function address(id) {
  window.embedlab?.setLesson?.(id);
}

opener.addEventListener("click", () => (panel.hidden ? reopen() : closePanel()));
root.querySelector(".ls-close").addEventListener("click", closePanel);
root.querySelector(".ls-list").addEventListener("click", showList);
document.addEventListener("keydown", () => (byKey = true), true);
document.addEventListener("pointerdown", () => (byKey = false), true);
document.addEventListener("keydown", escaped);
document.addEventListener("click", pressed, true);
document.addEventListener("keydown", pressed, true);
setInterval(look, LOOK);
// Room at the ends of the page and of the sidebar, so that nothing has to stay under the panel.
new ResizeObserver(() => {
  const height = panel.hidden ? 0 : panel.offsetHeight;
  document.documentElement.style.setProperty("--lesson-room", `${height}px`);
}).observe(panel);
// The lesson that the page was opened with, at once; one that a link in the open page asks for later.
const first = new URLSearchParams(window.location.search).get("lesson");
if (first) setTimeout(() => openLesson(first), 0);
document.addEventListener("embedlab:link", ({ detail }) => {
  if (detail.lesson && detail.lesson !== (now.lesson?.id ?? now.asked)) openLesson(detail.lesson);
});
