"use strict";
// Figures have light colours; the dark theme replaces each by its counterpart, except in print.
const read = (name) => JSON.parse(document.getElementById(`data-${name}`).textContent);
const DARK = read("dark");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

const isDark = () => prefersDark.matches && !printing;
const colour = (value) => (isDark() && DARK[value]) || value;

function themed(value) {
  if (typeof value === "string") return colour(value);
  if (Array.isArray(value)) return value.map(themed);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, themed(part)]));
  }
  return value;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const PATHS = {
  circle: "M7 2a5 5 0 1 0 .01 0z", square: "M2.5 2.5h9v9h-9z", diamond: "M7 1l6 6-6 6-6-6z", "triangle-up": "M7 1.5l6 10.5H1z",
  "triangle-down": "M7 12.5L1 2h12z", pentagon: "M7 1.2l6 4.4-2.3 7H3.3L1 5.6z", hexagram: "M7 0l2 3.5h4L11 7l2 3.5H9L7 14l-2-3.5H1L3 7 1 3.5h4z",
  star: "M7 .8l1.8 4.2 4.6.4-3.5 3 1.1 4.5L7 10.5l-4 2.4 1.1-4.5-3.5-3 4.6-.4z", x: "M3 1l4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4z",
};
const DASH = { solid: "", dash: "6 3", dot: "2 3", dashdot: "6 3 2 3", longdash: "10 4", longdashdot: "10 3 2 3" };
const NAMED = { text: "#1f2733", muted: "#667085" };

function drawLegends() {
  for (const svg of document.querySelectorAll(".legend svg")) {
    const { symbol, dash } = svg.dataset;
    const fill = colour(NAMED[svg.dataset.colour] || svg.dataset.colour);
    const width = svg.width.baseVal.value;
    const parts = [];
    if (dash) {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("d", `M0 7H${width}`);
      line.setAttribute("stroke", fill);
      line.setAttribute("stroke-width", "2");
      line.setAttribute("stroke-dasharray", DASH[dash]);
      parts.push(line);
    }
    if (symbol && !dash) {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "path");
      mark.setAttribute("d", PATHS[symbol]);
      mark.setAttribute("fill", fill);
      parts.push(mark);
    }
    svg.replaceChildren(...parts);
  }
}
