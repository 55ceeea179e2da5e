// Whether a typed line is right, and if not, what the mistake is: expressions are compared at fixed random points.

import { evaluated, Misfit, PRIMES } from "./evaluate.js";
import { canonical, fromLatex, parse, Unreadable, written } from "./language.js";
import { mends, numberNode } from "./mending.js";
import { indexOf, sizeOf } from "./values.js";

const CLOSE = 1e-9;
const MOST_CHANGES = 12000;
const ACTIVATION = { σ: "sigmoid", ReLU: "relu" };

// The names of a derivation in every spelling, and its values at the points of the quiz.
export function newQuiz(structure, evaluate, arrays, priority) {
  const { names, quiz, lines } = structure;
  const points = quiz.points.map((inputs) => {
    const point = evaluate(quiz.sizes, Object.fromEntries(Object.entries(inputs).map(([name, number]) => [name, Float64Array.from(arrays[number])])));
    const kept = new Map();
    return { sizes: quiz.sizes, cache: new WeakMap(), value: (key) => kept.get(key) ?? (kept.set(key, point.value(key)), kept.get(key)) };
  });
  const spellings = new Map();
  const known = (spelling, meaning) => spellings.has(canonical(spelling)) || spellings.set(canonical(spelling), meaning);
  const primes = new Map();
  for (const [key, { text }] of Object.entries(names)) if (!/^[∂′]/.test(key)) [key, text].forEach((each) => known(each, { key }));
  for (const [key, { text }] of Object.entries(names)) {
    if (key.startsWith("∂")) {
      const of = key.replace(/^∂(given)? ?/, "");
      const plain = names[of]?.text ?? of;
      known(text, { key });
      if (key.startsWith("∂ ")) for (const each of [of, plain]) for (const before of ["∂", "d", "d_", `d${structure.loss}_d`, "grad_"]) known(before + each, { key });
      if (text.startsWith("δ")) for (const before of ["delta", "delta_", "d", "d_"]) known(before + text.slice(1).replace(/^_/, ""), { key });
    }
    const prime = /^(.+)′\((.+)\)$/.exec(text);
    if (key.startsWith("′") && prime) {
      const [of] = Object.entries(names).find(([, each]) => each.text === prime[2]) ?? [];
      primes.set(of, { key, name: ACTIVATION[prime[1]] ?? prime[1], activation: key.slice(2) });
    }
  }
  for (const size of Object.keys(quiz.sizes)) known(size, { size });
  const order = new Map(lines.map((line, number) => [line.key, number]));
  return { structure, points, spellings, primes, order, priority, textOf: (key) => names[key]?.text ?? key };
}

// One question: the line of a gradient, of which only values above it may be used.
export function newQuestion(quiz, line) {
  const place = quiz.order.get(line.key);
  const isLater = (key) => key.startsWith("∂ ") && quiz.order.has(key) && quiz.order.get(key) >= place;
  const hidden = new Set();
  const resolve = (name) => {
    const found = quiz.spellings.get(canonical(name));
    if (found?.key !== undefined && isLater(found.key)) {
      hidden.add(canonical(name));
      return undefined;
    }
    return found;
  };
  const usable = Object.keys(quiz.structure.names).filter((key) => key !== "∂ " + quiz.structure.loss && !isLater(key) && !key.startsWith("′"));
  const derivatives = [...quiz.primes.values()].map((each) => each.key);
  const expected = quiz.points.map((point) => point.value(line.key));
  return { quiz, line, resolve, hidden, variables: usable, derivatives, expected };
}

export function read(question, text) {
  return parse(text, question.resolve, question.quiz.structure.loss);
}

const derivativeIn = (quiz) => (key, name) => {
  const found = quiz.primes.get(key);
  return found && (name === undefined || found.name === name) ? found.key : undefined;
};

function valueOf(question, tree, number) {
  const { quiz } = question;
  return evaluated(tree, quiz.points[number], derivativeIn(quiz));
}

// A value in the shape in which it is asked, or null: a column of sums may be one of a matrix, and what is repeated by
// ones fills any shape.
function fitted(value, shape) {
  const size = sizeOf(shape);
  if (value.ones) return Array(size).fill(value.scale ?? 1);
  if (value.free) {
    const from = [...Array(Math.max(0, shape.length - value.shape.length)).fill(1), ...value.shape];
    if (from.length !== shape.length || from.some((each, axis) => each !== 1 && each !== shape[axis])) return null;
    const strides = from.map((each, axis) => (each === 1 ? 0 : sizeOf(from.slice(axis + 1))));
    return Array.from({ length: size }, (_, flat) => value.data[indexOf(shape, flat).reduce((at, place, axis) => at + place * strides[axis], 0)]);
  }
  const same = value.shape.length === shape.length && value.shape.every((each, axis) => each === shape[axis]);
  const column = value.column && shape.length === 2 && shape[1] === 1 && value.shape[0] === shape[0];
  return same || column ? value.data : null;
}

function largestDifference(found, expected) {
  const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
  let at = -1;
  let most = CLOSE * scale;
  expected.forEach((x, flat) => {
    const difference = Math.abs(found[flat] - x);
    if (!(difference <= most)) [most, at] = [difference, flat];
  });
  return at < 0 ? null : { at, difference: most };
}

function isRight(question, tree, number) {
  const expected = question.expected[number];
  const found = fitted(valueOf(question, tree, number), expected.shape);
  return found !== null && largestDifference(found, expected.data) === null;
}

// The verdict on a text: {verdict, …} with "right", "unreadable" (what, at, text, nearest), "later" (name), "known" (kind,
// values: a mistake), "misfit" (part, left, right), "shape" (found, needed) or "unequal" (index, found, needed).
export function judged(question, text) {
  let tree;
  question.hidden.clear();
  try {
    tree = read(question, fromLatex(text).replace(/^\s*[^=<>!]*[^=<>!\s]\s*=(?!=)/, (left) => (isLeft(question, left) ? "" : left)));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const { what, at, text: part } = error;
    if (what !== "name") return { verdict: "unreadable", what, at, text: part };
    return { verdict: question.hidden.has(canonical(part)) || question.hidden.has(canonical(`∂${part}`)) ? "later" : "unknown", text: part, nearest: nearest(question, part) };
  }
  try {
    const values = question.expected.map((_, number) => valueOf(question, tree, number));
    if (values.every((_, number) => isRight(question, tree, number))) return { verdict: "right", tree };
    const known = mistake(question, tree) ?? compared(question, values);
    if (known) return { verdict: "known", tree, ...known };
    return { tree, ...different(question, values[0]) };
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const known = mistake(question, tree);
    if (known) return { verdict: "known", tree, misfit: error, ...known };
    return { verdict: "misfit", tree, part: error.node, left: error.left, right: error.right };
  }
}

function isLeft(question, left) {
  const name = left.replace(/=$/, "").trim();
  return name.split("=").some((each) => question.quiz.spellings.get(canonical(each.trim().replace(new RegExp(`[∂d]\\s*${question.quiz.structure.loss}\\s*/\\s*[∂d]\\s*`), "∂")))?.key === question.line.key);
}

function different(question, value) {
  const { shape, data } = question.expected[0];
  const found = fitted(value, shape);
  if (found === null) return { verdict: "shape", found: value.shape, needed: shape };
  const { at } = largestDifference(found, data) ?? { at: 0 };
  return { verdict: "unequal", index: indexOf(shape, at), found: found[at], needed: data[at] };
}

// ---- mistakes --------------------------------------------------------------------------------------------------------

function scopeOf(question) {
  const { quiz, variables, derivatives } = question;
  const shapeOf = (node) => {
    try {
      const value = valueOf(question, node, 0);
      return value.ones ? null : value.shape;
    } catch {
      return null;
    }
  };
  const isMatrix = ({ op, args }) => {
    if (op === "@" || op === "*") return op === "@";
    const [a, b] = args.map(shapeOf);
    if (a?.length === 0 || b?.length === 0) return false;
    if (op === " ") return true;
    if (!a || !b) return false;
    const rank = Math.max(a.length, b.length);
    const wide = (shape) => [...Array(rank - shape.length).fill(1), ...shape];
    const other = wide(b);
    return wide(a).some((size, axis) => size !== other[axis] && size !== 1 && other[axis] !== 1);
  };
  return { variables, derivatives, isMatrix, factors: [["−", numberNode(-1)], ...factors(quiz)] };
}

// Numbers by which a gradient may be off, by their labels.
function factors(quiz) {
  const over = (a, b) => ({ op: "/", args: [a, b] });
  const sizes = Object.keys(quiz.structure.quiz.sizes).flatMap((name) => {
    const size = { op: "size", args: [], name };
    return [[name, size], [`1/${name}`, over(numberNode(1), size)], [`2/${name}`, over(numberNode(2), size)], [`½${name}`, over(size, numberNode(2))]];
  });
  return [["2", numberNode(2)], ["½", numberNode(0.5)], ["4", numberNode(4)], ["¼", numberNode(0.25)], ...sizes];
}

// The mistake of which the first change, by the grader's order, makes the line right.
function mistake(question, tree) {
  const { priority } = question.quiz;
  let best = null;
  let count = 0;
  for (const mend of mends(tree, scopeOf(question))) {
    if (++count > MOST_CHANGES) break;
    const rank = [priority.indexOf(mend.kind), mend.cost];
    if (best && (rank[0] > best.rank[0] || (rank[0] === best.rank[0] && rank[1] >= best.rank[1]))) continue;
    try {
      if (question.expected.every((_, number) => isRight(question, mend.tree, number))) best = { ...mend, rank };
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
    }
  }
  return best && diagnosed(question, best);
}

const textIn = (question, part) => (typeof part === "string" ? part : written(part, question.quiz.textOf));

function diagnosed(question, mend) {
  const { quiz } = question;
  const values = { before: textIn(question, mend.before), after: textIn(question, mend.after) };
  const pair = (key) => [...quiz.primes].find(([, each]) => each.key === key);
  const same = (node, key) => {
    try {
      return question.expected.every((_, number) => agree(valueOf(question, node, number), quiz.points[number].value(key)));
    } catch {
      return false;
    }
  };
  const keyOf = (node) => (node?.op === "name" ? node.key : undefined);
  if (mend.kind === "operand") {
    for (const [z, { activation }] of quiz.primes) if (keyOf(mend.before) === activation && keyOf(mend.after) === z) return { kind: "derivative", values: { ...values, at: values.before, instead: values.after } };
  } else if (mend.kind === "derivative") {
    const right = values.after;
    const found = pair(keyOf(mend.after));
    if (found && isAtActivation(question, mend.before, found)) return { kind: "derivative", values: { ...values, right, at: quiz.textOf(found[1].activation), instead: quiz.textOf(found[0]) } };
    const own = found?.[1].activation;
    const forward = question.variables.find((key) => !key.startsWith("∂") && same(mend.before, key));
    if (forward !== undefined && forward !== own) return { kind: "operand", values };
    return { kind: "derivative", values: { ...values, right } };
  } else if (mend.kind === "extra operand" || mend.kind === "missing operand") {
    const missing = mend.kind === "missing operand";
    const operand = missing ? mend.after : mend.before;
    const inverse = (missing ? mend.before : mend.after) === "1/";
    const named = { before: missing ? "" : (inverse ? "1/" : "") + values.before, after: missing ? (inverse ? "1/" : "") + values.after : "" };
    const size = valueOf(question, operand, 0);
    if (!size.ones && sizeOf(size.shape) === 1) {
      const ratios = question.expected.map((_, number) => valueOf(question, operand, number).data[0]).map((x) => (inverse === missing ? x : 1 / x));
      const label = labelOf(question, missing === inverse ? ratios : ratios) ?? "";
      return { kind: "factor", values: { ...named, factor: label } };
    }
    const derivative = inverse ? undefined : question.derivatives.find((key) => same(operand, key));
    if (derivative !== undefined) return { kind: missing ? "missing derivative" : "extra derivative", values: { ...named, right: quiz.textOf(derivative) } };
    return { kind: mend.kind, values: named };
  } else if (mend.kind === "missing derivative") return { kind: mend.kind, values: { ...values, right: values.after } };
  else if (["missing sum", "axis", "shape"].includes(mend.kind)) return ofAxis(question, mend, values);
  else if (mend.kind === "factor" && mend.before === "" && mend.after !== "mean" && mend.after !== "sum") return { kind: "factor", values: { factor: inverseOf(values.after), before: "", after: "" } };
  return { kind: mend.kind, values };
}

function inverseOf(label) {
  const pairs = { 2: "½", "½": "2", 4: "¼", "¼": "4" };
  return pairs[label] ?? (label.startsWith("1/") ? label.slice(2) : /^[2½]/.test(label) ? "" : `1/${label}`);
}

function ofAxis(question, mend, values) {
  const operand = mend.kind === "missing sum" ? mend.node : mend.node.op === "call" ? mend.node.args[0] : mend.node.args.find((each) => each.op !== "ones");
  const named = (axis) => {
    try {
      const { shape } = valueOf(question, operand, 0);
      const place = Number(axis);
      return Number.isInteger(place) ? sizeName(question.quiz, shape[place < 0 ? place + shape.length : place]) : "";
    } catch {
      return "";
    }
  };
  const plain = (axis) => (axis === "undefined" ? "None" : axis);
  return { kind: mend.kind, values: { before: mend.kind === "missing sum" ? values.before : plain(values.before), after: plain(values.after), "before axis": named(mend.before), "after axis": named(values.after) } };
}

export function sizeName(quiz, size) {
  return Object.entries(quiz.structure.quiz.sizes).find(([, each]) => each === size)?.[0] ?? String(size ?? "");
}

function agree(found, expected) {
  const fits = !found.ones && fitted(found, expected.shape);
  return Boolean(fits) && largestDifference(fits, expected.data) === null;
}

// Whether a node is the derivative of an activation at its output.
function isAtActivation(question, node, [, { name, activation }]) {
  if (!PRIMES[name]) return false;
  try {
    return question.expected.every((_, number) => {
      const output = question.quiz.points[number].value(activation);
      return agree(valueOf(question, node, number), { shape: output.shape, data: Array.from(output.data, PRIMES[name]) });
    });
  } catch {
    return false;
  }
}

function labelOf(question, ratios) {
  const close = (a, b) => Math.abs(a - b) <= 1e-6 * Math.abs(b);
  for (const sign of [1, -1])
    for (const [label, node] of [["1", numberNode(1)], ...factors(question.quiz)])
      if (ratios.every((ratio, number) => close(sign * ratio, valueOf(question, node, number).data[0]))) return sign > 0 ? (label === "1" ? "" : label) : label === "1" ? "−" : `−${label}`;
  return ratios.every((ratio) => close(ratio, ratios[0])) ? String(Number(ratios[0].toPrecision(4))) : null;
}

// What a line is that no single change makes right, by comparing its value with the right one.
function compared(question, values) {
  const pairs = values.map((value, number) => [fitted(value, question.expected[number].shape), question.expected[number].data]);
  if (pairs.some(([found]) => found === null)) {
    const [{ shape, data }] = values;
    const needed = question.expected[0];
    const turned = shape.length === 2 && needed.shape.length === 2 && shape[0] === needed.shape[1] && shape[1] === needed.shape[0];
    if (turned && needed.data.every((x, flat) => Math.abs(data[(flat % shape[0]) * shape[1] + Math.floor(flat / shape[0])] - x) < 1e-9 * (1 + Math.abs(x)))) return { kind: "transposed", values: { before: "", after: "" } };
    return null;
  }
  const ratios = pairs.map(([found, needed]) => {
    const at = needed.reduce((best, x, flat) => (Math.abs(x) > Math.abs(needed[best]) ? flat : best), 0);
    const ratio = found[at] / needed[at];
    return needed.every((x, flat) => Math.abs(found[flat] - ratio * x) <= 1e-9 * Math.abs(found[at])) && ratio ? ratio : NaN;
  });
  if (!ratios.some(Number.isNaN)) {
    const factor = labelOf(question, ratios);
    if (factor !== null && factor !== "") return { kind: factor === "−" ? "sign" : "factor", values: { factor, before: "", after: "" } };
  }
  for (const key of question.derivatives) {
    const slopes = question.quiz.points.map((point) => point.value(key).data);
    const too = pairs.every(([found, needed], number) => slopes[number].length === needed.length && largestDifference(found, needed.map((x, flat) => x * slopes[number][flat])) === null);
    if (too) return { kind: "extra derivative", values: { right: question.quiz.textOf(key), before: "", after: "" } };
  }
  return null;
}

// The key of the most specific sentence for which all values are known, as in the grader.
export function sentenceKey({ kind, values, batch }) {
  const { before = "", after = "" } = values;
  if (["transposed", "order", "sign"].includes(kind) && before && after && after !== "−") return `${kind} from`;
  if (kind === "sign" && before) return "sign of";
  if (kind === "missing sum") {
    if (after === "None") return "missing sum all";
    const axis = values["after axis"];
    return !axis ? "missing sum" : axis === batch ? "missing sum batch" : "missing sum over";
  }
  if (kind === "axis" && values["before axis"] && values["after axis"]) return "axis named";
  if (kind === "factor") return values.factor ? "factor of" : before && after ? "factor from" : "factor";
  if (kind === "derivative" && "at" in values) return "derivative at";
  return kind;
}

// The name that is spelled most like one that is not known.
function nearest(question, name) {
  const wanted = canonical(name);
  let best = null;
  for (const [spelling, { key, size }] of question.quiz.spellings) {
    if (key !== undefined && !question.variables.includes(key)) continue;
    const distance = edits(wanted.toLowerCase(), spelling.toLowerCase());
    if (distance <= Math.max(1, wanted.length / 3) && (!best || distance < best.distance)) best = { distance, text: size ?? question.quiz.textOf(key) };
  }
  return best?.text;
}

function edits(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
