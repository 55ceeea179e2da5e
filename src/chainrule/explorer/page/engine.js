// The steps of a run, by the fastest code that a derivation has here: WebAssembly of the native engine at the sizes for
// which it was compiled, else the passes that are written as loops, else the lines themselves.

import { newRun } from "./run.js";

const TOLERANCE = 1e-7;

// Makes `count` steps from a point, fewer if the loss is no number after one of them: the new parameters by name, how many
// steps were made, and whether the loss was no number. `module` is what a script of lines provides.
export function advanced(module, point, run, rate, count) {
  const engine = module.engines?.find((each) => each.fits(point, run)) ?? lines;
  if (run.holder !== engine) run.holder?.release?.(run);
  run.holder = engine;
  const found = engine.advance(point, run, rate, count);
  run.steps += found.done;
  return found;
}

// The engines of a module, the fastest first. `compiled` has runs in WebAssembly by optimizer, or is null without one.
export function enginesOf({ passes, descent }, compiled) {
  return [compiled && byWasm(descent, compiled), passes && byPasses(passes)].filter(Boolean);
}

const lines = {
  name: "lines",
  advance(point, run, rate, count) {
    let done = 0;
    let at = point;
    const values = valuesOf(point, run.names);
    while (done < count && Number.isFinite(at.loss)) {
      for (const name of run.names) run.updateOf(name, values[name].length)(values[name], at.value(`∂ ${name}`).data, rate, run.steps + done + 1);
      at = at.with(Object.fromEntries(run.names.map((name) => [name, values[name].slice()])));
      done++;
    }
    return { values, done, diverged: !Number.isFinite(at.loss) };
  },
};

function byPasses(passes) {
  const trusted = new Map();
  // What the passes give is compared with the lines, once for all sizes; where they differ, the lines are right.
  const agrees = (point, run) => {
    const { parts, gradients } = opened(point, run);
    gradients();
    return parts.every(({ name, gradient }) => {
      const { data } = point.value(`∂ ${name}`);
      const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300);
      return data.every((x, k) => Math.abs(x - gradient[k]) <= TOLERANCE * largest || Number.isNaN(x));
    });
  };
  const opened = (point, run) => {
    const { sizes } = point;
    const [params, grads, work] = [passes.params(sizes), passes.grads(sizes), passes.work(sizes)];
    const parts = run.names.map((name) => {
      const member = passes.members[name];
      const isNumber = typeof params[member] === "number";
      const x = isNumber ? new Float64Array(1) : params[member];
      x.set(point.value(name).data);
      return { name, member, isNumber, x, gradient: isNumber ? new Float64Array(1) : grads[member], update: run.updateOf(name, x.length) };
    });
    const numbers = parts.filter((each) => each.isNumber);
    const given = Object.fromEntries(Object.keys(point.given).map((name) => [name, point.value(name).data]));
    const gradients = () => {
      for (const { member, x } of numbers) params[member] = x[0];
      const loss = passes.run(params, given, grads, work, sizes);
      for (const { member, gradient } of numbers) gradient[0] = grads[member];
      return loss;
    };
    return { parts, gradients };
  };
  return {
    name: "passes",
    fits(point, run) {
      const key = JSON.stringify(point.sizes);
      if (!trusted.has(key)) trusted.set(key, agrees(point, run));
      return trusted.get(key);
    },
    advance(point, run, rate, count) {
      const { parts, gradients } = opened(point, run);
      let done = 0;
      let diverged = false;
      while (done < count) {
        diverged = !Number.isFinite(gradients());
        if (diverged) break;
        done++;
        for (const { x, gradient, update } of parts) update(x, gradient, rate, run.steps + done);
      }
      return { values: Object.fromEntries(parts.map(({ name, x }) => [name, x])), done, diverged };
    },
  };
}

function byWasm(descent, compiled) {
  const given = new Map(Object.keys(compiled).map((optimizer) => [optimizer, new Map()]));
  const trusted = new Map();
  const held = new Map(); // the run whose memory is in a module
  const isSame = (one, other) => one?.length === other.length && other.every((x, k) => x === one[k]);
  const give = (point, { optimizer }) => {
    const known = given.get(optimizer);
    for (const name of descent.names) {
      const { data } = point.value(name);
      if (isSame(known.get(name), data)) continue;
      compiled[optimizer].set({ [name]: data });
      known.set(name, data);
    }
  };
  const slots = (point, run) =>
    run.names.flatMap((name) => Object.entries(run.memoryOf(name, point.value(name).data.length)).map(([key, data]) => [`${name} ${key}`, data]));
  const take = (point, run) => {
    const { fixed, counter } = descent.runs[run.optimizer];
    compiled[run.optimizer].set({ ...fixed, ...Object.fromEntries(slots(point, run)), ...(counter ? { [counter]: run.steps } : {}) });
    held.set(run.optimizer, { run, point });
  };
  const advance = (point, run, rate, count) => {
    const code = compiled[run.optimizer];
    if (held.get(run.optimizer)?.run !== run) take(point, run);
    give(point, run);
    code.set({ [descent.runs[run.optimizer].rate]: rate });
    const { losses, status } = code.advance(count);
    const values = Object.fromEntries(run.names.map((name) => [name, code.get(name)]));
    for (const name of run.names) given.get(run.optimizer).set(name, values[name]);
    return { values, done: losses.length, diverged: status !== "finished" };
  };
  // What a first step makes of the parameters, and remembers, is compared with what the lines give.
  const agrees = (point, { names, optimizer }) => {
    const [one, other] = [newRun(names, optimizer), newRun(names, optimizer)];
    const { values, done } = advance(point, one, 1, 1);
    release(one);
    const isClose = (found, right) => {
      const largest = right.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300);
      return right.every((x, k) => Math.abs(x - found[k]) <= TOLERANCE * largest);
    };
    return names.every((name) => {
      const x = Float64Array.from(point.value(name).data);
      other.updateOf(name, x.length)(x, point.value(`∂ ${name}`).data, 1, 1);
      const remembered = one.memoryOf(name, x.length);
      return done === 1 && isClose(values[name], x) && Object.entries(other.memoryOf(name, x.length)).every(([key, right]) => isClose(remembered[key], right));
    });
  };
  const release = (run) => {
    const there = held.get(run.optimizer);
    if (there?.run !== run) return;
    for (const [slot, data] of slots(there.point, run)) data.set(compiled[run.optimizer].get(slot));
    held.delete(run.optimizer);
  };
  return {
    name: "wasm",
    fits(point, run) {
      if (!compiled[run.optimizer] || Object.entries(descent.sizes).some(([name, size]) => point.sizes[name] !== size)) return false;
      if (!trusted.has(run.optimizer)) trusted.set(run.optimizer, agrees(point, run));
      return trusted.get(run.optimizer);
    },
    advance,
    release,
  };
}

function valuesOf(point, names) {
  return Object.fromEntries(names.map((name) => [name, Float64Array.from(point.value(name).data)]));
}
