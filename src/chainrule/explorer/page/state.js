// The state of the page, apart from what is drawn: which derivation, its values, what is selected, what was done.
//
// What was done is a list of acts from the initial values on: edits of entries, and steps of training. The fragment of
// the address holds the list, so that it restores the same values.

import { newHistory, newRun, normsOf } from "./run.js";
import { flatOf, normals, norm } from "./values.js";

const LONGEST_FRAGMENT = 1800;

export function newState(payload, modules) {
  const state = {
    payload,
    structure: null,
    point: null,
    line: 0,
    entry: null,
    form: "matrix",
    sample: 0,
    seed: 0,
    sizes: {},
    rate: 0.5,
    optimizer: "sgd",
    acts: [],
    version: 0,
  };

  const evaluated = (inputs) => {
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
      values[name] = redrawn ? Float64Array.from({ length: count }, () => draw(scale)) : Float64Array.from(input.data);
    }
    return values;
  };

  state.restart = () => {
    state.acts = [];
    state.run = newRun(state.structure.wrt, state.optimizer);
    state.history = newHistory();
    evaluated(initial());
    record();
  };

  const record = () => state.history.add(state.run.steps, state.point.loss, normsOf(state.point, state.structure.gradients));

  state.choose = (structure, sizes = {}) => {
    state.structure = structure;
    state.sizes = { ...structure.sizes, ...sizes };
    state.line = Math.min(state.line, structure.lines.length - 1);
    state.entry = null;
    state.restart();
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

  state.train = (count) => {
    for (let k = 0; k < count; k++) {
      evaluated({ ...inputs(), ...state.run.advance(state.point, state.rate) });
      record();
      if (!Number.isFinite(state.point.loss)) break;
    }
    const last = state.acts.at(-1);
    if (last?.kind === "train" && last.rate === state.rate) last.count += count;
    else state.acts.push({ kind: "train", count, rate: state.rate });
  };

  const replay = (acts) => {
    state.restart();
    const rate = state.rate;
    for (const act of acts) {
      if (act.kind === "train") {
        state.rate = act.rate;
        state.train(act.count);
      } else {
        const data = Float64Array.from(state.point.value(act.name).data);
        const before = data[act.at];
        data[act.at] = act.value;
        evaluated({ ...inputs(), [act.name]: data });
        state.acts.push({ ...act, before });
        record();
      }
    }
    state.rate = rate;
  };

  // Takes back the last edit, or the last training since.
  state.undo = () => {
    if (!state.acts.length) return false;
    replay(state.acts.slice(0, -1));
    return true;
  };

  state.fragment = () => {
    const { structure } = state;
    const parts = [["line", state.structure.lines[state.line].key]];
    if (state.entry) parts.push(["entry", `${state.entry.name}:${state.entry.index.join(".")}`]);
    if (state.form !== "matrix") parts.push(["form", state.form]);
    if (structure.network) parts.push(["sample", state.sample + 1]);
    parts.push(["seed", state.seed]);
    if (state.optimizer !== "sgd") parts.push(["optimizer", state.optimizer]);
    if (state.rate !== 0.5) parts.push(["rate", state.rate]);
    const number = payload.structures.indexOf(state.structure);
    if (number) parts.push(["structure", state.structure.id]);
    for (const [name, size] of Object.entries(state.sizes))
      if (size !== state.structure.sizes[name]) parts.push([`size.${name}`, size]);
    const written = ([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
    let text = parts.map(written).join("&");
    for (const act of state.acts) {
      const next = written(act.kind === "train" ? ["train", `${act.count}@${act.rate}`] : ["edit", `${act.name}:${act.at}:${act.value}`]);
      if (text.length + next.length > LONGEST_FRAGMENT) break;
      text += `&${next}`;
    }
    return text;
  };

  // The first sample that is not zero, of which a product shows nothing.
  const firstSample = () => {
    const { network } = state.structure;
    if (!network?.rows) return 0;
    const { shape, data } = state.point.value(network.data);
    const at = data.findIndex((value) => value !== 0);
    return shape.length < 2 || at < 0 ? 0 : Math.floor(at / shape[1]);
  };

  // Restores a fragment; what does not fit the page is left out.
  state.restore = (fragment) => {
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
    const acts = [];
    for (const [key, value = ""] of parts) {
      if (key === "train") {
        const [count, rate] = value.split("@").map(Number);
        if (count > 0 && count <= 1e6 && rate > 0) acts.push({ kind: "train", count, rate });
      } else if (key === "edit") {
        const [name, at, number] = value.split(":");
        if (structure.inputs[name] && Number(at) < state.point.value(name).data.length && Number.isFinite(Number(number)))
          acts.push({ kind: "edit", name, at: Number(at), value: Number(number) });
      }
    }
    if (acts.length) replay(acts);
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

function safely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
