// A table of text, with its delimiter, its header and the kinds of its columns found; and its rows as arrays of a network.

import { signed } from "./numbers.js";

const MOST_ROWS = 1000;
const MOST_CLASSES = 10;
const MISSING = /^(|na|n\/a|nan|null|none|\?)$/i;
const INFINITE = /^[-+]?(inf(inity)?|∞)$/i;

// An error is a function of `say`, which gives its sentence.
export class TableError extends Error {
  constructor(sentence) {
    super("table");
    this.sentence = sentence;
  }
}

// The records of a text, cells in quotes as in RFC 4180: [{line, cells}].
function records(text, delimiter) {
  const found = [];
  let [cells, cell, line, first, isQuoted] = [[], "", 1, 1, false];
  const close = () => {
    if (delimiter !== " " || cell || !cells.length) cells.push(cell.trim());
    if (cells.length > 1 || cells[0] !== "") found.push({ line: first, cells });
    [cells, cell, first] = [[], "", line];
  };
  for (let k = 0; k < text.length; k++) {
    const letter = text[k];
    if (letter === "\n") line++;
    if (isQuoted && letter === '"' && text[k + 1] === '"') cell += text[++k];
    else if (letter === '"' && (isQuoted || cell.trim() === "")) isQuoted = !isQuoted;
    else if (isQuoted) cell += letter;
    else if (letter === "\n") close();
    else if (delimiter === " " ? /\s/.test(letter) : letter === delimiter) {
      if (delimiter === " " && cell === "") continue;
      cells.push(cell.trim());
      cell = "";
    } else cell += letter;
  }
  if (isQuoted) throw new TableError((say) => say("open quote", first));
  close();
  return found;
}

function delimiterOf(text) {
  const start = text.split("\n").slice(0, 20).join("\n").replaceAll('"', "");
  const widths = [",", "\t", ";", "|", " "].map((delimiter) => {
    const counts = records(start, delimiter).map((each) => each.cells.length);
    const most = Math.max(...counts.filter((count) => 2 * counts.filter((other) => other === count).length >= counts.length), 1);
    return { delimiter, most };
  });
  // A semicolon is tried before a comma, which may be that of decimals.
  const order = ["\t", ";", ",", "|", " "].map((each) => widths.find(({ delimiter }) => delimiter === each));
  return (order.find(({ most }) => most > 1) ?? widths[0]).delimiter;
}

function numberOf(cell, delimiter) {
  // Between commas, a cell with a comma was in quotes: 1,000 is a thousand.
  if (delimiter === "," && /^[-+−]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(cell)) return Number(cell.replaceAll(",", "").replace("−", "-"));
  const plain = (delimiter === "," ? cell : cell.replace(",", ".")).replace("−", "-");
  if (INFINITE.test(plain)) return Infinity;
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

// {rows, columns: [{name, values, classes}]}; the values are numbers, or texts where there are `classes`, null if missing.
export function tableOf(text) {
  const lines = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  if (!lines.trim()) throw new TableError((say) => say("no table"));
  const delimiter = delimiterOf(lines);
  const all = records(lines, delimiter);
  const width = all[0].cells.length;
  const uneven = all.find(({ cells }) => cells.length !== width);
  if (uneven) throw new TableError((say) => say("uneven line", uneven.line, uneven.cells.length, width));
  const isNumber = (cell) => !Number.isNaN(numberOf(cell, delimiter));
  const [head, ...rest] = all;
  const isNumeric = head.cells.map((_, k) => rest.length > 0 && rest.every(({ cells }) => isNumber(cells[k]) || MISSING.test(cells[k])));
  const named = isNumeric.some((numeric, k) => numeric && !isNumber(head.cells[k]) && !MISSING.test(head.cells[k]));
  const allText = head.cells.every((cell) => !isNumber(cell)) && !head.cells.some((cell, k) => rest.some(({ cells }) => cells[k] === cell));
  if (!rest.length && head.cells.length > 1 && allText) throw new TableError((say) => say("header alone"));
  const hasHeader = rest.length > 0 && (named || (allText && !isNumeric.some(Boolean) && rest.length > 1));
  const rows = hasHeader ? rest : all;
  const columns = head.cells.map((title, k) => {
    const own = rows.map(({ cells }) => cells[k]);
    const present = own.filter((cell) => !MISSING.test(cell));
    const numbers = present.filter(isNumber).length;
    const name = hasHeader && title ? title : null;
    const isText = numbers < present.length;
    if (!isText || (numbers >= 4 && numbers >= 0.8 * present.length)) {
      const wrong = rows.find(({ cells }) => !MISSING.test(cells[k]) && !Number.isFinite(numberOf(cells[k], delimiter)));
      if (wrong) throw new TableError((say) => say("no number in line", wrong.line, name ?? say("column", k + 1), wrong.cells[k]));
    }
    const values = own.map((cell) => (MISSING.test(cell) ? null : isText ? cell : numberOf(cell, delimiter)));
    return { name, number: k + 1, values, classes: isText ? [...new Set(present)].sort() : null };
  });
  return { rows: rows.length, columns };
}

export const titleOf = (column, say) => column.name ?? say("column", column.number);

// What of a structure takes the rows of a table: {dim, features, target, kind}, or null if there is no such place.
export function placesOf({ inputs, wrt, network }) {
  const given = Object.keys(inputs).filter((name) => !wrt.includes(name) && inputs[name].dims.length);
  const own = new Set(wrt.flatMap((name) => inputs[name].dims));
  const dim = inputs[given[0]]?.dims[0];
  if (given.length !== 2 || typeof dim !== "string" || own.has(dim) || given.some((name) => inputs[name].dims.indexOf(dim) !== 0)) return null;
  const isMatrix = (name) => inputs[name].dims.length === 2 && inputs[name].dtype === "float64" && inputs[name].dims[1] !== dim;
  const features = [network?.rows ? network.data : "", ...given].find((name) => given.includes(name) && isMatrix(name));
  if (!features) return null;
  const target = given.find((name) => name !== features);
  const { dims, dtype } = inputs[target];
  const kind = dtype === "int64" ? "labels" : dims.length === 1 ? "vector" : "columns";
  if (dtype === "bool" || dims.length > 2 || (kind === "labels" && dims.length > 1)) return null;
  return { dim, features, target, kind, inputs: inputs[features].dims[1], outputs: kind === "labels" ? inputs[target].limit : dims[1], isBounded: network?.layers.at(-1).steepest === 0.25 };
}

const sixDigits = (x) => Number(x.toPrecision(6));

// A column as columns of numbers: itself, scaled to mean 0 and deviation 1, or 0 and 1 for each class but that of two.
function encoded(column, at, isScaled) {
  const values = at.map((row) => column.values[row]);
  if (column.classes) {
    if (column.classes.length > MOST_CLASSES) throw new TableError((say) => say("many texts", titleOf(column, say), column.classes.length));
    const own = column.classes.length === 2 ? [column.classes[1]] : column.classes;
    return own.map((text) => values.map((value) => Number(value === text)));
  }
  if (!isScaled) return [values];
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length) || 1;
  return [values.map((x) => sixDigits((x - mean) / deviation))];
}

// The rows of a table as an act of data: {sizes, values, classes, notes}, notes being functions of `say`.
export function dataOf(table, places, { inputs, target, isScaled }) {
  const notes = [];
  if (!inputs.length) throw new TableError((say) => say("no inputs"));
  const used = [...inputs, target].map((k) => table.columns[k]);
  let at = Array.from({ length: table.rows }, (_, row) => row).filter((row) => used.every((column) => column.values[row] !== null));
  const missing = table.rows - at.length;
  if (missing) notes.push((say) => say("rows missing", missing));
  if (!at.length) throw new TableError((say) => say("no rows"));
  if (at.length > MOST_ROWS) {
    const count = at.length;
    at = Array.from({ length: MOST_ROWS }, (_, k) => at[Math.floor((k * count) / MOST_ROWS)]);
    notes.push((say) => say("rows left out", MOST_ROWS, count));
  }
  const columns = inputs.flatMap((k) => encoded(table.columns[k], at, isScaled));
  if (typeof places.inputs === "number" && places.inputs !== columns.length) throw new TableError((say) => say("wrong inputs", places.inputs, columns.length));
  const goal = targetOf(table.columns[target], at, places);
  if (goal.note) notes.push(goal.note);
  const own = table.columns[target];
  if (at.length > 1 && at.every((row) => own.values[row] === own.values[at[0]])) notes.push((say) => say("one value", titleOf(own, say)));
  const values = { [places.features]: at.flatMap((_, row) => columns.map((column) => column[row])), [places.target]: goal.values };
  return { ...sizedFor(places, at.length, columns.length, goal.outputs, values), classes: goal.classes, notes };
}

function sizedFor(places, rows, inputs, outputs, values) {
  const sizes = { [places.dim]: rows };
  if (typeof places.inputs === "string") sizes[places.inputs] = inputs;
  if (typeof places.outputs === "string") sizes[places.outputs] = outputs;
  return { sizes, values };
}

// The target: labels, 0 and 1 for classes, or numbers.
function targetOf(column, at, { kind, outputs, isBounded }) {
  const values = at.map((row) => column.values[row]);
  const distinct = [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const isWhole = !column.classes && distinct.every(Number.isInteger) && distinct.length <= MOST_CLASSES;
  const isUnit = !column.classes && distinct.every((x) => x >= 0 && x <= 1);
  const isClass = column.classes || kind === "labels" || (isBounded && !isUnit && isWhole);
  if (!isClass) {
    if (kind === "columns" && typeof outputs === "number" && outputs !== 1) throw new TableError((say) => say("wrong outputs", outputs));
    if (!isBounded || isUnit) return { values, outputs: 1 };
    const [low, high] = [distinct[0], distinct.at(-1)];
    return { values: values.map((x) => sixDigits((x - low) / (high - low || 1))), outputs: 1, note: (say) => say("target scaled", signed(String(low)), signed(String(high))) };
  }
  const count = distinct.length;
  if (count > MOST_CLASSES || (kind === "labels" && !column.classes && !isWhole)) throw new TableError((say) => say("many texts", titleOf(column, say), count));
  const classes = distinct.map(String);
  const number = values.map((value) => distinct.indexOf(value));
  const limit = typeof outputs === "number" ? outputs : Infinity;
  if (kind === "labels") {
    if (count > limit) throw new TableError((say) => say("many classes", count, limit));
    return { values: number, outputs: Math.max(count, 2), classes };
  }
  if (count <= 2 && (kind === "vector" || limit === 1 || limit === Infinity)) return { values: number, outputs: 1, classes };
  const most = kind === "vector" || limit === 1 ? 2 : limit;
  if (count > most) throw new TableError((say) => say("many classes", count, most));
  const width = limit === Infinity ? count : limit;
  return { values: number.flatMap((own) => Array.from({ length: width }, (_, k) => Number(k === own))), outputs: width, classes };
}

// Points in a plane, [{x, y, own}] with the number of a class, from the values of a structure, and back.
export function pointsOf(state, places) {
  const { shape, data } = state.point.value(places.features);
  const goal = state.point.value(places.target);
  const width = goal.shape[1] ?? 1;
  return Array.from({ length: shape[0] }, (_, row) => {
    const own = Array.from(goal.data.slice(row * width, (row + 1) * width));
    return { x: data[2 * row], y: data[2 * row + 1], own: width > 1 ? own.indexOf(Math.max(...own)) : own[0] };
  });
}

export function pointData(points, places, classes) {
  const count = Math.max(2, ...points.map((each) => each.own + 1));
  const width = places.kind !== "columns" ? 1 : typeof places.outputs === "number" ? places.outputs : count > 2 ? count : 1;
  const goal = points.flatMap(({ own }) => (width > 1 ? Array.from({ length: width }, (_, k) => Number(k === own)) : [own]));
  const values = { [places.features]: points.flatMap(({ x, y }) => [x, y]), [places.target]: goal };
  return { ...sizedFor(places, points.length, 2, places.kind === "labels" ? count : width, values), classes };
}

// How many classes can be drawn.
export function mostClasses({ kind, outputs }) {
  if (kind === "vector") return 2;
  return typeof outputs === "number" ? Math.max(outputs, kind === "labels" ? 1 : 2) : 4;
}
