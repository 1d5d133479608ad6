// What is on the page, as far as a lesson needs it: the state that the server last showed, the open
// tabs, what is selected; and how the page gets back to the state that a step needs.

const WORDS = { corpus: "the corpus", n: "the number of texts", seed: "the seed", a: "design A", b: "design B", tab: "the tab" };
// How long the page may take to get to a step's state before that is said with a way to try again.
const PATIENCE = 20_000;

const openTab = (within) => document.querySelector(`${within} [role=tab][aria-selected=true]`)?.dataset.tabId ?? "";
const linkedMap = () => document.querySelector(".linked-map-block");

function pageState() {
  return { ...plain(props.view), tab: openTab("#tabs"), panel: openTab("#inside-panels") };
}

// What of a step's state is otherwise on the page, in words; null while the page shows nothing yet.
function strayed(step) {
  if (!props.view && Object.keys(step.state).some((key) => key !== "tab")) return null;
  const page = pageState();
  const free = Object.keys(step.sets);
  const needed = Object.entries(step.state).filter(([key]) => WORDS[key] && !free.includes(key));
  const other = needed.filter(([key, value]) => page[key] !== value);
  const words = other.map(([key, value]) => `${WORDS[key]} ${key === "tab" ? tabName(value) : value}`);
  if (step.panel && !free.includes("panel") && !other.length && page.panel !== step.panel) words.push(`the panel ${tabName(step.panel)}`);
  return words;
}

const tabName = (id) => [...document.querySelectorAll("[role=tab]")].find((tab) => tab.dataset.tabId === id)?.textContent.trim() ?? id;

// Brings the page to a step's state by its link, as one who opens it would. A panel of the Inside tab
// is opened once the tab is.
function goTo(step) {
  const words = strayed(step);
  if (words !== null && !words.length) return;
  if (Object.keys(step.state).length) window.embedlab?.openLink?.(step.link);
}

function openPanel(step) {
  if (!step.panel || "panel" in step.sets || openTab("#tabs") !== "inside") return;
  if (openTab("#inside-panels") === step.panel) return;
  [...document.querySelectorAll("#inside-panels [role=tab]")].find((tab) => tab.dataset.tabId === step.panel && isShown(tab))?.click();
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
