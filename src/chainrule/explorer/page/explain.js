// What an entry is made of, where it goes, and whether its gradient is right.

import { flatOf, indexOf, sizeOf } from "./values.js";

export const MOST_ENTRIES = 3000;

// The entries that an entry of a line reads: [{name, index, at, value, counts}]. One that only decides, or is multiplied
// by zero, does not count: a small change of it changes nothing.
export function sources(point, line, index) {
  return point.slopes(line.number, index).map((read) => ({ ...read, counts: read.slope !== 0 }));
}

// For every entry of every operand of a line, the entries of the result in which it counts: Map "name|flat" → [flat, …].
export function readers(point, line) {
  const { shape } = point.line(line.number);
  const found = new Map();
  if (sizeOf(shape) > MOST_ENTRIES) return found;
  for (let flat = 0; flat < sizeOf(shape); flat++)
    for (const { name, at, slope } of point.slopes(line.number, indexOf(shape, flat))) {
      if (slope === 0) continue;
      const key = `${name}|${at}`;
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(flat);
    }
  return found;
}

// The lines that read a value.
export function uses(lines, key) {
  return lines.filter((line) => line.key !== key && line.picture.operands.includes(key));
}

const AGREEMENT = 1e-5;
const LENGTHS = [1, 8, 64]; // of a difference: in longer ones the rounding of the loss weighs less

// (L(w + h) − L(w − h)) / 2h at one entry of an input, beside the derived gradient. At a kink the derivative is that of
// one side, or lies between them, and `kink` is true; elsewhere `agree` is null, since where several kinks meet,
// differences do not tell the derivative.
export function checked(point, name, index) {
  const { shape, data } = point.value(name);
  const at = flatOf(shape, index);
  const shortest = 6e-6 * Math.max(1, Math.abs(data[at]));
  const loss = (change) => {
    const moved = Float64Array.from(data);
    moved[at] += change;
    return point.with({ [name]: moved }).loss;
  };
  const central = (step) => (loss(step) - loss(-step)) / (2 * step);
  const derived = point.value(`∂ ${name}`).data[at];
  const first = central(shortest);
  const size = Math.max(Math.abs(first), Math.abs(derived), 1e-3 * Math.abs(point.loss), 1e-6);
  const agrees = (difference) => Math.abs(difference - derived) <= AGREEMENT * size;
  if (agrees(first) || !Number.isFinite(first)) return { difference: first, derived, agree: agrees(first), kink: false };
  // On one side alone, as exact as that of both.
  const onSide = (step) => (4 * loss(step) - loss(2 * step) - 3 * point.loss) / (2 * step);
  const jump = (step) => onSide(step) - onSide(-step);
  const [near, far] = [jump(8 * shortest), jump(32 * shortest)];
  const sides = [onSide(8 * shortest), onSide(-8 * shortest)];
  // Of a smooth function this is a sixteenth of what it is over four times the length.
  if (Math.abs(near) > 100 * AGREEMENT * size && Math.abs(near) > Math.abs(far) / 4) {
    const margin = AGREEMENT * size;
    const isBetween = derived >= Math.min(...sides) - margin && derived <= Math.max(...sides) + margin;
    return { difference: sides.find(agrees) ?? first, derived, agree: isBetween || null, kink: true };
  }
  const difference = [...LENGTHS.map((factor) => central(factor * shortest)), ...sides].find(agrees);
  return { difference: difference ?? first, derived, agree: difference !== undefined, kink: false };
}

// The check of the entries of the parameters, as many as fit into some milliseconds: how many there are, how many were
// checked, and those that fail.
export function failing(point, names, milliseconds = 150) {
  const entries = names.flatMap((name) => {
    const { shape } = point.value(name);
    return Array.from({ length: sizeOf(shape) }, (_, flat) => ({ name, index: indexOf(shape, flat) }));
  });
  const until = performance.now() + milliseconds;
  const found = [];
  let count = 0;
  let untold = 0;
  // Where not all can be checked, those that are lie evenly among all.
  const stride = [1, 7, 11, 13, 17].findLast((each) => entries.length % each) ?? 1;
  for (let place = 0; count < entries.length && (count < 8 || performance.now() < until); count++, place = (place + stride) % entries.length)
    switch (checked(point, entries[place].name, entries[place].index).agree) {
      case null:
        untold++;
        break;
      case false:
        found.push(entries[place]);
    }
  return { total: entries.length, count: count - untold, found };
}
