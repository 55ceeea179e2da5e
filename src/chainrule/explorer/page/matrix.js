// Matrices of numbers: grids whose entries can be pointed at, reached by arrow keys and, if they are given, changed.

import { button, html } from "./dom.js";
import { exact, parsed, short } from "./numbers.js";
import { flatOf, largest, sheets } from "./values.js";

const SHOWN = 12;
const SHEETS = 4;
const NUDGE = 0.1;

// A view of the array `key` is an element; `views` collects the cells, "key|flat" → [cell, …], for highlights and updates.
export function matrix(app, key, options = {}) {
  const { state } = app;
  const { shape, data } = state.point.value(key);
  const isInput = state.structure.inputs[key] !== undefined;
  const most = largest(data);
  const found = sheets(shape, options);
  const view = html("div", { class: "matrix", data: { key } });
  const title = html("div", { class: "name" });
  const size = found.length ? `${found[0].rows}×${found[0].columns}` : "";
  title.append(options.title ?? app.named(key, options.transposed), html("span", { class: "size" }, shape.length ? size : ""));
  if (options.turn) title.append(options.turn);
  view.append(title);
  const holder = html("div", { class: "sheets" });
  view.append(holder);
  for (const sheet of found.slice(0, SHEETS)) {
    const rows = Math.min(sheet.rows, SHOWN);
    const columns = Math.min(sheet.columns, SHOWN);
    const label = app.text(key) + (options.transposed ? "ᵀ" : "") + (sheet.before.length ? ` [${sheet.before.map((k) => k + 1)}]` : "");
    const grid = html("div", {
      class: "grid",
      role: "grid",
      "aria-label": label,
      "aria-rowcount": sheet.rows,
      "aria-colcount": sheet.columns,
      "aria-readonly": isInput ? null : "true",
    });
    grid.style.setProperty("--columns", columns);
    for (let row = 0; row < rows; row++) {
      const line = html("div", { role: "row" });
      for (let column = 0; column < columns; column++) {
        const index = sheet.index(row, column);
        const at = flatOf(shape, index);
        const cell = html("span", {
          role: "gridcell",
          class: isInput ? "cell given" : "cell",
          tabindex: row + column === 0 ? "0" : "-1",
          data: { key, at, row, column },
        });
        paint(cell, data[at], most);
        cell.index = index;
        app.register(`${key}|${at}`, cell);
        line.append(cell);
      }
      grid.append(line);
    }
    const isPart = rows < sheet.rows || columns < sheet.columns;
    holder.append(
      html(
        "div",
        {},
        sheet.before.length ? html("div", { class: "slice" }, `[${sheet.before.map((k) => k + 1)}]`) : null,
        grid,
        isPart ? html("div", { class: "slice" }, app.say("clipped", rows, columns, sheet.rows, sheet.columns)) : null,
      ),
    );
  }
  if (found.length > SHEETS) view.append(html("div", { class: "slice" }, app.say("clipped sheets", SHEETS, found.length)));
  return view;
}

export function ones(app, count) {
  const grid = html("div", { class: "grid", role: "img", "aria-label": app.say("ones") });
  grid.style.setProperty("--columns", Math.min(count, SHOWN));
  const row = html("div", { class: "row" });
  for (let k = 0; k < Math.min(count, SHOWN); k++) {
    const cell = html("span", { class: "cell" }, "1");
    app.register(`|${k}`, cell);
    row.append(cell);
  }
  grid.append(row);
  const title = html("div", { class: "name", markup: "<math><msup><mn>𝟏</mn><mi>⊤</mi></msup></math>" });
  title.append(html("span", { class: "size" }, `1×${count}`));
  return html("div", { class: "matrix" }, title, grid);
}

// The tint says the sign by colour and the size by strength; the number says both.
export function paint(cell, value, most) {
  const text = short(value);
  if (cell.textContent !== text) cell.textContent = text;
  const strength = most > 0 && Number.isFinite(value) ? Math.sqrt(Math.abs(value) / most) : 0;
  cell.style.setProperty("--tint", `${Math.round(34 * strength)}%`);
  cell.classList.toggle("negative", value < 0);
  cell.classList.toggle("long", text.length > (text.includes("e") ? 4 : 5));
}

// Arrow keys within a grid; a number, Enter or F2 changes an entry, + and − nudge it.
export function onGridKey(app, event) {
  const cell = event.target.closest?.('[role="gridcell"]');
  if (!cell || event.ctrlKey || event.metaKey || event.altKey) return false;
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const row = Number(cell.dataset.row);
  const column = Number(cell.dataset.column);
  const grid = cell.closest('[role="grid"]');
  if (event.key in moves || event.key === "Home" || event.key === "End") {
    const [down, right] = moves[event.key] ?? [0, event.key === "Home" ? -column : grid.firstChild.children.length - 1 - column];
    const next = grid.children[row + down]?.children[column + right];
    if (next) moveFocus(cell, next);
    return true;
  }
  if (event.key === "Escape") {
    app.focusLine();
    return true;
  }
  if (!cell.classList.contains("given")) return false;
  if (event.key === "Enter" || event.key === "F2" || /^[-−.\d]$/.test(event.key)) {
    edit(app, cell, event.key.length === 1 && !"+".includes(event.key) ? event.key : null);
    return true;
  }
  if (event.key === "+" || event.key === "_") return nudge(app, cell, event.key === "+" ? NUDGE : -NUDGE);
  if (event.key === "PageUp" || event.key === "PageDown") return nudge(app, cell, event.key === "PageUp" ? NUDGE : -NUDGE);
  return false;
}

function moveFocus(cell, next) {
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function nudge(app, cell, change) {
  const { key, at } = cell.dataset;
  const value = app.state.point.value(key).data[at];
  const whole = app.state.structure.inputs[key].dtype !== "float64";
  app.change(key, cell.index, whole ? value + Math.sign(change) : Math.round(1e6 * (value + change)) / 1e6);
  return true;
}

// An entry becomes a field until Enter, Escape or a click elsewhere.
export function edit(app, cell, typed = null) {
  if (cell.querySelector("input")) return;
  const { key, at } = cell.dataset;
  const value = app.state.point.value(key).data[at];
  const field = html("input", {
    class: "entry",
    inputmode: "decimal",
    autocomplete: "off",
    "aria-label": app.say("new value", app.entryText(key, cell.index)),
  });
  field.value = typed ?? exact(value);
  let done = false;
  const finish = (keep) => {
    if (done) return;
    done = true;
    const number = parsed(field.value);
    field.remove();
    cell.textContent = short(value);
    cell.focus();
    if (!keep) return;
    if (Number.isNaN(number) || !Number.isFinite(number)) app.tell(app.say("not a number"));
    else app.change(key, cell.index, number);
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const step = { ArrowUp: NUDGE, ArrowDown: -NUDGE }[event.key];
    if (step && Number.isFinite(parsed(field.value))) {
      field.value = exact(Math.round(1e6 * (parsed(field.value) + step)) / 1e6);
      event.preventDefault();
    }
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      finish(event.key === "Enter");
    }
  });
  field.addEventListener("blur", () => finish(true));
  cell.textContent = "";
  cell.append(field);
  field.focus();
  if (typed === null) field.select();
}

export function turnButton(app, key, isTurned) {
  return button(app.say(isTurned ? "transpose" : "turn back"), {
    class: "turn",
    title: app.say(isTurned ? "transpose title" : "turn back title"),
    on: { click: () => app.turn(key) },
  });
}
