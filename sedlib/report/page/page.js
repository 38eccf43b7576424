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

function rowsOf(table) {
  const columns = Object.entries(table);
  return columns[0][1].map((_, row) => Object.fromEntries(columns.map(([name, values]) => [name, values[row]])));
}

async function draw(section) {
  const { specification, table } = inlined(section);
  const scale = section.querySelector("select.scale");
  specification.encoding.y.scale = scale.value === "log" ? { type: "log" } : { type: "linear", zero: false };
  for (const parameter of specification.params) {
    if (parameter.bind && section.view && parameter.name !== "zoom") parameter.value = section.view.signal(parameter.name);
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
  const columns = Object.entries(inlined(section).table);
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

for (const section of document.querySelectorAll("section.chart-section")) {
  offerTable(section);
  section.querySelector("select.scale").addEventListener("change", () => draw(section));
  draw(section);
}
for (const header of document.querySelectorAll("th")) {
  header.querySelector("button").addEventListener("click", () => sortBy(header));
}
