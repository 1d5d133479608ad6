// What is on the page, as far as a lesson needs it: the state that the server last showed, the open
// tabs, what is selected; and how the page gets back to the state that a step needs.

const WORDS = {
  corpus: "the corpus", n: "the number of texts", seed: "the seed", a: "design A", b: "design B",
  model: "the backbone", model_a: "for A the model", model_b: "for B the model", tab: "the tab", panel: "the panel",
};
const TABS = ["tab", "panel"];
// How long the page may take to get to a step's state before that is said with a way to try again.
const PATIENCE = 20_000;

const openTab = (within) => document.querySelector(`${within} [role=tab][aria-selected=true]`)?.dataset.tabId ?? "";
const linkedMap = () => document.querySelector(".linked-map-block[data-ready]");

function pageState() {
  return { ...plain(props.view), tab: openTab("#tabs"), panel: openTab("#inside-panels") };
}

// What of a step's state is otherwise on the page, in words; null while the page shows nothing yet.
function strayed(step) {
  const needed = Object.entries(step.state).filter(([key]) => WORDS[key] && !(key in step.sets));
  if (!props.view && needed.some(([key]) => !TABS.includes(key))) return null;
  const page = pageState();
  const wrong = needed.filter(([key, value]) => page[key] !== value);
  // The panels are those of a tab; before that is open there are none to speak of.
  const told = wrong.some(([key]) => key === "tab") ? wrong.filter(([key]) => key !== "panel") : wrong;
  return told.map(([key, value]) => `${WORDS[key]} ${TABS.includes(key) ? tabName(value) : value}`);
}

const tabOf = (id) => [...document.querySelectorAll("[role=tab]")].find((tab) => tab.dataset.tabId === id);
const tabName = (id) => tabOf(id)?.textContent.trim() ?? id;

// Brings the page to a step's state by its link, as one who opens it would.
function goTo(step) {
  if (step.link) window.embedlab?.openLink?.(step.link);
}

// What a visitor has done on the page since a step began.
function actions() {
  const { selected = "", lasso = "0", foundA = "" } = linkedMap()?.dataset ?? {};
  return { selected: selected !== "" || Number(lasso) > 0, asked: `${props.view?.q ?? ""}|${foundA}` };
}

const COMPLETE = {
  next: () => true,
  click: () => false, // the click itself completes it
  select: () => actions().selected,
  query: (step, before) => actions().asked !== before.asked,
};

function isComplete(step, before) {
  if (COMPLETE[step.done]) return COMPLETE[step.done](step, before);
  const page = pageState();
  return Object.entries(step.sets).every(([key, value]) => page[key] === value);
}
