"use strict";
// Every tab selects the view of the whole page.
function showView(view) {
  for (const part of document.querySelectorAll(".view")) part.hidden = part.dataset.view !== view;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const same = tab.dataset.view === view;
    tab.setAttribute("aria-selected", String(same));
    tab.tabIndex = same ? 0 : -1;
  }
  for (const plot of document.querySelectorAll(`.view[data-view="${CSS.escape(view)}"] .plot[data-drawn]`)) Plotly.Plots.resize(plot);
}

for (const list of document.querySelectorAll("[role=tablist]")) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  list.addEventListener("click", (event) => event.target.dataset.view && showView(event.target.dataset.view));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    showView(next.dataset.view);
    next.focus();
    event.preventDefault();
  });
}
