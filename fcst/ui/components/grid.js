// The plan grid: rows of periods with editable cells. Edits are kept until they are saved or the version changes.
// A cell accepts units or a percentage such as +8%. All texts become text nodes.
const UNITS = /^\d[\d,\s]*(\.\d+)?$|^\.\d+$/;
const PERCENT = /^[+-]?\d+(\.\d+)?\s*%$/;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let state = parentElement.fcstState;
  if (!state) {
    state = parentElement.fcstState = { typed: new Map(), reason: "", who: null, version: null };
    const frame = element("div", { class: "frame" });
    frame.append(element("table", {}));
    parentElement.append(frame, element("div", { class: "bar" }));
  }
  if (state.version !== data.version) {
    state.typed.clear();
    state.reason = "";
    state.version = data.version;
  }
  if (state.who === null) state.who = data.who ?? "";
  const table = parentElement.querySelector("table");
  table.setAttribute("aria-label", data.label);
  const bar = parentElement.querySelector(".bar");
  const refresh = () => drawBar(bar, data, state, setTriggerValue, () => {
    state.typed.clear();
    drawTable(table, data, state, refresh);
    refresh();
  });
  drawTable(table, data, state, refresh);
  refresh();
}

function drawTable(table, data, state, refresh) {
  const head = element("tr", {});
  head.append(element("th", { scope: "col" }, "Units"));
  for (const period of data.periods) {
    const cell = element("th", { scope: "col" }, period.label);
    if (period.below) cell.append(element("small", {}, period.below));
    head.append(cell);
  }
  head.append(element("th", { scope: "col", class: "sum" }, "Total"));
  const body = element("tbody", {});
  for (const row of data.rows) {
    const line = element("tr", { class: row.kind });
    line.append(element("th", { scope: "row" }, row.label));
    data.periods.forEach((period, place) => {
      const cell = element("td", { class: row.is_editable ? "edit" : "number" });
      if (row.is_editable) cell.append(input(row, period, place, data, state, refresh));
      else cell.textContent = row.cells[place];
      line.append(cell);
    });
    line.append(element("td", { class: "number sum" }, row.cells[data.periods.length]));
    body.append(line);
  }
  const top = element("thead", {});
  top.append(head);
  table.replaceChildren(top, body);
}

function input(row, period, place, data, state, refresh) {
  const shown = row.cells[place];
  const made = element("input", { type: "text", inputmode: "text", autocomplete: "off", "aria-label": `${row.label}, ${period.label}` });
  made.dataset.place = place;
  const mark = () => {
    const typed = state.typed.get(period.name);
    made.classList.toggle("changed", typed !== undefined);
    made.classList.toggle("wrong", typed !== undefined && !isGood(typed));
    made.setAttribute("aria-invalid", String(typed !== undefined && !isGood(typed)));
  };
  const keep = (text) => {
    if (text.trim() === shown || text.trim() === "") state.typed.delete(period.name);
    else state.typed.set(period.name, text.trim());
    mark();
    refresh();
  };
  made.value = state.typed.get(period.name) ?? shown;
  mark();
  made.oninput = () => keep(made.value);
  made.onblur = () => {
    if (made.value.trim() === "") made.value = shown;
  };
  made.onfocus = () => made.select();
  made.onkeydown = (event) => {
    const step = { Enter: event.shiftKey ? -1 : 1, ArrowDown: 0, ArrowUp: 0 }[event.key];
    if (event.key === "Escape") {
      made.value = shown;
      keep(shown);
    } else if (event.key === "Enter") {
      event.preventDefault();
      made.closest("tr").querySelector(`input[data-place="${place + step}"]`)?.focus();
    }
  };
  made.onpaste = (event) => {
    const values = event.clipboardData.getData("text").replace(/\r?\n$/, "").split(/\t|\r?\n/);
    if (values.length < 2) return;
    event.preventDefault();
    values.forEach((value, n) => {
      const other = made.closest("tr").querySelector(`input[data-place="${place + n}"]`);
      if (!other) return;
      other.value = value;
      other.dispatchEvent(new Event("input"));
    });
  };
  return made;
}

function isGood(text) {
  return PERCENT.test(text) || UNITS.test(text);
}

function drawBar(bar, data, state, trigger, discard) {
  const n = state.typed.size;
  bar.hidden = n === 0;
  if (n === 0) {
    bar.replaceChildren();
    return;
  }
  if (!bar.querySelector(".save")) {
    const reason = element("input", { class: "reason", type: "text", maxlength: "500", placeholder: "Reason, for example: campaign in week 34", "aria-label": "Reason" });
    const who = element("input", { class: "who", type: "text", maxlength: "100", placeholder: "Your name", "aria-label": "Your name" });
    const save = element("button", { class: "save", type: "button" }, "Save");
    const drop = element("button", { type: "button" }, "Discard");
    reason.value = state.reason;
    who.value = state.who;
    who.hidden = data.who === null;
    reason.oninput = () => { state.reason = reason.value; enable(bar, data, state); };
    who.oninput = () => { state.who = who.value; enable(bar, data, state); };
    save.onclick = () => send(bar, state, trigger);
    reason.onkeydown = who.onkeydown = (event) => {
      if (event.key === "Enter" && !save.disabled) send(bar, state, trigger);
    };
    drop.onclick = discard;
    bar.replaceChildren(element("span", { class: "count", role: "status" }), reason, who, save, drop, element("span", { class: "wrong", role: "alert" }));
  }
  bar.querySelector(".count").textContent = `${n} ${n === 1 ? "cell" : "cells"} changed`;
  enable(bar, data, state);
}

function send(bar, state, trigger) {
  bar.querySelector(".save").disabled = true;
  trigger("save", { cells: Object.fromEntries(state.typed), reason: state.reason, who: state.who });
}

function enable(bar, data, state) {
  const isWrong = [...state.typed.values()].some((text) => !isGood(text));
  bar.querySelector(".wrong").textContent = isWrong ? "Enter units, 0 or more, such as 120, or a percentage, such as +8%." : "";
  bar.querySelector(".save").disabled = isWrong || !state.reason.trim() || (data.who !== null && !state.who.trim());
}

function element(name, attributes, text) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
