// The page's modules that need no document, under node. `MODULES` is the folder in which they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.MODULES}/${name}.js`).href);
const { brief, exact, parsed, short, spoken } = await load("numbers");
const { flatOf, indexOf, norm, normals, sheets, uniforms } = await load("values");
const { checked, failing, readers, sources, uses } = await load("explain");
const { newHistory, newRun, OPTIMIZERS } = await load("run");
const { newState } = await load("state");
const { columnsOf } = await load("graph");
const { WORDS } = await load("words");

// L = Σ (w x − y)² by hand, in the form of a module of lines.
function evaluate(sizes, inputs, faulty = false) {
  const values = new Map();
  const value = (name) => {
    if (!values.has(name)) values.set(name, made(name));
    return values.get(name);
  };
  const vector = (name, entry) => ({ shape: [sizes.n], data: Float64Array.from({ length: sizes.n }, (_, k) => entry(k)) });
  const made = (name) => {
    if (name in inputs) return { shape: name === "w" ? [] : [sizes.n], data: Float64Array.from(inputs[name]) };
    if (name === "r") return vector("r", (k) => value("w").data[0] * value("x").data[k] - value("y").data[k]);
    if (name === "L") return { shape: [], data: Float64Array.of(value("r").data.reduce((sum, r) => sum + r * r, 0)) };
    if (name === "∂ r") return vector("∂ r", (k) => 2 * value("r").data[k]);
    const sum = value("x").data.reduce((total, x, k) => total + x * value("∂ r").data[k], 0);
    return { shape: [], data: Float64Array.of(faulty ? 1.01 * sum : sum) };
  };
  const lines = ["r", "L", "∂ r", "∂ w"];
  return {
    value,
    line: (number) => value(lines[number]),
    slopes: (number, index) => {
      const read = (name, at, slope) => ({ name, index: name === "w" ? [] : [at], at, value: value(name).data[at], slope });
      const all = (name, slope) => Array.from({ length: sizes.n }, (_, k) => read(name, k, slope(k)));
      const w = value("w").data[0];
      if (number === 0) return [read("w", 0, value("x").data[index[0]]), read("x", index[0], w), read("y", index[0], -1)];
      if (number === 1) return all("r", (k) => 2 * value("r").data[k]);
      if (number === 2) return [read("r", index[0], 2)];
      return [...all("x", (k) => value("∂ r").data[k]), ...all("∂ r", (k) => value("x").data[k])];
    },
    get loss() {
      return value("L").data[0];
    },
    with: (others) => evaluate(sizes, { ...inputs, ...others }, faulty),
  };
}

const LINES = [
  { key: "r", kind: "forward", of: "r", number: 0, picture: { operands: ["w", "x", "y"] } },
  { key: "L", kind: "forward", of: "L", number: 1, picture: { operands: ["r"] } },
  { key: "∂ r", kind: "gradient", of: "r", number: 2, picture: { operands: ["r"] } },
  { key: "∂ w", kind: "gradient", of: "w", number: 3, picture: { operands: ["x", "∂ r"] } },
];
const PAYLOAD = {
  structures: [
    {
      id: "fit",
      module: 0,
      loss: "L",
      wrt: ["w"],
      gradients: ["w"],
      sizes: { n: 3 },
      choices: { sizes: {} },
      names: Object.fromEntries(["w", "x", "y", "r", "L", "∂ r", "∂ w"].map((key) => [key, { text: key }])),
      inputs: {
        w: { dims: [], dtype: "float64", data: [0.5] },
        x: { dims: ["n"], dtype: "float64", data: [0, 1, 2] },
        y: { dims: ["n"], dtype: "int64", data: [0, 1, 1], limit: 4 },
      },
      network: null,
      lines: LINES,
    },
  ],
};
const opened = (fragment = "", faulty = false) => {
  const state = newState(PAYLOAD, [() => ({ evaluate: (sizes, inputs) => evaluate(sizes, inputs, faulty) })]);
  state.restore(fragment);
  return state;
};

test("numbers are short, with a proper minus sign", () => {
  assert.deepEqual([0, 1, -2, 0.5, -0.12345, 0.0001, 12345.6, 99.99, 250.04].map(short), ["0", "1", "−2", "0.5", "−0.123", "1e−4", "1.2e4", "99.99", "250"]);
  assert.deepEqual([NaN, Infinity, -Infinity].map(short), ["NaN", "∞", "−∞"]);
  assert.deepEqual([0.0305, -1.70473, 7e-5, 3].map(spoken), ["0.0305", "−1.7", "7.0e−5", "3"]);
  assert.deepEqual([0.051, -0.5, 0.0004, 12.34].map(brief), ["0.05", "−0.5", "4e−4", "12"]);
  assert.equal(exact(1 / 3), "0.333333");
});

test("what is typed is read with a comma, a minus sign of print, or as a fraction", () => {
  assert.deepEqual(["1,5", "−2", " 3e-2 ", "1/4", "-.5"].map(parsed), [1.5, -2, 0.03, 0.25, -0.5]);
  for (const text of ["", "abc", "1/", "--2"]) assert.ok(Number.isNaN(parsed(text)), text);
});

test("positions and indices are inverse", () => {
  for (let at = 0; at < 24; at++) assert.equal(flatOf([2, 3, 4], indexOf([2, 3, 4], at)), at);
});

test("an array on paper has every entry once, transposed or as a column", () => {
  for (const shape of [[], [3], [2, 3], [2, 3, 4]])
    for (const options of [{}, { transposed: true }, { column: true }]) {
      const seen = new Set();
      for (const sheet of sheets(shape, options))
        for (let row = 0; row < sheet.rows; row++) for (let place = 0; place < sheet.columns; place++) seen.add(flatOf(shape, sheet.index(row, place)));
      assert.equal(seen.size, shape.reduce((a, b) => a * b, 1), JSON.stringify([shape, options]));
    }
  assert.deepEqual(sheets([2, 3], { transposed: true })[0].index(2, 1), [1, 2]);
  assert.equal(sheets([3], { column: true })[0].rows, 3);
});

test("draws are the same for a seed, and different for another", () => {
  const draw = (seed) => Array.from({ length: 5 }, uniforms(seed));
  assert.deepEqual(draw(3), draw(3));
  assert.notDeepEqual(draw(3), draw(4));
  const normal = normals(1);
  const many = Array.from({ length: 4000 }, () => normal(2));
  assert.ok(Math.abs(norm(many) / Math.sqrt(4000) - 2) < 0.1);
});

test("entries that count are told from those that are only read", () => {
  const { point } = opened();
  const found = sources(point, LINES[3], []);
  // x[0] is 0, so δ[0] is multiplied by zero; δ[1] is −1 and x[1] counts.
  assert.deepEqual(found.filter((each) => !each.counts).map((each) => `${each.name}${each.at}`).sort(), ["x0", "x2", "∂ r0"]);
  const inverse = readers(point, LINES[0]);
  assert.deepEqual(inverse.get("w|0"), [1, 2]);
  assert.deepEqual(inverse.get("y|2"), [2]);
});

test("uses of a value are the other lines that read it", () => {
  assert.deepEqual(uses(LINES, "r").map((line) => line.key), ["L", "∂ r"]);
});

test("the gradient check passes, and catches a gradient that is one percent off", () => {
  assert.ok(checked(opened().point, "w", []).agree);
  assert.deepEqual(failing(opened().point, ["w"]), { total: 1, count: 1, found: [] });
  assert.equal(failing(opened().point, ["w"], 0).count, 1, "some are checked in any case");
  const wrong = opened("", true).point;
  assert.ok(!checked(wrong, "w", []).agree);
  assert.equal(failing(wrong, ["w"]).found.length, 1);
});

test("optimizers make the first steps of their definitions", () => {
  assert.equal(OPTIMIZERS.sgd()(2, 0.1), 0.2);
  const momentum = OPTIMIZERS.momentum();
  assert.deepEqual([momentum(1, 1), momentum(1, 1)], [1, 1.9]);
  const adam = OPTIMIZERS.adam();
  assert.ok(Math.abs(adam(5, 0.01) - 0.01) < 1e-9);
  const run = newRun(["w"], "sgd");
  const { point } = opened();
  assert.ok(Math.abs(run.advance(point, 0.1).w[0] - (0.5 - 0.1 * point.value("∂ w").data[0])) < 1e-15);
});

test("a history stays short and keeps the latest", () => {
  const history = newHistory(10);
  for (let step = 0; step <= 1000; step++) history.add(step, step, {});
  assert.ok(history.entries.length <= 21);
  assert.equal(history.entries[0].step, 0);
  assert.equal(history.entries.at(-1).step, 1000);
});

test("an edit changes what follows, is undone, and is refused where it is impossible", () => {
  const state = opened();
  const before = state.point.loss;
  assert.ok(state.set("w", [], 2));
  assert.equal(state.point.value("w").data[0], 2);
  assert.notEqual(state.point.loss, before);
  assert.ok(state.undo());
  assert.equal(state.point.loss, before);
  assert.ok(!state.undo());
  assert.ok(!state.set("w", [], NaN));
  assert.ok(!state.set("y", [1], 4), "beyond the limit of an index");
  assert.ok(state.set("y", [1], 2.6));
  assert.equal(state.point.value("y").data[1], 3, "whole numbers are rounded");
});

test("training lowers the loss, and a fragment restores edits, steps and seed exactly", () => {
  const state = opened("#rate=0.03");
  state.set("x", [0], 0.7);
  state.train(20);
  state.set("w", [], -1);
  state.train(5);
  state.line = 3;
  state.entry = { name: "∂ w", index: [] };
  const again = opened(`#${state.fragment()}`);
  assert.deepEqual([...again.point.value("w").data], [...state.point.value("w").data]);
  assert.equal(again.point.loss, state.point.loss);
  assert.deepEqual([again.line, again.entry, again.rate], [3, state.entry, 0.03]);
  assert.equal(again.run.steps, 25);
  const other = opened("#seed=4");
  assert.notEqual(other.point.value("w").data[0], 0.5);
  assert.equal(opened(`#${other.fragment()}`).point.value("w").data[0], other.point.value("w").data[0]);
});

test("a fragment that does not fit the page is left out", () => {
  const state = opened("#line=nothing&entry=q:1&seed=-3&rate=x&train=5&edit=w:9:1&form=%E0%A4%A&structure=none");
  assert.deepEqual([state.line, state.entry, state.seed, state.rate, state.form], [0, null, 0, 0.5, "matrix"]);
  assert.equal(state.run.steps, 0);
  assert.deepEqual([opened("#entry=x:7").entry, opened("#entry=x:2").entry], [null, { name: "x", index: [2] }]);
});

test("a long history of acts does not make a fragment of any length", () => {
  const state = opened();
  for (let k = 0; k < 400; k++) {
    state.set("x", [k % 3], k / 7);
    state.set("w", [], k);
  }
  assert.ok(state.fragment().length < 2000);
});

test("every value stands to the right of what it is made of", () => {
  const columns = columnsOf(LINES, ["w", "x", "y"]);
  assert.deepEqual(Object.fromEntries(columns), { w: 0, x: 0, y: 0, r: 1, L: 2 });
});

test("both languages have the same words, of the same kind", () => {
  assert.deepEqual(Object.keys(WORDS.zh), Object.keys(WORDS.en));
  for (const [key, word] of Object.entries(WORDS.en)) {
    assert.equal(typeof WORDS.zh[key], typeof word, key);
    if (typeof word === "function") assert.equal(WORDS.zh[key].length, word.length, key);
  }
});
