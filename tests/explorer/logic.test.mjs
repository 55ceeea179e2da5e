// The page's modules that need no document, under node. `MODULES` is the folder in which they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.MODULES}/${name}.js`).href);
const { brief, exact, parsed, short, spoken } = await load("numbers");
const { flatOf, indexOf, norm, normals, sheets, uniforms } = await load("values");
const { checked, failing, readers, sources, uses } = await load("explain");
const { enginesOf } = await load("engine");
const { newHistory, newRun, OPTIMIZERS } = await load("run");
const { newState } = await load("state");
const { teller } = await load("embedded");
const { dataOf, placesOf, pointData, pointsOf, TableError, tableOf } = await load("table");
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

test("a frame is told the values of the inputs at first, and then once for each change", () => {
  const state = opened();
  const sent = [];
  const tell = teller(state, { postMessage: (message, origin) => sent.push({ message, origin }) });
  tell();
  tell();
  assert.equal(sent.length, 1);
  const [name] = Object.keys(state.structure.inputs);
  const { shape, data } = state.point.value(name);
  assert.deepEqual(sent[0].message.chainrule[name], { shape, data: [...data] });
  state.set(name, shape.map(() => 0), data[0] + 2);
  tell();
  assert.equal(sent.length, 2);
  assert.equal(sent[1].message.chainrule[name].data[0], data[0] + 2);
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

// A point of a function of one number w, with a derivative that is claimed.
const pointOf = (f, w, derived) => {
  const data = { w: [w], "∂ w": [derived] };
  return { value: (name) => ({ shape: [], data: Float64Array.from(data[name]) }), loss: f(w), with: ({ w: [moved] }) => ({ loss: f(moved) }) };
};

test("at a kink, a derivative of either side or between them is right, and of no other is anything said; without one, rounding is no fault", () => {
  const relu = (w) => 3 * Math.max(w, 0) + (w + 1) ** 2;
  const found = (f, w, derived) => {
    const { agree, kink } = checked(pointOf(f, w, derived), "w", []);
    return [agree, kink];
  };
  for (const derived of [2, 5, 3.5]) assert.deepEqual(found(relu, 0, derived), [true, derived !== 3.5]);
  for (const derived of [1.99, 5.01, 0, -2]) assert.deepEqual(found(relu, 0, derived), [null, true]);
  assert.deepEqual(failing(pointOf(relu, 0, 0), ["w"]), { total: 1, count: 0, found: [] }, "it is not compared");
  for (const derived of [3, 2.99, 0]) assert.deepEqual(found((w) => (w + 1) ** 2, 0, derived), [false, false]);
  // A loss of saturated units, whose rounding is larger than its differences over a short step.
  const saturated = (w) => -8 * Math.log(1 - 1e-7 * Math.exp(-w));
  assert.deepEqual(found(saturated, 0.3, -8e-7 * Math.exp(-0.3)), [true, false]);
  assert.deepEqual(found(saturated, 0.3, -8.08e-7 * Math.exp(-0.3)), [false, false]);
});

test("optimizers make the first steps of their definitions", () => {
  const moved = (optimizer, gradient, rate, steps) => {
    const x = Float64Array.of(1);
    const update = newRun(["x"], optimizer).updateOf("x", 1);
    for (let k = 1; k <= steps; k++) update(x, Float64Array.of(gradient), rate, k);
    return x[0];
  };
  assert.ok(Math.abs(moved("sgd", 2, 0.1, 1) - 0.8) < 1e-15);
  assert.ok(Math.abs(moved("momentum", 1, 0.1, 2) - (1 - 0.1 - 0.19)) < 1e-15);
  assert.ok(Math.abs(moved("adam", 5, 0.01, 1) - 0.99) < 1e-9);
});

// The passes of the same loss, as a script of lines provides them.
const passes = (wrong = 1) => ({
  members: { w: "w" },
  params: () => ({ w: 0 }),
  grads: () => ({ w: 0 }),
  work: () => ({}),
  run(params, { x, y }, grads) {
    let loss = 0;
    grads.w = 0;
    for (let k = 0; k < x.length; k++) {
      const r = params.w * x[k] - y[k];
      loss += r * r;
      grads.w += wrong * 2 * r * x[k];
    }
    return loss;
  },
});
const withEngines = (found) => {
  const module = { evaluate: (sizes, given) => Object.assign(evaluate(sizes, given), { sizes, given }) };
  module.engines = enginesOf({ passes: found }, null);
  const state = newState(PAYLOAD, [() => module]);
  state.restore("#rate=0.03");
  return state;
};

test("training by the passes is training by the lines, for each optimizer and in pieces of any length", () => {
  for (const optimizer of Object.keys(OPTIMIZERS)) {
    const [slow, quick] = [opened(`#rate=0.03&optimizer=${optimizer}`), withEngines(passes())];
    quick.optimizer = optimizer;
    quick.restart();
    slow.train(30);
    for (const count of [1, 7, 22]) quick.train(count);
    assert.deepEqual([slow.run.holder.name, quick.run.holder.name], ["lines", "passes"]);
    assert.ok(Math.abs(slow.point.value("w").data[0] - quick.point.value("w").data[0]) < 1e-12, optimizer);
    assert.deepEqual([quick.run.steps, quick.acts.length], [30, 1]);
  }
});

test("passes that disagree with the lines are not used", () => {
  const state = withEngines(passes(1.001));
  state.train(3);
  assert.equal(state.run.holder.name, "lines");
});

test("training ends where the loss is no number", () => {
  for (const state of [opened(), withEngines(passes())]) {
    state.rate = 1e150;
    state.train(1000);
    assert.ok(state.diverged);
    assert.ok(state.run.steps < 10);
    state.undo();
    assert.ok(!state.diverged);
    assert.ok(Number.isFinite(state.point.loss));
  }
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
  const again = opened(`#${state.address().text}`);
  assert.deepEqual([...again.point.value("w").data], [...state.point.value("w").data]);
  assert.equal(again.point.loss, state.point.loss);
  assert.deepEqual([again.line, again.entry, again.rate], [3, state.entry, 0.03]);
  assert.equal(again.run.steps, 25);
  const other = opened("#seed=4");
  assert.notEqual(other.point.value("w").data[0], 0.5);
  assert.equal(opened(`#${other.address().text}`).point.value("w").data[0], other.point.value("w").data[0]);
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
  assert.ok(state.address().text.length < 2000);
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

// ---- tables ------------------------------------------------------------------------------------------------------

const kinds = (table) => table.columns.map(({ name, classes }) => [name, classes ? classes.length : 0]);
const says = (key, ...values) => (typeof WORDS.en[key] === "function" ? WORDS.en[key](...values) : WORDS.en[key]);
const sentence = (act) => {
  try {
    act();
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    return error.sentence(says);
  }
  return "";
};

test("the delimiter, the header and the kinds of columns of a table are found", () => {
  assert.deepEqual(kinds(tableOf("x,y,kind\n1,2,a\n3,4,b\n")), [["x", 0], ["y", 0], ["kind", 2]]);
  assert.deepEqual(kinds(tableOf("1\t2\ta\r\n3\t4\tb")), [[null, 0], [null, 0], [null, 2]]);
  const decimal = tableOf("a;b\n1,5;2\n-2,5;3");
  assert.deepEqual(decimal.columns[0].values, [1.5, -2.5]);
  assert.deepEqual(tableOf("1 2 0\n 3   4 1 ").columns[1].values, [2, 4]);
  assert.deepEqual(tableOf('a,b\n"1,000",2\n"-12,345.5",3').columns[0].values, [1000, -12345.5]);
  const quoted = tableOf('name,"a ""b"", c"\n"x, y",1\n"z\nz",2');
  assert.deepEqual(kinds(quoted), [["name", 2], ['a "b", c', 0]]);
  assert.deepEqual(kinds(tableOf("colour,size\nred,big\nblue,small")), [["colour", 2], ["size", 2]]);
  assert.deepEqual(kinds(tableOf("red,1\nblue,2")), [[null, 2], [null, 0]]);
  assert.deepEqual(tableOf("\ufeffa,b\n,1\nNA,2\n3,4").columns[0].values, [null, null, 3]);
});

test("rows that cannot be read are named", () => {
  assert.match(sentence(() => tableOf("a,b\n1,2\n3")), /^Line 3 has 1 cell, and the first line has 2/);
  assert.match(sentence(() => tableOf('a,b\n1,"2')), /^A quotation mark opens in line 2/);
  assert.match(sentence(() => tableOf("x,y\n1,2\n3,4\n5,z\n6,7\n8,9\n1,1")), /^Line 4 has “z” in y/);
  assert.match(sentence(() => tableOf("x,y\n1,2\n3,-inf\n5,nan")), /^Line 3 has “-inf” in y/);
  assert.match(sentence(() => tableOf("x,y\n1,2\n3,1e999\n5,7")), /^Line 3 has “1e999” in y/);
  assert.equal(sentence(() => tableOf(" \n")), "There are no rows.");
  assert.equal(sentence(() => tableOf("a,b,c\n")), "There is one line of names, and no row below it.");
});

const NETWORK = {
  inputs: { X: { dims: ["n", "d"], dtype: "float64" }, y: { dims: ["n", "o"], dtype: "float64" }, W: { dims: ["d", "o"], dtype: "float64" } },
  wrt: ["W"],
  network: { rows: true, data: "X", layers: [{ steepest: 1 }, { steepest: 0.25 }] },
};
const given = (text, settings = {}, structure = NETWORK) => {
  const table = tableOf(text);
  const target = table.columns.length - 1;
  return dataOf(table, placesOf(structure), { inputs: [...Array(target).keys()], target, isScaled: false, ...settings });
};

test("rows become inputs and targets: classes, numbers, and numbers for a sigmoid", () => {
  const two = given("1,2,b\n3,4,a");
  assert.deepEqual([two.sizes, two.values, two.classes], [{ n: 2, d: 2, o: 1 }, { X: [1, 2, 3, 4], y: [1, 0] }, ["a", "b"]]);
  assert.deepEqual(given("1,a\n2,b\n3,c").values.y, [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  assert.deepEqual(given("1,0.5\n2,1").values.y, [0.5, 1]);
  assert.match(given("1,2,a\n3,4,a").notes[0](says), /has the same value in every row/);
  const scaled = given("1,-10.5\n2,10\n3,30.5");
  assert.deepEqual([scaled.values.y, scaled.notes.length], [[0, 0.5, 1], 1]);
  assert.deepEqual(given("1,-1\n2,1").values.y, [0, 1], "two whole numbers are classes");
  assert.deepEqual(given("red,1,0\nblue,2,1\ngreen,3,1").values.X, [0, 0, 1, 1, 1, 0, 0, 2, 0, 1, 0, 3]);
  const missing = given("1,2,0\n,4,1\n5,6,1");
  assert.deepEqual([missing.sizes.n, missing.notes.length], [2, 1]);
  const free = { ...NETWORK, network: { ...NETWORK.network, layers: [{ steepest: 1 }, { steepest: 1 }] } };
  assert.deepEqual(given("1,-10\n2,10\n3,30", {}, free).values.y, [-10, 10, 30]);
  const standard = given("1,0\n3,1", { isScaled: true });
  assert.deepEqual(standard.values.X, [-1, 1]);
});

test("a table that does not fit a function is refused with a reason", () => {
  const fixed = { ...NETWORK, inputs: { ...NETWORK.inputs, X: { dims: ["n", 3], dtype: "float64" }, y: { dims: ["n", 1], dtype: "float64" }, W: { dims: [3, 1], dtype: "float64" } } };
  assert.match(sentence(() => given("1,2,0\n3,4,1", {}, fixed)), /takes 3 inputs, and 2 are chosen/);
  assert.match(sentence(() => given("1,2,3,a\n1,2,3,b\n1,2,3,c", {}, fixed)), /has 3 classes, and this function takes 2/);
  assert.match(sentence(() => given("1,a\n2,", { inputs: [] })), /Choose a column as input/);
  assert.equal(placesOf({ ...NETWORK, inputs: { ...NETWORK.inputs, m: { dims: ["n"], dtype: "float64" } } }), null);
});

test("labels of classes are given as whole numbers", () => {
  const labelled = { ...NETWORK, inputs: { ...NETWORK.inputs, y: { dims: ["n"], dtype: "int64", limit: "k" } } };
  const found = given("1,b\n2,c\n3,a", {}, labelled);
  assert.deepEqual([found.values.y, found.sizes], [[1, 2, 0], { n: 3, d: 1, k: 3 }]);
});

// A state whose values are what was given, with one row of two inputs.
const drawing = () => {
  const structure = {
    ...PAYLOAD.structures[0],
    ...NETWORK,
    loss: "L",
    gradients: [],
    sizes: { n: 1, d: 2, o: 1 },
    network: null,
    inputs: { X: { ...NETWORK.inputs.X, data: [0, 0] }, y: { ...NETWORK.inputs.y, data: [0] }, W: { ...NETWORK.inputs.W, data: [1, -1] } },
  };
  const shapes = (sizes) => ({ X: [sizes.n, sizes.d], y: [sizes.n, sizes.o], W: [sizes.d, sizes.o] });
  const evaluate = (sizes, inputs) => ({ value: (name) => ({ shape: shapes(sizes)[name] ?? [], data: Float64Array.from(inputs[name.replace("∂ ", "")] ?? [0]) }), loss: 1 });
  const state = newState({ structures: [structure] }, [() => ({ evaluate })]);
  state.restore("");
  return state;
};

test("points are drawn, undone, kept by starting again, and restored by the address", () => {
  const state = drawing();
  const places = placesOf(state.structure);
  const add = (x, y, own) => state.give(pointData([...pointsOf(state, places), { x, y, own }], places));
  assert.ok(add(1, 2, 1));
  assert.ok(state.set("W", [0, 0], 5));
  assert.ok(add(-1, 0.5, 0));
  assert.deepEqual(pointsOf(state, places), [{ x: 0, y: 0, own: 0 }, { x: 1, y: 2, own: 1 }, { x: -1, y: 0.5, own: 0 }]);
  assert.deepEqual([...state.point.value("W").data], [5, -1], "the weights stay");
  const again = drawing();
  again.restore(`#${state.address().text}`);
  for (const name of ["X", "y", "W"]) assert.deepEqual([...again.point.value(name).data], [...state.point.value(name).data], name);
  state.restart();
  assert.equal(pointsOf(state, places).length, 3);
  assert.deepEqual([...state.point.value("W").data], [1, -1]);
  assert.ok(add(2, 2, 2), "a third class has an output of its own");
  assert.deepEqual([state.shape("y"), state.shape("W")], [[4, 3], [2, 3]]);
  state.undo();
  assert.deepEqual([state.shape("y"), [...state.point.value("W").data]], [[3, 1], [1, -1]]);
  state.leave();
  assert.equal(pointsOf(state, places).length, 1);
  assert.ok(!state.give({ sizes: { n: 2 }, values: { X: [1, 2, 3] } }), "of another length");
  assert.ok(!state.give({ sizes: { q: 2 }, values: {} }));
  for (const bad of ["data=n~2!X~1_2", "data=n~x!X~1", "data=", "data=n~1!q~1", "data=n~999999999!X~1"]) {
    const other = drawing();
    other.restore(`#${bad}`);
    assert.deepEqual([...other.point.value("X").data], [0, 0], bad);
  }
});
