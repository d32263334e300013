// A table with clickable rows and sortable headers. All texts become text nodes.
const SVG = "http://www.w3.org/2000/svg";

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let frame = parentElement.querySelector(".frame");
  if (!frame) {
    frame = document.createElement("div");
    frame.className = "frame";
    frame.append(document.createElement("table"));
    parentElement.append(frame);
  }
  frame.style.maxHeight = `${data.height}px`;
  const table = frame.querySelector("table");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", data.label);
  const hadFocus = parentElement.activeElement?.closest?.("tr")?.dataset.key;
  table.replaceChildren(header(data, setTriggerValue), body(data, setTriggerValue));
  const selected = table.querySelector('tr[aria-selected="true"]');
  if (selected && frame.dataset.selected !== data.selected) {
    selected.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  frame.dataset.selected = data.selected;
  if (hadFocus !== undefined) {
    (selected || table.querySelector("tbody tr"))?.focus({ preventScroll: true });
  }
}

function header(data, trigger) {
  const row = element("tr", {});
  for (const column of data.columns) {
    const cell = element("th", { scope: "col", class: column.kind === "number" ? "number" : "" });
    if (column.help) cell.title = column.help;
    if (column.sort) {
      const isSorted = column.sort === data.sort;
      const button = element("button", { type: "button" }, column.label);
      const arrow = element("span", { class: "arrow", "aria-hidden": "true" });
      arrow.textContent = isSorted ? (data.is_reversed ? "↑" : "↓") : "";
      if (isSorted) cell.setAttribute("aria-sort", data.is_reversed ? "ascending" : "descending");
      button.append(arrow);
      button.onclick = () => trigger("sort", column.sort);
      cell.append(button);
    } else if (column.kind === "check") {
      // A narrow column: a check mark is shown, screen readers read the label.
      cell.setAttribute("aria-label", column.label);
      cell.title = column.label;
      cell.append(element("span", { class: "tick", "aria-hidden": "true" }, "✓"));
    } else {
      cell.textContent = column.label;
    }
    row.append(cell);
  }
  const head = element("thead", {});
  head.append(row);
  return head;
}

function body(data, trigger) {
  const body = element("tbody", {});
  const hasSelected = data.rows.some((row) => row.key === data.selected);
  data.rows.forEach((row, number) => {
    const isSelected = row.key === data.selected;
    const line = element("tr", { "aria-selected": String(isSelected) });
    line.dataset.key = row.key;
    line.tabIndex = isSelected || (!hasSelected && number === 0) ? 0 : -1;
    row.cells.forEach((value, place) => line.append(cell(data.columns[place], value, row.key, trigger)));
    line.onclick = () => trigger("open", row.key);
    line.onkeydown = (event) => move(event, line, trigger);
    body.append(line);
  });
  return body;
}

function move(event, line, trigger) {
  if (event.target !== line) return;
  const next = { ArrowDown: line.nextElementSibling, ArrowUp: line.previousElementSibling }[event.key];
  if (next) {
    line.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  } else if (event.key === "Enter") {
    trigger("open", line.dataset.key);
    event.preventDefault();
  } else if (event.key === " ") {
    if (line.querySelector(".check")) trigger("check", line.dataset.key);
    event.preventDefault();
  }
}

function cell(column, value, key, trigger) {
  const made = element("td", { class: column.kind === "number" ? "number" : "" });
  if (column.kind === "name") {
    const item = element("div", { class: "item" }, value[0]);
    if (value[1]) item.append(element("span", { class: "name quiet" }, value[1]));
    item.title = value.filter(Boolean).join(" · ");
    made.append(item);
  } else if (column.kind === "chips") {
    const chips = element("div", { class: "chips" });
    for (const text of value) chips.append(element("span", { class: "chip" }, text));
    made.append(chips);
  } else if (column.kind === "line") {
    made.append(line(value));
  } else if (column.kind === "check") {
    const check = element("button", { class: "check", type: "button", role: "checkbox", tabindex: "-1" });
    check.setAttribute("aria-checked", String(value[0]));
    check.setAttribute("aria-label", value[1]);
    check.title = value[1];
    check.append(element("span", { class: "box" }));
    check.onclick = (event) => {
      event.stopPropagation();
      trigger("check", key);
    };
    made.append(check);
  } else {
    made.textContent = value;
  }
  return made;
}

function line(values) {
  const width = 64, height = 24;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("aria-hidden", "true");
  const most = Math.max(...values, 0) || 1, least = Math.min(...values, 0);
  const x = (n) => (values.length > 1 ? (n * (width - 2)) / (values.length - 1) + 1 : width / 2);
  const y = (units) => height - 2 - ((units - least) / (most - least)) * (height - 4);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", values.map((units, n) => `${n ? "L" : "M"}${x(n).toFixed(1)} ${y(units).toFixed(1)}`).join(""));
  svg.append(path);
  return svg;
}

function element(name, attributes, text) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
