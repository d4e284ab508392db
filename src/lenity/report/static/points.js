"use strict";
// The selected policy: its mean rewards and its response to one prompt. Texts are never inserted as markup.
const POINTS = read("points");
const VIEWS = read("views");
const TEXTS = read("texts");
const pointSelect = document.getElementById("point");
const seedSelect = document.getElementById("seed");
const promptSelect = document.getElementById("prompt");
const state = { point: 0, run: POINTS[0].runs[0], prompt: TEXTS ? TEXTS.panel[0] : 0 };

function option(text, value) {
  const made = element("option", text);
  made.value = value;
  return made;
}

function excerpt(text) {
  const line = text.replace(/\s*\b\w+:\s*$/, "").replace(/^\s*\w+:\s/, "").replace(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

function cells(tag, texts) {
  const row = element("tr");
  texts.forEach((text, place) => {
    const cell = element(place ? tag : "th", text);
    if (cell.tagName === "TH") cell.scope = tag === "th" ? "col" : "row";
    row.append(cell);
  });
  return row;
}

// One row per objective, grouped by view.
function scoreTable(heading, cell) {
  const made = element("table");
  const top = element("thead");
  top.append(cells("th", ["objective", heading]));
  made.append(top);
  const views = Object.keys(VIEWS);
  for (const view of views) {
    const body = element("tbody");
    if (views.length > 1) {
      const group = element("th", view);
      group.colSpan = 2;
      group.scope = "rowgroup";
      const row = element("tr", undefined, "group");
      row.append(group);
      body.append(row);
    }
    body.append(...VIEWS[view].map((name) => cells("td", [name, cell(view, name)])));
    made.append(body);
  }
  return made;
}

function showMeans() {
  const point = POINTS[state.point];
  const mean = (view, name) => (point.means[view] || [])[VIEWS[view].indexOf(name)] || "–";
  const heading = point.runs.length > 1 ? "mean over prompts and seeds" : "mean over prompts";
  document.getElementById("means").replaceChildren(scoreTable(heading, mean));
}

function showAnswers() {
  const box = document.getElementById("answers");
  if (!box) return;
  const prompt = TEXTS.prompts[state.prompt];
  const [answer, scores] = TEXTS.answers[state.run][state.prompt];
  const place = (view, name) => TEXTS.columns.find((column) => column.view === view && column.objective === name).place;
  const change = (view, name) => `${prompt.scores[place(view, name)]} → ${scores[place(view, name)]}`;
  box.replaceChildren(
    element("div", prompt.text, "text asked"),
    element("h4", "Reference policy"), element("div", prompt.reference, "text"),
    element("h4", `${POINTS[state.point].method}, ${POINTS[state.point].weights}`), element("div", answer, "text"),
    scoreTable("this answer, reference → chosen", change),
  );
}

function choose(point, run) {
  state.point = point;
  state.run = run;
  const { runs, seeds } = POINTS[point];
  pointSelect.value = point;
  seedSelect.replaceChildren(...runs.map((one, place) => option(seeds[place], one)));
  seedSelect.value = run;
  document.getElementById("seed-label").hidden = runs.length < 2;
  chosenRuns = [run, ...runs];
  redraw((plot) => FIGURES[plot.dataset.figure].choices[0].data.some((trace) => trace.name === "chosen"));
  showMeans();
  showAnswers();
}

const groups = new Map();
POINTS.forEach((point, place) => {
  if (!groups.has(point.method)) {
    groups.set(point.method, element("optgroup"));
    groups.get(point.method).label = point.method;
  }
  groups.get(point.method).append(option(`${point.method} · ${point.weights}`, place));
});
pointSelect.append(...groups.values());
pointSelect.addEventListener("change", () => choose(Number(pointSelect.value), POINTS[pointSelect.value].runs[0]));
seedSelect.addEventListener("change", () => choose(state.point, Number(seedSelect.value)));
if (promptSelect) {
  promptSelect.append(...TEXTS.panel.map((place) => option(excerpt(TEXTS.prompts[place].text), place)));
  promptSelect.addEventListener("change", () => { state.prompt = Number(promptSelect.value); showAnswers(); });
}
document.addEventListener("chosen", (event) => {
  const run = event.detail;
  if (run === null || run === undefined) return;
  choose(POINTS.findIndex((point) => point.runs.includes(run)), run);
});
choose(state.point, state.run);
