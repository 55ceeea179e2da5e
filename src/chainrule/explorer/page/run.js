// Training by the gradients of the derivation: optimizers, and the history of a run.

import { norm } from "./values.js";

export const OPTIMIZERS = {
  sgd: () => (gradient, rate) => rate * gradient,
  momentum: () => {
    let velocity = 0;
    return (gradient, rate) => rate * (velocity = 0.9 * velocity + gradient);
  },
  adam: () => {
    let mean = 0;
    let square = 0;
    let step = 0;
    return (gradient, rate) => {
      step++;
      mean = 0.9 * mean + 0.1 * gradient;
      square = 0.999 * square + 0.001 * gradient * gradient;
      return (rate * mean) / (1 - 0.9 ** step) / (Math.sqrt(square / (1 - 0.999 ** step)) + 1e-8);
    };
  },
};

// A run: `advance` makes one step and returns the new parameters; the state of an optimizer belongs to each entry.
export function newRun(names, optimizer) {
  const states = new Map();
  return {
    optimizer,
    steps: 0,
    advance(point, rate) {
      const changed = {};
      for (const name of names) {
        const value = point.value(name).data;
        const gradient = point.value(`∂ ${name}`).data;
        if (!states.has(name)) states.set(name, Array.from(value, OPTIMIZERS[optimizer]));
        const updates = states.get(name);
        changed[name] = Float64Array.from(value, (x, k) => x - updates[k](gradient[k], rate));
      }
      this.steps++;
      return changed;
    },
  };
}

// Losses, and norms of gradients, over the steps; thinned to at most 2·`most` entries, always with the latest.
export function newHistory(most = 400) {
  let every = 1;
  const entries = [];
  return {
    entries,
    add(step, loss, norms) {
      const last = entries.at(-1);
      if (last && last.step % every) entries.pop();
      entries.push({ step, loss, norms });
      if (entries.length > 2 * most) {
        every *= 2;
        entries.splice(0, entries.length, ...entries.filter((entry, k) => entry.step % every === 0 || k === entries.length - 1));
      }
    },
  };
}

export function normsOf(point, names) {
  return Object.fromEntries(names.map((name) => [name, norm(point.value(`∂ ${name}`).data)]));
}
