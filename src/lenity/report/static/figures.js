"use strict";
// Figures are drawn shortly before they scroll into view, and again when theme, selection or hidden methods change.
const FIGURES = read("figures");
const hidden = new Set(); // names of methods and of parts, such as ellipses
const picked = {}; // label by group
let chosenRuns = [];
const PRINTED = { full: 660, small: 320 };
const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" } };

const canTurn = (() => {
  try { return Boolean(document.createElement("canvas").getContext("webgl")); } catch { return false; }
})();

function choiceOf(figure) {
  return figure.choices.find((choice) => choice.label === picked[figure.group]) || figure.choices[0];
}

function ringed(data) {
  const ring = data.find((trace) => trace.name === "chosen");
  if (!ring || !chosenRuns.length) return;
  for (const trace of data) {
    const place = (trace.customdata || []).findIndex((run) => chosenRuns.includes(run));
    if (place >= 0) { ring.x = [trace.x[place]]; ring.y = [trace.y[place]]; }
  }
}

function draw(plot) {
  const choice = choiceOf(FIGURES[plot.dataset.figure]);
  const data = themed(choice.data);
  if (data.some((trace) => trace.type === "scatter3d") && !canTurn) {
    plot.textContent = "This browser has no WebGL, which the three-dimensional figure needs; the pairs below show the same policies.";
    plot.className = "empty";
    plot.style.height = "auto";
    return;
  }
  for (const trace of data) trace.visible = !hidden.has(trace.legendgroup) && !hidden.has(trace.meta);
  ringed(data);
  const layout = themed(choice.layout);
  layout.uirevision = choice.label || "one";
  layout.height = Number(plot.dataset.height);
  if (matchMedia("(pointer: coarse)").matches && !layout.scene) layout.dragmode = false;
  if (printing) layout.width = plot.closest(".small") ? PRINTED.small : PRINTED.full;
  const first = !plot.dataset.drawn;
  plot.dataset.drawn = "yes";
  Plotly.react(plot, data, layout, config);
  if (first) plot.on("plotly_click", (event) => plot.dispatchEvent(new CustomEvent("chosen", { bubbles: true, detail: event.points[0].customdata })));
}

const plots = () => [...document.querySelectorAll(".plot")];
const redraw = (wanted = () => true) => plots().filter((plot) => plot.dataset.drawn && wanted(plot)).forEach(draw);

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
}, { rootMargin: "500px 0px" });
plots().forEach((plot) => near.observe(plot));

for (const select of document.querySelectorAll("select[data-group]")) {
  select.addEventListener("change", () => {
    picked[select.dataset.group] = select.value;
    redraw((plot) => FIGURES[plot.dataset.figure].group === select.dataset.group);
  });
}

for (const button of document.querySelectorAll(".legend button")) {
  button.addEventListener("click", () => {
    const { method } = button.dataset;
    if (!hidden.delete(method)) hidden.add(method);
    for (const same of document.querySelectorAll(".legend button")) {
      if (same.dataset.method === method) same.setAttribute("aria-pressed", String(!hidden.has(method)));
    }
    redraw();
  });
}

for (const box of document.querySelectorAll("input[data-part]")) {
  box.addEventListener("change", () => {
    if (box.checked) hidden.delete(box.dataset.part);
    else hidden.add(box.dataset.part);
    redraw();
  });
}

function retheme() { drawLegends(); redraw(); }
prefersDark.addEventListener("change", retheme);
addEventListener("beforeprint", () => {
  printing = true;
  for (const part of document.querySelectorAll("details")) part.open = true;
  drawLegends();
  plots().forEach(draw);
});
addEventListener("afterprint", () => { printing = false; retheme(); });
drawLegends();
