"use strict";
// Case studies: responses of several policies to one prompt, side by side.
const CASES = read("cases");
const ofRun = (run) => POINTS.find((point) => point.runs.includes(run));

function card(title, text, scores) {
  const made = element("article");
  const line = TEXTS.columns.map((column) => [column.view, `${column.objective} ${scores[column.place]}`]);
  made.append(element("h4", title));
  for (const view of Object.keys(VIEWS)) {
    const own = line.filter(([name]) => name === view).map(([, part]) => part).join(" · ");
    made.append(element("p", Object.keys(VIEWS).length > 1 ? `${view}: ${own}` : own, "scores"));
  }
  made.append(element("div", text, "text"));
  return made;
}

function showCase(box, found, prompt, title) {
  const asked = TEXTS.prompts[prompt];
  const cards = found.runs.map((run) => card(title(run), ...TEXTS.answers[run][prompt]));
  const old = box.querySelector(".asked");
  if (old) old.remove();
  box.querySelector(".answers").before(element("div", asked.text, "text asked"));
  box.querySelector(".answers").replaceChildren(card("reference policy", asked.reference, asked.scores), ...cards);
}

function offerPrompts(select, prompts) {
  select.replaceChildren(...prompts.map((place) => option(excerpt(TEXTS.prompts[place].text), place)));
}

function acrossMethods() {
  const box = document.getElementById("case-methods");
  const found = CASES.methods;
  if (!found) { box.hidden = true; return; }
  const select = box.querySelector("select");
  box.querySelector("[data-case-label]").textContent = found.label;
  offerPrompts(select, found.prompts);
  const show = () => showCase(box, found, Number(select.value), (run) => ofRun(run).method);
  select.addEventListener("change", show);
  show();
}

function acrossWeights() {
  const box = document.getElementById("case-weights");
  if (!CASES.weights.length) { box.hidden = true; return; }
  const [method, prompt] = box.querySelectorAll("select");
  method.append(...CASES.weights.map((found, place) => option(found.label, place)));
  const show = () => showCase(box, CASES.weights[method.value], Number(prompt.value), (run) => ofRun(run).weights);
  const offer = () => { offerPrompts(prompt, CASES.weights[method.value].prompts); show(); };
  method.addEventListener("change", offer);
  prompt.addEventListener("change", show);
  offer();
}

if (CASES) { acrossMethods(); acrossWeights(); }
