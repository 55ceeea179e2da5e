// Training by the gradients of the derivation: optimizers, and the history of a run.

import { norm } from "./values.js";

// Each makes, for an array of parameters, the function that changes it in place by its gradient.
export const OPTIMIZERS = {
  sgd: () => (x, gradient, rate) => {
    for (let k = 0; k < x.length; k++) x[k] -= rate * gradient[k];
  },
  momentum: (size) => {
    const velocity = new Float64Array(size);
    return (x, gradient, rate) => {
      for (let k = 0; k < x.length; k++) {
        velocity[k] = 0.9 * velocity[k] + gradient[k];
        x[k] -= rate * velocity[k];
      }
    };
  },
  adam: (size) => {
    const mean = new Float64Array(size);
    const square = new Float64Array(size);
    let step = 0;
    return (x, gradient, rate) => {
      step++;
      const first = rate / (1 - 0.9 ** step);
      const second = 1 - 0.999 ** step;
      for (let k = 0; k < x.length; k++) {
        mean[k] = 0.9 * mean[k] + 0.1 * gradient[k];
        square[k] = 0.999 * square[k] + 0.001 * gradient[k] * gradient[k];
        x[k] -= (first * mean[k]) / (Math.sqrt(square[k] / second) + 1e-8);
      }
    };
  },
};

// A run: the steps that were made, and what an optimizer remembers of each parameter.
export function newRun(names, optimizer) {
  const updates = new Map();
  return {
    names,
    optimizer,
    steps: 0,
    updateOf(name, size) {
      if (!updates.has(name)) updates.set(name, OPTIMIZERS[optimizer](size));
      return updates.get(name);
    },
  };
}

// Losses, and norms of gradients, over the steps; thinned to at most 2·`most` entries, always with the latest.
export function newHistory(most = 400) {
  let every = 1;
  const entries = [];
  return {
    entries,
    // How many steps there are until the next one that stays.
    until: (step) => every - (step % every),
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
