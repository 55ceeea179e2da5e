// The network, or for anything else the graph of its equations, with values forward and gradients backward on it.

import { svg } from "./dom.js";
import { brief, short } from "./numbers.js";
import { flatOf, largest, sizeOf } from "./values.js";

const UNITS = 8;
const RADIUS = 18;

export function graph(app) {
  const { structure } = app.state;
  const line = structure.lines[app.state.line];
  const backward = line.kind === "gradient" || line.kind === "derivative";
  return structure.network ? units(app, line, backward) : equations(app, line, backward);
}

// ---- units and weights -------------------------------------------------------------------------------------------

function place(app, key, unit) {
  const shape = app.state.point.value(key).shape;
  const { rows } = app.state.structure.network;
  if (shape.length < 2) return shape.length ? [unit] : [];
  const sample = Math.min(app.state.sample, shape[rows ? 0 : 1] - 1);
  return rows ? [sample, unit] : [unit, sample];
}

function count(app, key) {
  const shape = app.state.point.value(key).shape;
  return shape.length < 2 ? (shape[0] ?? 1) : shape[app.state.structure.network.rows ? 1 : 0];
}

export function samples(app) {
  const { network } = app.state.structure;
  const shape = network ? app.state.point.value(network.layers[0].value).shape : [];
  return shape.length < 2 ? 1 : shape[network.rows ? 0 : 1];
}

// The entries that a unit or a weight stands for, as `markEntry` looks for them.
function entries(names, index) {
  return names.map((name) => entryText(name, index)).join(" ");
}

function entryText(name, index) {
  return `${name}|${index}`.replaceAll(" ", "");
}

// Marks the unit or the weight that an entry belongs to.
export function markEntry(root, entry) {
  for (const each of [...root.getElementsByClassName("entry")]) each.classList.remove("entry");
  for (const each of entry ? root.querySelectorAll(`[data-entries~="${CSS.escape(entryText(entry.name, entry.index))}"]`) : []) each.classList.add("entry");
}

function units(app, line, backward) {
  const { state } = app;
  const { network, names } = state.structure;
  const has = (key) => key && names[key] !== undefined;
  const width = 380;
  const gap = 46;
  const counts = network.layers.map((layer) => count(app, layer.value));
  const shown = counts.map((each) => Math.min(each, UNITS));
  const height = Math.max(...shown) * gap + 58;
  const x = (layer) => 34 + (layer * (width - 68)) / (network.layers.length - 1);
  const y = (layer, unit) => (height - 8) / 2 + (unit - (shown[layer] - 1) / 2) * gap;
  const results = new Set([line.key]);
  const operands = new Set(line.picture.operands);
  const edges = [];
  const marks = [];
  network.weights.forEach(({ key }, layer) => {
    const shownKey = backward && has(`∂ ${key}`) ? `∂ ${key}` : key;
    const { shape, data } = state.point.value(shownKey);
    const most = largest(data) || 1;
    const chosen = results.has(shownKey) || results.has(key) ? "chosen" : operands.has(key) ? "used" : "";
    for (let from = 0; from < shown[layer]; from++)
      for (let to = 0; to < shown[layer + 1]; to++) {
        const index = network.rows ? [from, to] : [to, from];
        const value = data[flatOf(shape, index)];
        const share = Math.abs(value) / most;
        edges.push(
          svg("line", {
            x1: x(layer) + RADIUS,
            y1: y(layer, from),
            x2: x(layer + 1) - RADIUS,
            y2: y(layer + 1, to),
            class: `edge ${value < 0 ? "negative" : "positive"} ${chosen}`,
            data: { entries: entries([key, `∂ ${key}`], index) },
            "stroke-width": (0.7 + 4.3 * share).toFixed(2),
            "stroke-opacity": (0.3 + 0.7 * share).toFixed(2),
            on: { click: () => app.selectKey(shownKey, index) },
          }),
        );
      }
  });
  const discs = [];
  network.layers.forEach((layer, number) => {
    const gradient = [layer.pre, layer.value].map((key) => `∂ ${key}`).find(has);
    const key = backward && number > 0 && gradient ? gradient : layer.value;
    const { shape, data } = state.point.value(key);
    const most = largest(data) || 1;
    const own = [layer.value, layer.pre, `∂ ${layer.value}`, `∂ ${layer.pre}`, `′ ${layer.value}`];
    const bias = number ? network.weights[number - 1].bias : null;
    const isResult = own.some((each) => results.has(each)) || (bias && (results.has(bias) || results.has(`∂ ${bias}`)));
    const isOperand = own.some((each) => operands.has(each));
    for (let unit = 0; unit < shown[number]; unit++) {
      const index = place(app, key, unit);
      const value = data[flatOf(shape, index)];
      const written = brief(value);
      const disc = svg("circle", { cx: x(number), cy: y(number, unit), r: RADIUS });
      disc.style.setProperty("--tint", `${Math.round(40 * Math.sqrt(Math.abs(value) / most))}%`);
      const classes = ["unit", value < 0 ? "negative" : "positive", isResult ? "chosen" : isOperand ? "used" : ""];
      discs.push(
        svg(
          "g",
          { class: classes.join(" "), data: { entries: entries(own, index) }, on: { click: () => app.selectKey(key, index) } },
          disc,
          svg("text", { x: x(number), y: y(number, unit) + 4, class: written.length > 4 ? "long" : "" }, written),
        ),
      );
    }
    if (counts[number] > UNITS)
      marks.push(svg("text", { class: "more", x: x(number), y: y(number, UNITS - 1) + gap / 2 + 8 }, `⋮ ${counts[number]}`));
    marks.push(svg("text", { class: isResult ? "layer chosen" : "layer", x: x(number), y: height - 6 }, app.text(key)));
  });
  network.weights.forEach(({ key }, layer) => {
    const shownKey = backward && has(`∂ ${key}`) ? `∂ ${key}` : key;
    const isResult = results.has(shownKey);
    marks.push(
      svg("text", { class: isResult ? "layer chosen" : "layer", x: (x(layer) + x(layer + 1)) / 2, y: 8 }, app.text(shownKey)),
    );
  });
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "network", role: "img", "aria-label": app.say(backward ? "network backward" : "network forward") },
    edges,
    discs,
    marks,
  );
}

// ---- equations ---------------------------------------------------------------------------------------------------

const BOX = { width: 76, height: 46, across: 104, down: 60 };

// Every value one column to the right of the last that it is made of; inputs stand just before their first use.
export function columnsOf(lines, inputs) {
  const forward = lines.filter((line) => line.kind === "forward" || line.kind === "abbreviation");
  const column = new Map();
  for (const line of forward)
    column.set(line.key, 1 + Math.max(0, ...line.picture.operands.map((key) => column.get(key) ?? 0)));
  for (const name of inputs) {
    const users = forward.filter((line) => line.picture.operands.includes(name)).map((line) => column.get(line.key));
    if (users.length) column.set(name, Math.min(...users) - 1);
  }
  return column;
}

function equations(app, line, backward) {
  const { state } = app;
  const { lines, names, inputs } = state.structure;
  const columns = columnsOf(lines, Object.keys(inputs));
  const rows = new Map();
  const filled = new Map();
  for (const [key, column] of columns) {
    rows.set(key, filled.get(column) ?? 0);
    filled.set(column, (filled.get(column) ?? 0) + 1);
  }
  const deepest = Math.max(...filled.values());
  const last = Math.max(...columns.values());
  const width = (last + 1) * BOX.across + 8;
  const height = deepest * BOX.down + 8;
  const x = (key) => 4 + columns.get(key) * BOX.across;
  const y = (key) => 4 + (rows.get(key) + (deepest - filled.get(columns.get(key))) / 2) * BOX.down;
  const edges = [];
  for (const each of lines)
    if (columns.has(each.key))
      for (const from of new Set(each.picture.operands))
        if (columns.has(from)) {
          const [x1, y1, x2, y2] = [x(from) + BOX.width, y(from) + BOX.height / 2, x(each.key), y(each.key) + BOX.height / 2];
          const bend = Math.max(14, (x2 - x1) / 2);
          edges.push(svg("path", { class: "link", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }));
        }
  const boxes = [];
  for (const key of columns.keys()) {
    const gradient = `∂ ${key}`;
    const shownKey = backward && names[gradient] !== undefined ? gradient : key;
    const isResult = [key, gradient, `′ ${key}`].includes(line.key);
    const isOperand = line.picture.operands.some((each) => each === key || each === gradient || each === `′ ${key}`);
    boxes.push(
      svg(
        "g",
        { class: `box ${isResult ? "chosen" : isOperand ? "used" : ""}`, data: { key }, on: { click: () => app.selectKey(shownKey) } },
        svg("rect", { x: x(key), y: y(key), width: BOX.width, height: BOX.height, rx: 6 }),
        svg("text", { x: x(key) + BOX.width / 2, y: y(key) + 15 }, app.text(shownKey)),
        tiles(app, shownKey, x(key) + 8, y(key) + 21, BOX.width - 16, BOX.height - 26),
      ),
    );
  }
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, class: "equations-graph", role: "img", "aria-label": app.say(backward ? "graph backward" : "graph forward") },
    edges,
    boxes,
  );
  return drawing;
}

// A value as tiles, or as a number if it is one.
function tiles(app, key, x, y, width, height) {
  const { shape, data } = app.state.point.value(key);
  if (sizeOf(shape) === 1) return svg("text", { x: x + width / 2, y: y + height - 5, class: "value" }, short(data[0]));
  const columns = Math.min(shape.at(-1), 10);
  const rows = Math.min(sizeOf(shape.slice(0, -1)), 5);
  const most = largest(data) || 1;
  const group = svg("g", { class: "tiles" });
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = data[row * shape.at(-1) + column];
      const tile = svg("rect", {
        x: x + (column * width) / columns,
        y: y + (row * height) / rows,
        width: width / columns - 1,
        height: height / rows - 1,
        class: value < 0 ? "negative" : "positive",
      });
      tile.style.setProperty("--tint", `${Math.round(8 + 70 * Math.sqrt(Math.abs(value) / most))}%`);
      group.append(tile);
    }
  return group;
}
