// The state of the page, apart from what is drawn: which derivation, its values, what is selected, what was done.
//
// What was done is a list of acts from the initial values on: edits of entries, and steps of training. The fragment of
// the address holds the list, so that it restores the same values.

import { advanced } from "./engine.js";
import { newHistory, newRun, normsOf } from "./run.js";
import { flatOf, normals, norm } from "./values.js";

const LONGEST_FRAGMENT = 1800;
const MOST_STEPS = 1e6; // of one act of training, so that an address is restored within seconds
const MOST_ENTRIES_GIVEN = 1e5; // of one size that a reader gives
const QUICK = 2; // milliseconds in which a point is evaluated that is recorded at every turn

export function newState(payload, modules) {
  const state = {
    payload,
    structure: null,
    point: null,
    line: 0,
    entry: null,
    form: "matrix",
    hidden: new Set(),
    sample: 0,
    seed: 0,
    sizes: {},
    own: {}, // the sizes of the page, with those chosen
    rate: 0.5,
    speed: 100,
    optimizer: "sgd",
    acts: [],
    version: 0,
  };

  let isQuick = true;
  let isRecorded = false;
  const evaluated = (inputs) => {
    isRecorded = false;
    state.diverged = false;
    state.point = modules[state.structure.module]().evaluate(state.sizes, inputs);
    state.version++;
  };

  // Initial values: as given, or with another seed parameters of the same size as those given.
  const initial = () => {
    const { inputs, wrt } = state.structure;
    const draw = normals(1000003 * state.seed);
    const values = {};
    for (const [name, input] of Object.entries(inputs)) {
      const shape = input.dims.map((dim) => (typeof dim === "number" ? dim : state.sizes[dim]));
      const count = shape.reduce((a, b) => a * b, 1);
      const redrawn = wrt.includes(name) && (state.seed > 0 || count !== input.data.length);
      const scale = input.data.length ? norm(input.data) / Math.sqrt(input.data.length) : 0;
      values[name] = redrawn ? Float64Array.from({ length: count }, () => draw(scale)) : Float64Array.from({ length: count }, (_, k) => input.data[k] ?? 0);
    }
    return values;
  };

  // The beginning of a run, with the data that a reader has given last.
  state.restart = () => {
    const own = state.acts.findLast((act) => act.kind === "data");
    begin();
    if (own) state.give(own);
  };

  const begin = () => {
    state.acts = [];
    state.sizes = { ...state.own };
    state.run = newRun(state.structure.wrt, state.optimizer);
    state.history = newHistory();
    evaluated(initial());
    record();
  };

  // Adds the loss and the norms to the history. Where that takes long, training leaves it to those who draw them.
  const record = () => {
    const began = performance.now();
    state.history.add(state.run.steps, state.point.loss, normsOf(state.point, state.structure.gradients));
    isQuick = performance.now() - began < QUICK;
    isRecorded = true;
  };
  state.record = () => isRecorded || record();

  state.choose = (structure, sizes = {}) => {
    const own = state.acts.findLast((act) => act.kind === "data");
    state.structure = structure;
    const chosen = Object.entries(sizes).filter(([name]) => structure.choices.sizes[name]);
    state.own = { ...structure.sizes, ...Object.fromEntries(chosen) };
    state.line = Math.min(state.line, structure.lines.length - 1);
    state.entry = null;
    begin();
    if (own) state.give(own);
  };

  // Values of inputs, and the sizes that they need: parameters whose size changes are drawn anew.
  state.give = (act) => {
    const before = { sizes: state.sizes, inputs: inputs() };
    if (!isPossible(act)) return false;
    state.sizes = { ...state.sizes, ...act.sizes };
    const drawn = initial();
    const following = {};
    let isSame = true;
    for (const [name, first] of Object.entries(drawn)) {
      const own = act.values[name] ?? before.inputs[name];
      following[name] = own.length === first.length ? Float64Array.from(own) : first;
      isSame &&= own.length === first.length || !state.structure.wrt.includes(name);
    }
    if (!isSame) {
      state.run = newRun(state.structure.wrt, state.optimizer);
      state.history = newHistory();
    }
    evaluated(following);
    const last = state.acts.at(-1);
    if (last?.kind === "data" && act.moved !== undefined && last.moved === act.moved) state.acts.pop();
    state.acts.push({ kind: "data", sizes: act.sizes, values: act.values, moved: act.moved });
    state.sample = Math.min(state.sample, samplesOf(state) - 1);
    state.entry = null;
    record();
    return true;
  };
  state.isOwn = () => state.acts.some((act) => act.kind === "data");
  // Returns to the data of the page.
  state.leave = () => begin();

  const isPossible = ({ sizes, values }) => {
    const known = { ...state.sizes, ...sizes };
    const { inputs } = state.structure;
    if (!Object.entries(sizes).every(([name, size]) => name in state.sizes && Number.isInteger(size) && size > 0 && size <= MOST_ENTRIES_GIVEN)) return false;
    return Object.entries(values).every(([name, data]) => {
      if (!inputs[name]) return false;
      const count = inputs[name].dims.reduce((product, dim) => product * (typeof dim === "number" ? dim : known[dim]), 1);
      const limit = known[inputs[name].limit] ?? inputs[name].limit ?? Infinity;
      const isIndex = inputs[name].dtype === "int64";
      return data.length === count && data.every((x) => Number.isFinite(x) && (!isIndex || (Number.isInteger(x) && x >= 0 && x < limit)));
    });
  };

  const inputs = () => Object.fromEntries(Object.keys(state.structure.inputs).map((name) => [name, state.point.value(name).data]));

  state.shape = (key) => state.point.value(key).shape;

  state.set = (name, index, value) => {
    const { shape, data } = state.point.value(name);
    const at = flatOf(shape, index);
    const dtype = state.structure.inputs[name].dtype;
    const rounded = dtype === "int64" ? Math.round(value) : dtype === "bool" ? Number(value !== 0) : value;
    if (!Number.isFinite(rounded) || rounded === data[at]) return false;
    const limit = state.structure.inputs[name].limit;
    if (dtype === "int64" && limit !== undefined && (rounded < 0 || rounded >= (state.sizes[limit] ?? limit))) return false;
    const last = state.acts.at(-1);
    if (last?.kind === "edit" && last.name === name && last.at === at) last.value = rounded;
    else state.acts.push({ kind: "edit", name, at, value: rounded, before: data[at] });
    const changed = Float64Array.from(data);
    changed[at] = rounded;
    evaluated({ ...inputs(), [name]: changed });
    record();
    return true;
  };

  // Makes `count` steps, fewer if the loss is no number after one of them.
  state.train = (count) => {
    const module = modules[state.structure.module]();
    let made = 0;
    while (made < count && !state.diverged) {
      const piece = isQuick ? Math.min(count - made, state.history.until(state.run.steps)) : count - made;
      const { values, done, diverged } = advanced(module, state.point, state.run, state.rate, piece);
      evaluated({ ...inputs(), ...values });
      made += done;
      if (isQuick) record();
      state.diverged = diverged || (isRecorded && !Number.isFinite(state.point.loss));
    }
    const last = state.acts.at(-1);
    if (last?.kind === "train" && last.rate === state.rate && last.count + made <= MOST_STEPS) last.count += made;
    else if (made) state.acts.push({ kind: "train", count: made, rate: state.rate });
  };

  const replay = (acts) => {
    begin();
    const rate = state.rate;
    for (const act of acts) {
      if (act.kind === "train") {
        state.rate = act.rate;
        state.train(act.count);
      } else if (act.kind === "data") state.give(act);
      else {
        const data = Float64Array.from(state.point.value(act.name).data);
        if (!(act.at < data.length)) continue;
        const before = data[act.at];
        data[act.at] = act.value;
        evaluated({ ...inputs(), [act.name]: data });
        state.acts.push({ ...act, before });
        record();
      }
    }
    state.rate = rate;
    state.record();
  };

  // Takes back the last edit, or the last training since.
  state.undo = () => {
    if (!state.acts.length) return false;
    replay(state.acts.slice(0, -1));
    return true;
  };

  // The fragment as `text`, and whether it is `lacking` the last of what was done.
  state.address = () => {
    const { structure } = state;
    const parts = [["line", state.structure.lines[state.line].key]];
    if (state.entry) parts.push(["entry", `${state.entry.name}:${state.entry.index.join(".")}`]);
    if (state.form !== "matrix") parts.push(["form", state.form]);
    if (state.hidden.size) parts.push(["hidden", [...state.hidden].join(",")]);
    if (structure.network) parts.push(["sample", state.sample + 1]);
    parts.push(["seed", state.seed]);
    if (state.optimizer !== "sgd") parts.push(["optimizer", state.optimizer]);
    if (state.rate !== 0.5) parts.push(["rate", state.rate]);
    const number = payload.structures.indexOf(state.structure);
    if (number) parts.push(["structure", state.structure.id]);
    for (const [name, size] of Object.entries(state.own))
      if (size !== state.structure.sizes[name]) parts.push([`size.${name}`, size]);
    const written = ([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
    let text = parts.map(written).join("&");
    const sameSizes = (one, other) => Object.keys(one).slice(1).every((name) => one[name] === other[name]);
    for (const [k, act] of state.acts.entries()) {
      const after = state.acts[k + 1];
      if (act.kind === "data" && after?.kind === "data" && sameSizes(act.sizes, after.sizes)) continue;
      const next = written(act.kind === "train" ? ["train", `${act.count}@${act.rate}`] : act.kind === "data" ? ["data", packed(act)] : ["edit", `${act.name}:${act.at}:${act.value}`]);
      if (text.length + next.length > LONGEST_FRAGMENT) return { text, lacking: true };
      text += `&${next}`;
    }
    return { text, lacking: false };
  };

  // The first sample that is not zero, of which a product shows nothing.
  const firstSample = () => {
    const { network } = state.structure;
    if (!network?.rows) return 0;
    const { shape, data } = state.point.value(network.data);
    const at = data.findIndex((value) => value !== 0);
    return shape.length < 2 || at < 0 ? 0 : Math.floor(at / shape[1]);
  };

  // Restores a fragment; what does not fit the page is left out. Acts that were too long for it are `kept` elsewhere.
  state.restore = (fragment, kept = null) => {
    const parts = fragment
      .replace(/^#/, "")
      .split("&")
      .filter(Boolean)
      .map((part) => part.split("=").map(safely));
    const one = (key) => parts.find(([name]) => name === key)?.[1];
    const structure = payload.structures.find((each) => each.id === one("structure")) ?? payload.structures[0];
    const sizes = {};
    for (const [key, value] of parts)
      if (key.startsWith("size.") && structure.choices?.sizes?.[key.slice(5)]?.includes(Number(value))) sizes[key.slice(5)] = Number(value);
    state.seed = Math.max(0, Math.floor(Number(one("seed") ?? 0)) || 0);
    state.optimizer = ["sgd", "momentum", "adam"].includes(one("optimizer")) ? one("optimizer") : "sgd";
    state.rate = Number(one("rate")) > 0 ? Number(one("rate")) : 0.5;
    state.form = ["matrix", "path", "index"].includes(one("form")) ? one("form") : "matrix";
    state.choose(structure, sizes);
    const asked = structure.quiz ? structure.lines.filter((line) => line.asked).map((line) => line.key) : [];
    state.hidden = new Set((one("hidden") ?? "").split(",").filter((key) => asked.includes(key)));
    const acts = [];
    for (const [key, value = ""] of parts) {
      if (key === "train") {
        const [count, rate] = value.split("@").map(Number);
        if (count > 0 && count <= MOST_STEPS && rate > 0) acts.push({ kind: "train", count, rate });
      } else if (key === "data") {
        const act = unpackedData(value);
        if (act) acts.push(act);
      } else if (key === "edit") {
        const [name, at, number] = value.split(":");
        if (structure.inputs[name] && Number.isFinite(Number(number)))
          acts.push({ kind: "edit", name, at: Number(at), value: Number(number) });
      }
    }
    if (kept || acts.length) replay(kept ?? acts);
    const line = structure.lines.findIndex((each) => each.key === one("line"));
    state.line = Math.max(line, 0);
    const [name, index] = (one("entry") ?? "").split(":");
    state.entry = null;
    if (name && state.structure.names[name] !== undefined) {
      const places = index ? index.split(".").map(Number) : [];
      const shape = state.shape(name);
      if (places.length === shape.length && places.every((place, axis) => place >= 0 && place < shape[axis]))
        state.entry = { name, index: places };
    }
    const sample = Number(one("sample") ?? NaN);
    state.sample = Number.isInteger(sample) && sample > 0 ? sample - 1 : firstSample();
  };

  return state;
}

function samplesOf({ structure, point }) {
  return structure.network?.rows ? point.value(structure.network.data).shape[0] : Infinity;
}

// An act of data as text, in letters that an address has without an escape.
function packed({ sizes, values }) {
  const arrays = Object.entries(values).map(([name, data]) => `${name}~${Array.from(data).join("_")}`);
  return [Object.entries(sizes).map((each) => each.join("~")).join("*"), ...arrays].join("!");
}

function unpackedData(text) {
  const [sizes, ...arrays] = text.split("!").map((part) => part.split("*").map((each) => each.split("~")));
  const numbers = (list) => (list ? list.split("_").map(Number) : [NaN]);
  const act = { kind: "data", sizes: {}, values: {} };
  for (const [name, size] of sizes) act.sizes[name] = Number(size);
  for (const [[name, list]] of arrays) act.values[name] = numbers(list);
  return arrays.length ? act : null;
}

function safely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
