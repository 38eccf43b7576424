"use strict";
// Draws every chart from the table inlined beside it, and sorts tables. Nothing is fetched, nothing is evaluated:
// text reaches the page as text, and Vega interprets its expressions.

function theme(target) {
  const style = getComputedStyle(target); // charts keep a light ground: their colours are chosen for it
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  return {
    background: "transparent",
    title: { color: ink },
    axis: {
      labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line,
      labelFontSize: 12, titleFontSize: 13,
    },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12 },
    view: { stroke: line },
  };
}

function inlined(section) {
  return JSON.parse(section.querySelector("script[type='application/json']").textContent);
}

function columnsOf(table) { // a column of few values holds them once, and where each row's is
  const whole = (column) => (Array.isArray(column) ? column : column.places.map((place) => column.levels[place]));
  return Object.entries(table).map(([name, column]) => [name, whole(column)]);
}

function rowsOf(table) {
  const columns = columnsOf(table);
  return columns[0][1].map((_, row) => Object.fromEntries(columns.map(([name, values]) => [name, values[row]])));
}

async function draw(section) {
  const { specification, table } = inlined(section);
  const scale = section.querySelector("select.scale");
  for (const { encoding } of specification.layer) {
    if (encoding.y) encoding.y.scale = scale.value === "log" ? { type: "log" } : { type: "linear", zero: false };
  }
  for (const parameter of specification.params) {
    if (section.view) parameter.value = section.view.signal(parameter.name);
  }
  if (section.view) section.view.finalize();
  specification.data = { values: rowsOf(table) };
  const target = section.querySelector(".chart");
  specification.config = theme(target);
  const { view } = await vegaEmbed(target, specification, {
    actions: false, renderer: "svg", ast: true, loader: { load: refuse },
    defaultStyle: false, tooltip: { disableDefaultStyle: true }, // both in page.css
  });
  section.view = view;
  target.dataset.drawn = scale.value;
}

function refuse(address) {
  return Promise.reject(new Error(`this page loads nothing: ${address}`));
}

function offerTable(section) {
  const link = section.querySelector("a.table");
  const columns = columnsOf(inlined(section).table);
  const lines = columns[0][1].map((_, row) => columns.map(([, values]) => quoted(values[row])).join(","));
  const text = [columns.map(([name]) => quoted(name)).join(","), ...lines, ""].join("\n");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
}

function quoted(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function sortBy(header) {
  const table = header.closest("table"), body = table.tBodies[0];
  const column = [...header.parentNode.children].indexOf(header);
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const key = (row) => row.children[column].textContent.trim();
  const value = (text) => parseFloat(text.replaceAll(",", ""));
  const rows = [...body.rows].sort((first, second) => {
    const [a, b] = [key(first), key(second)];
    const [x, y] = [value(a), value(b)];
    if (a === "–" || b === "–") return (a === "–") - (b === "–"); // what is not there stays below
    const order = isNaN(x) || isNaN(y) ? (isNaN(x) - isNaN(y)) || a.localeCompare(b) : x - y;
    return ascending ? order : -order;
  });
  body.append(...rows);
}

function showFigure(claim) {
  const image = claim.querySelector("img[data-figure]");
  if (image && !image.src) image.src = figures[image.dataset.figure];
}

function showVerdict(chosen) {
  const all = chosen.getAttribute("aria-pressed") === "true";
  for (const button of document.querySelectorAll(".count")) {
    button.setAttribute("aria-pressed", String(!all && button === chosen));
  }
  for (const claim of document.querySelectorAll("details.claim")) {
    claim.hidden = !all && claim.dataset.verdict !== chosen.dataset.verdict;
  }
  for (const question of document.querySelectorAll(".question")) {
    question.hidden = !question.querySelector("details.claim:not([hidden])");
  }
}

function openWhatIsLinked() { // a link to what stands inside of something closed opens it
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const closed = target && target.closest("details");
  if (!closed) return;
  closed.open = true;
  target.scrollIntoView();
}

const figures = JSON.parse(document.getElementById("figures").textContent);
for (const claim of document.querySelectorAll("details.claim")) {
  claim.addEventListener("toggle", () => showFigure(claim));
}
for (const button of document.querySelectorAll(".count")) button.addEventListener("click", () => showVerdict(button));
window.addEventListener("hashchange", openWhatIsLinked);
openWhatIsLinked();
window.addEventListener("beforeprint", () => { // on paper nothing can be opened
  for (const closed of document.querySelectorAll("details.claim:not([open])")) {
    showFigure(closed);
    closed.open = closed.dataset.printed = true;
  }
});
window.addEventListener("afterprint", () => {
  for (const opened of document.querySelectorAll("details[data-printed]")) opened.open = false;
});
for (const section of document.querySelectorAll("section.chart-section")) {
  offerTable(section);
  section.querySelector("select.scale").addEventListener("change", () => draw(section));
  draw(section);
}
for (const header of document.querySelectorAll("th:has(button)")) {
  header.querySelector("button").addEventListener("click", () => sortBy(header));
}
