// The linked map: the words around it: titles, the legend or the colour bar, the key. Follows
// linked_map.js in the same function.

const LEGEND = 12; // entries before "more"

function describe() {
  const { points } = state;
  find(".lm-note").textContent = points.note;
  find(".fig-caption").textContent = points.caption;
  for (const side of SIDES) {
    const { title } = points[side];
    // A long design breaks before a step.
    const parts = title.split(/(?=\+)/).flatMap((part, i) => (i ? [document.createElement("wbr"), part] : [part]));
    plots[side].closest(".lm-side").querySelector(".lm-title").replaceChildren(...parts);
    plots[side].setAttribute(
      "aria-label",
      `${points.method} map of ${points.n} texts under ${title}. Arrow keys move from ` +
        "point to point, Enter selects, plus and minus zoom, Escape clears.",
    );
  }
}

function made(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

const counted = (n) => n.toLocaleString("en");

// The entries of the legend: [{ name, count, fill, shape, codes }]; categories that look alike are one.
function entries() {
  const { names, styles, counts, other, codes, missing, none } = state.colouring;
  const groups = new Map();
  (names ?? []).forEach((name, code) => {
    const [fill, shape] = styles[code];
    const key = fill === other ? "other" : code;
    if (!groups.has(key)) groups.set(key, { name: key === "other" ? "other" : name, count: 0, fill, shape, codes: [] });
    groups.get(key).codes.push(code);
    groups.get(key).count += counts[code + 1];
  });
  const without = codes ? counts[0] : missing;
  if (codes && !names.length) return [];
  const last = { name: none, count: without, fill: other, shape: "circle", codes: [-1] };
  const { other: alike, ...rest } = Object.fromEntries(groups);
  const found = Object.values(rest);
  return [...found, ...(alike ? [alike] : []), ...(without ? [last] : [])];
}

function legend() {
  const listed = entries();
  const place = find(".lm-legend");
  const few = listed.length > LEGEND + 1 && !state.unfolded;
  // The largest stay, in the order of the whole list.
  const large = new Set(few ? listed.toSorted((a, b) => b.count - a.count).slice(0, LEGEND) : listed);
  const title = made("span", "lm-legend-title", state.colouring.title);
  const parts = state.colouring.numbers ? [bar()] : [];
  parts.push(...listed.filter((entry) => large.has(entry)).map(legendEntry));
  if (listed.length > LEGEND + 1) {
    const more = made("button", "lm-more", few ? `${listed.length - LEGEND} more` : "fewer");
    more.type = "button";
    more.addEventListener("click", () => {
      state.unfolded = few;
      legend();
      find(".lm-more").focus();
    });
    parts.push(more);
  }
  place.replaceChildren(...(parts.length ? [title, ...parts] : []));
  find(".lm-legend-note").textContent = state.colouring.note;
}

function legendEntry({ name, count, fill, shape, codes }) {
  const mark = made("i", `lm-mark lm-${shape}`);
  mark.style.background = fill;
  const button = made("button", "", mark, name, made("b", "", counted(count)));
  button.type = "button";
  button.title = "Press to hide or show; with Shift, show only this";
  button.setAttribute("aria-pressed", String(!state.hidden.has(codes[0])));
  button.addEventListener("click", (event) => {
    hideOthersOrThis(codes, event.shiftKey);
    const at = [...button.parentNode.children].indexOf(button);
    legend();
    find(".lm-legend").children[at]?.focus();
  });
  return button;
}

function hideOthersOrThis(codes, alone) {
  const { hidden } = state;
  const every = entries().flatMap((entry) => entry.codes);
  const before = [...hidden];
  if (alone) {
    const only = every.every((code) => hidden.has(code) !== codes.includes(code));
    hidden.clear();
    if (!only) every.filter((code) => !codes.includes(code)).forEach((code) => hidden.add(code));
  } else {
    const hide = !hidden.has(codes[0]);
    codes.forEach((code) => (hide ? hidden.add(code) : hidden.delete(code)));
  }
  if (firstShown() === null) {
    hidden.clear();
    before.forEach((code) => hidden.add(code));
    find(".lm-live").textContent = "The last texts on the map stay.";
    return;
  }
  visibilityChanged();
  tell("legend", { hidden: [...hidden].toSorted((x, y) => x - y) });
}

// Points came or went: what is hidden is neither searched nor pointed at.
function visibilityChanged() {
  if (state.query) search(state.query);
  state.hover = null;
  tip.hidden = true;
  drawSelection();
}

function bar() {
  const { stops, low, high, beyond } = state.colouring;
  const ramp = made("i", "lm-ramp");
  ramp.style.background = `linear-gradient(to right, ${visible(stops).join(", ")})`;
  const ends = [beyond[0] ? `≤ ${short(low)}` : short(low), beyond[1] ? `≥ ${short(high)}` : short(high)];
  return made("span", "lm-bar-of-colours", made("b", "", ends[0]), ramp, made("b", "", ends[1]));
}

const short = (number) => Number(number.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
