// The steps of a run, by the fastest code that a derivation has here: WebAssembly of the native engine for gradient
// descent at the sizes for which it was compiled, else the passes that are written as loops, else the lines themselves.

const TOLERANCE = 1e-7;

// Makes `count` steps from a point, fewer if the loss is no number after one of them: the new parameters by name, how many
// steps were made, and whether the loss was no number. `module` is what a script of lines provides.
export function advanced(module, point, run, rate, count) {
  const engine = module.engines?.find((each) => each.fits(point, run)) ?? lines;
  const found = engine.advance(point, run, rate, count);
  run.steps += found.done;
  run.engine = engine.name;
  return found;
}

// The engines of a module, the fastest first. `compiled` is a run in WebAssembly, or null where there is none.
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
      for (const name of run.names) run.updateOf(name, values[name].length)(values[name], at.value(`∂ ${name}`).data, rate);
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
        for (const { x, gradient, update } of parts) update(x, gradient, rate);
        done++;
      }
      return { values: Object.fromEntries(parts.map(({ name, x }) => [name, x])), done, diverged };
    },
  };
}

function byWasm(descent, compiled) {
  const given = new Map();
  let isTrusted = null;
  const give = (point) => {
    for (const name of descent.names) {
      const { data } = point.value(name);
      if (isSame(given.get(name), data)) continue;
      compiled.set({ [name]: data });
      given.set(name, data);
    }
  };
  // One step is compared with that of the lines.
  const agrees = (point, run) => {
    give(point);
    compiled.set({ [descent.rate]: 1 });
    compiled.advance(1);
    return run.names.every((name) => {
      const [before, gradient, after] = [point.value(name).data, point.value(`∂ ${name}`).data, compiled.get(name)];
      given.delete(name);
      const largest = after.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300);
      return before.every((x, k) => Math.abs(x - gradient[k] - after[k]) <= TOLERANCE * largest);
    });
  };
  const isSame = (one, other) => one?.length === other.length && other.every((x, k) => x === one[k]);
  return {
    name: "wasm",
    fits(point, run) {
      if (run.optimizer !== "sgd" || Object.entries(descent.sizes).some(([name, size]) => point.sizes[name] !== size)) return false;
      return (isTrusted ??= agrees(point, run));
    },
    advance(point, run, rate, count) {
      give(point);
      compiled.set({ [descent.rate]: rate });
      const { losses, status } = compiled.advance(count);
      const values = Object.fromEntries(run.names.map((name) => [name, compiled.get(name)]));
      for (const name of run.names) given.set(name, values[name]);
      return { values, done: losses.length, diverged: status !== "finished" };
    },
  };
}

function valuesOf(point, names) {
  return Object.fromEntries(names.map((name) => [name, Float64Array.from(point.value(name).data)]));
}
