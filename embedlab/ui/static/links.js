// The page's address: read when it opens, written back after each answer, and copied. Follows copy.js in
// the same function. Other scripts use window.embedlab:
//
//   openLink("?tab=inside&a=causal/mean")  applies a link to the open page; what it does not name stays.
//     Resolves with { query, said } once the answer is on the screen: the address by then, and what of the
//     link could not be read, in one line ("" where everything could).
//   opened     the same promise for the address that the page was opened with; also has its lesson.
//   address()  the query string of what is on the screen.
//   setLesson(id)  names the open lesson in the address; "" for none.
//
// After every answer with another address or another link, `document` gets the event "embedlab:link" with
// { query, said, lesson, hide, room }: the lesson that a link has just asked for, the tabs that are not
// shown, and the class.

const [VALUE] = "value".split(" ");
const bar = element.querySelector(".link-bar");
const [button, done, text, said] = "copy done text said".split(" ").map((name) => bar.querySelector(`.link-${name}`));
const style = document.head.appendChild(document.createElement("style"));
const waiting = new Map();
let state = { query: "", number: -1, lesson: "", note: "" };
let lesson = "";
let number = 0;
let opened = null;

// --- the address bar ----------------------------------------------------------------------------

// What belongs to others, such as Gradio's theme, stays in the address and is not copied.
const foreign = () => location.search.slice(1).split("&").filter((pair) => /^(__\w*|view)(=|$)/.test(pair));
const joined = (parts) => (parts.length ? `?${parts.join("&")}` : "");
const ours = () => [
  ...(state.query ? [state.query.slice(1)] : []),
  ...(lesson ? [`lesson=${encodeURIComponent(lesson)}`] : []),
];

function writeBack() {
  const search = joined([...ours(), ...foreign()]);
  if (search === location.search) return;
  try {
    history.replaceState(history.state, "", location.pathname + search + location.hash);
  } catch {
    // A frame without an address of its own, or a browser that counts: the button still has the link.
  }
}

function hide(tabs) {
  const chosen = tabs.filter((id) => /^[\w-]+$/.test(id)).map((id) => `[role=tab][data-tab-id="${id}"]`);
  style.textContent = chosen.length ? `${chosen.join(",")} { display: none !important; }` : "";
}

// --- links --------------------------------------------------------------------------------------

function openLink(query) {
  number += 1;
  const mine = number;
  const answered = new Promise((resolve) => waiting.set(mine, resolve));
  trigger('link', { query: String(query), number: mine });
  return answered;
}

// The answer's other parts are shown in the same moment; what waits for it goes on after that.
function painted(step) {
  if (document.hidden) setTimeout(step);
  else requestAnimationFrame(() => requestAnimationFrame(step));
}

// Opens a tab, and the panel in it. Gradio does so too, but not where a tab has not been drawn before.
async function openTabs(ids) {
  for (const id of ids) {
    const find = () => document.querySelector(`[role=tab][data-tab-id="${CSS.escape(id)}"]`);
    for (let tries = 0; !find() && tries < 50; tries += 1) await new Promise((next) => setTimeout(next, 40));
    if (find()?.getAttribute("aria-selected") === "false") find().click();
  }
}

function answer(value) {
  const fresh = value.number !== state.number;
  // More is said once somebody's own texts are there, and nothing twice that was dismissed.
  if (fresh || value.said !== state.said) {
    said.hidden = !value.said;
    said.firstElementChild.textContent = value.said;
  }
  state = value;
  if (fresh && value.lesson) lesson = value.lesson;
  hide(value.hide);
  writeBack();
  const { query, hide: hidden, room } = value;
  const detail = { query, said: value.said, lesson: fresh ? value.lesson : "", hide: hidden, room };
  painted(async () => {
    await openTabs(value.open);
    opened?.(detail);
    opened = null;
    for (const [mine, resolve] of waiting) {
      if (mine > value.number) continue;
      waiting.delete(mine);
      resolve(detail);
    }
    document.dispatchEvent(new CustomEvent("embedlab:link", { detail }));
  });
}

// The tab of some tabs that is open once what happens now is drawn; "" while nobody has clicked or
// pressed anything in the page, so that a tab which is open then is nobody's choice.
let touched = false;
const touch = ({ isTrusted }) => (touched ||= isTrusted);
["pointerdown", "keydown", "click"].forEach((type) => window.addEventListener(type, touch, true));

async function openTab(tabs) {
  if (!touched) return "";
  await new Promise(painted);
  return document.querySelector(`#${tabs} [role=tab][aria-selected=true]`)?.dataset.tabId ?? "";
}

window.embedlab = Object.assign(window.embedlab ?? {}, {
  openLink,
  openTab,
  opened: new Promise((resolve) => (opened = resolve)),
  address: () => joined(ours()),
  setLesson(id) {
    lesson = String(id);
    writeBack();
  },
});
// Before the first answer, so that a tab which a teacher hides is not there for a moment.
hide((new URLSearchParams(location.search).get("hide") ?? "").split(","));
watch(VALUE, () => {
  const value = JSON.parse(JSON.stringify(props[VALUE] ?? null));
  if (value) answer(value);
});

// --- the button ---------------------------------------------------------------------------------

// In a frame of the Hub's page the frame's own address is not the one that others know.
function publicLink() {
  const { hub } = bar.dataset;
  const page = hub && window.self !== window.top ? hub : location.origin + location.pathname;
  return page + joined(ours());
}

button.addEventListener("click", async () => {
  text.value = publicLink();
  const left = state.note ? ` ${state.note}` : "";
  try {
    await copy(text.value);
    text.hidden = true;
    done.textContent = `Copied.${left}`;
    button.focus();
  } catch {
    text.hidden = false;
    text.select();
    done.textContent = `The browser does not let the page copy: copy this.${left}`;
  }
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  text.hidden = true;
  done.textContent = "";
  button.focus();
});
said.lastElementChild.addEventListener("click", () => {
  said.hidden = true;
  button.focus();
});
