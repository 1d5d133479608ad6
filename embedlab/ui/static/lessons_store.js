// The lessons' progress, kept in this browser: for each lesson the step, whether it was finished, and
// the predictions with how they came out. What is there and is not that is ignored.

const STORE = "embedlab lessons";
const MOST_STEPS = 40;

function progressOf(given) {
  const step = Number.isInteger(given?.step) && given.step >= 0 && given.step < MOST_STEPS ? given.step : 0;
  const made = given?.predictions && typeof given.predictions === "object" ? given.predictions : {};
  const predictions = Object.entries(made).filter(([number, prediction]) =>
    /^\d{1,2}$/.test(number) && ["A", "B", "same"].includes(prediction?.answer)
    && CERTAINTIES.includes(prediction.sure) && typeof prediction.right === "boolean");
  return { step, done: given?.done === true, predictions: Object.fromEntries(predictions) };
}

// Without a prototype, so that a lesson may have any name.
const none = () => Object.create(null);

// A browser may refuse to keep anything; then the progress lasts as long as the page.
function readProgress() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    if (!kept || typeof kept !== "object" || Array.isArray(kept)) return none();
    const lessons = Object.entries(kept).slice(0, 200).map(([id, given]) => [id, progressOf(given)]);
    return Object.assign(none(), Object.fromEntries(lessons));
  } catch {
    return none();
  }
}

let progress = readProgress();

function keepProgress() {
  try {
    localStorage.setItem(STORE, JSON.stringify(progress));
  } catch {
    // A full or forbidden store: the lessons go on without.
  }
}

const mine = (id) => progress[id] ?? progressOf(null);

function keep(id, change) {
  progress[id] = { ...mine(id), ...change };
  keepProgress();
}

function forget(id) {
  if (id === undefined) progress = none();
  else delete progress[id];
  keepProgress();
}

const predictionsOf = (id) => Object.values(mine(id).predictions).map(({ sure, right }) => ({ sure, right }));
const allPredictions = () => Object.keys(progress).flatMap(predictionsOf);
