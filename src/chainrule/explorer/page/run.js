// Training by the gradients of the derivation: optimizers, and the history of a run.

import { norm } from "./values.js";

// What each remembers of a parameter, and the function that changes one in place by its gradient; `step` counts from 1.
export const OPTIMIZERS = {
  sgd: {
    remembers: [],
    update: () => (x, gradient, rate) => {
      for (let k = 0; k < x.length; k++) x[k] -= rate * gradient[k];
    },
  },
  momentum: {
    remembers: ["velocity"],
    update:
      ({ velocity }) =>
      (x, gradient, rate) => {
        for (let k = 0; k < x.length; k++) {
          velocity[k] = 0.9 * velocity[k] + gradient[k];
          x[k] -= rate * velocity[k];
        }
      },
  },
  adam: {
    remembers: ["mean", "mean square"],
    update:
      ({ mean, "mean square": square }) =>
      (x, gradient, rate, step) => {
        const first = rate / (1 - 0.9 ** step);
        const second = 1 - 0.999 ** step;
        for (let k = 0; k < x.length; k++) {
          mean[k] = 0.9 * mean[k] + 0.1 * gradient[k];
          square[k] = 0.999 * square[k] + 0.001 * gradient[k] * gradient[k];
          x[k] -= (first * mean[k]) / (Math.sqrt(square[k] / second) + 1e-8);
        }
      },
  },
};

// A run: the steps that were made, and what its optimizer remembers of each parameter; an engine that `holds` the run may
// have that in its own memory.
export function newRun(names, optimizer) {
  const memory = {};
  return {
    names,
    optimizer,
    steps: 0,
    holder: null,
    memoryOf(name, size) {
      memory[name] ??= Object.fromEntries(OPTIMIZERS[optimizer].remembers.map((key) => [key, new Float64Array(size)]));
      return memory[name];
    },
    updateOf(name, size) {
      return OPTIMIZERS[optimizer].update(this.memoryOf(name, size));
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
      if (last && (last.step % every || last.step === step)) entries.pop();
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
