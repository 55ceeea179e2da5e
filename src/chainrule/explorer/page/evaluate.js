// Values of expressions: arrays {shape, data} with NumPy's broadcasting, and products as on paper.
//
// A vector is a column in products of matrices; `row` marks one that is written transposed. `column` marks the sums of
// rows (`A 1`), which are a column beside a matrix, and `free` what is repeated by a vector of ones to any length.

import { indexOf, sizeOf } from "./values.js";

export class Misfit extends Error {
  constructor(node, left, right) {
    super("misfit");
    Object.assign(this, { node, left, right });
  }
}

const logistic = (x) => 1 / (1 + Math.exp(-x));
// erfc by Chebyshev's series for a complementary error function is not exact enough; this continued fraction is.
function erfc(x) {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let k = 1; k < 60; k++) {
      term *= (-x * x) / k;
      sum += term / (2 * k + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
const gelu = (x) => 0.5 * x * erfc(-x / Math.SQRT2);

const POINTWISE = {
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  abs: Math.abs,
  sign: Math.sign,
  sigmoid: logistic,
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  silu: (x) => x * logistic(x),
  gelu,
  sin: Math.sin,
  cos: Math.cos,
  square: (x) => x * x,
  indicator: (x) => Number(x > 0),
  erfc,
  erf: (x) => 1 - erfc(x),
};
export const PRIMES = {
  sigmoid: (x) => logistic(x) * (1 - logistic(x)),
  tanh: (x) => 1 - Math.tanh(x) ** 2,
  relu: (x) => Number(x > 0),
  exp: Math.exp,
  softplus: logistic,
  silu: (x) => logistic(x) * (1 + x * (1 - logistic(x))),
  gelu: (x) => 0.5 * erfc(-x / Math.SQRT2) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
};
const BINARY = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "^": (a, b) => a ** b,
  maximum: Math.max,
  minimum: Math.min,
};
const COMPARED = {
  "<": (a, b) => Number(a < b),
  "<=": (a, b) => Number(a <= b),
  ">": (a, b) => Number(a > b),
  ">=": (a, b) => Number(a >= b),
  "==": (a, b) => Number(a === b),
  "!=": (a, b) => Number(a !== b),
};

const scalar = (value, more = {}) => ({ shape: [], data: [value], ...more });
const numbered = (shape, entry) => ({ shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, flat) => entry(indexOf(shape, flat), flat)) });
const steps = (shape) => shape.map((size, axis) => (size === 1 ? 0 : sizeOf(shape.slice(axis + 1))));

// The shape in which a column of sums stands beside a matrix.
function besides(value, other) {
  return value.column && value.shape.length === 1 && other.shape.length > 1 ? { ...value, shape: [value.shape[0], 1], column: false } : value;
}

// On paper a vector that is as long as a column is repeated beside a matrix where no other way fits.
function aside({ op, plain }, value, other) {
  const [length] = value.shape;
  const [rows, columns] = other.shape;
  return op === "*" && !plain && value.shape.length === 1 && other.shape.length === 2 && length === rows && length !== columns && columns !== 1 ? { ...value, shape: [length, 1] } : value;
}

function broadcast(node, left, right, combine) {
  const [a, b] = [aside(node, besides(left, right), right), aside(node, besides(right, left), left)];
  const rank = Math.max(a.shape.length, b.shape.length);
  const wide = (shape) => [...Array(rank - shape.length).fill(1), ...shape];
  const [first, second] = [wide(a.shape), wide(b.shape)];
  if (first.some((size, axis) => size !== second[axis] && size !== 1 && second[axis] !== 1)) throw new Misfit(node, left, right);
  const shape = first.map((size, axis) => Math.max(size, second[axis]));
  const [down, across] = [steps(first), steps(second)];
  const at = (index, strides) => index.reduce((flat, place, axis) => flat + place * strides[axis], 0);
  const found = numbered(shape, (index) => combine(a.data[at(index, down)], b.data[at(index, across)]));
  return { ...found, row: a.row && b.row, column: (a.column || b.column) && shape.length === 1, free: (a.free || !a.shape.length) && (b.free || !b.shape.length) && (a.free || b.free) };
}

function transposed(value, strict) {
  const { shape } = value;
  if (value.ones) return { ...value, row: !value.row };
  if (shape.length < 2) return strict ? { ...value, row: !value.row } : value;
  const order = shape.map((_, axis) => axis);
  if (strict) order.splice(-2, 2, shape.length - 1, shape.length - 2);
  else order.reverse();
  const inverse = (index) => {
    const own = [];
    order.forEach((axis, place) => (own[axis] = index[place]));
    return own;
  };
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  return numbered(order.map((axis) => shape[axis]), (index) => value.data[inverse(index).reduce((flat, place, axis) => flat + place * strides[axis], 0)]);
}

export function reduced(value, axes, keep, paper, mean = false) {
  const rank = value.shape.length;
  if (!rank) return value;
  const over = axes === undefined ? value.shape.map((_, axis) => axis) : [axes].flat().map((axis) => (axis < 0 ? axis + rank : axis));
  if (over.some((axis) => !(axis >= 0 && axis < rank))) return null;
  const kept = value.shape.map((size, axis) => (over.includes(axis) ? 1 : size));
  const shape = keep ? kept : value.shape.filter((_, axis) => !over.includes(axis));
  const data = new Float64Array(sizeOf(shape));
  const strides = kept.map((_, axis) => (over.includes(axis) ? 0 : sizeOf(kept.slice(axis + 1))));
  value.data.forEach((entry, flat) => {
    data[indexOf(value.shape, flat).reduce((at, place, axis) => at + place * strides[axis], 0)] += entry;
  });
  const count = over.reduce((product, axis) => product * value.shape[axis], 1);
  if (mean) data.forEach((entry, flat) => (data[flat] = entry / count));
  return { shape, data, column: paper && rank === 2 && over.length === 1 && over[0] === 1 };
}

const isScalar = (value) => !value.ones && value.shape.length === 0;

// `a @ b`, or as on paper: with vectors of ones, and vectors as columns.
function matmul(node, a, b) {
  if (a.ones || b.ones) return withOnes(node, a, b);
  if (isScalar(a) || isScalar(b)) return { ...broadcast(node, a, b, BINARY["*"]), row: a.row || b.row };
  if (a.shape.length === 1 && b.shape.length === 1) {
    if (b.row && !a.row) return numbered([a.shape[0], b.shape[0]], ([i, j]) => a.data[i] * b.data[j]);
    if (a.shape[0] !== b.shape[0] || (a.row && b.row)) throw new Misfit(node, a, b);
    return scalar(a.data.reduce((sum, x, k) => sum + x * b.data[k], 0));
  }
  const left = a.shape.length === 1 ? [1, a.shape[0]] : a.shape;
  const right = b.shape.length === 1 ? [b.shape[0], 1] : b.shape;
  const inner = left.at(-1);
  if (inner !== right.at(-2) || (b.row && b.shape.length === 1)) throw new Misfit(node, a, b);
  const before = (shape) => [...Array(Math.max(left.length, right.length) - shape.length).fill(1), ...shape.slice(0, -2)];
  const [first, second] = [before(left), before(right)];
  if (first.some((size, axis) => size !== second[axis] && size !== 1 && second[axis] !== 1)) throw new Misfit(node, a, b);
  const outer = first.map((size, axis) => Math.max(size, second[axis]));
  const [rows, columns] = [left.at(-2), right.at(-1)];
  const [down, across] = [steps(first), steps(second)];
  const found = numbered([...outer, rows, columns], (index) => {
    const [i, j] = index.slice(-2);
    const at = (strides, size) => strides.reduce((flat, stride, axis) => flat + stride * index[axis], 0) * size;
    const from = at(down, rows * inner) + i * inner;
    const to = at(across, inner * columns) + j;
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a.data[from + k] * b.data[to + k * columns];
    return sum;
  });
  if (a.shape.length === 1) return { ...found, shape: [...outer, columns], row: true };
  if (b.shape.length === 1) return { ...found, shape: [...outer, rows] };
  return found;
}

// The length of a vector of ones is that which fits: `1ᵀ A` sums columns, `A 1` rows; `u 1ᵀ` and `1 b` repeat. A number
// before it is its `scale`.
function withOnes(node, a, b) {
  const scale = (a.scale ?? 1) * (b.scale ?? 1);
  if (isScalar(a) || isScalar(b)) return { ...(a.ones ? a : b), scale: scale * (a.ones ? b : a).data[0] };
  const found = a.ones ? (b.ones ? timesOnes(node, a, b) : onesTimes(node, a, b)) : timesOnes(node, a, b);
  return found.ones ? { ...found, scale } : { ...found, data: Float64Array.from(found.data, (x) => scale * x) };
}

function onesTimes(node, ones, value) {
  const { shape } = value;
  if (ones.row) return shape.length > 1 ? reduced(value, shape.length - 2) : value.row ? misfit(node, ones, value) : reduced(value);
  return shape.length === 1 || shape.at(-2) === 1 ? { ...value, row: false, free: true } : misfit(node, ones, value);
}

function timesOnes(node, value, ones) {
  const { shape } = value;
  if (value.ones) return value.row ? (ones.row ? value : misfit(node, value, ones)) : { ...scalar(1), free: true };
  if (!ones.row) return shape.length > 1 ? reduced(value, shape.length - 1, false, true) : value.row ? reduced(value) : misfit(node, value, ones);
  if (shape.length === 1 && !value.row) return { shape: [shape[0], 1], data: value.data, free: true };
  return shape.at(-1) === 1 ? { ...value, free: true } : misfit(node, value, ones);
}

function misfit(node, a, b) {
  throw new Misfit(node, a, b);
}

// The value of a tree; `at` is a point: `value(key)`, `sizes`, and a `cache` of the values of nodes.
export function evaluated(node, at, derivativeOf = () => undefined) {
  if (!at.cache.has(node)) at.cache.set(node, computed(node, at, derivativeOf));
  return at.cache.get(node);
}

function computed(node, at, derivativeOf) {
  const value = (each) => evaluated(each, at, derivativeOf);
  const { op, args } = node;
  if (op === "name") return at.value(node.key);
  if (op === "size") return scalar(at.sizes[node.name]);
  if (op === "number") return scalar(node.value);
  if (op === "ones") return { ones: true, row: Boolean(node.row), shape: [], data: [1] };
  if (op === "T") return transposed(value(args[0]), node.strict);
  if (op === "[]") return inserted(node, value(args[0]));
  if (op === "prime") {
    const key = args[0].op === "name" ? derivativeOf(args[0].key, node.name) : undefined;
    if (key !== undefined) return at.value(key);
    const inner = value(args[0]);
    if (!PRIMES[node.name]) throw new Misfit(node, inner, inner);
    return { ...inner, data: Float64Array.from(inner.data, PRIMES[node.name]) };
  }
  const [a, b, c] = args.map(value);
  const plain = (each) => (each?.ones ? { shape: [], data: [each.scale ?? 1], free: true } : each);
  if (op === "neg") return { ...plain(a), data: Float64Array.from(a.data, (x) => -x) };
  if (op === "@" || op === " ") return matmul(node, a, b);
  if (op === "·") {
    if (a.ones || b.ones) return withOnes(node, a, b);
    try {
      return broadcast(node, a, b, BINARY["*"]);
    } catch {
      return matmul(node, a, b);
    }
  }
  if (op === "compare") return broadcast(node, plain(a), plain(b), COMPARED[node.sign]);
  if (BINARY[op]) return broadcast(node, plain(a), plain(b), BINARY[op]);
  const { name, options } = node;
  if (POINTWISE[name]) return { ...plain(a), data: Float64Array.from(a.data, POINTWISE[name]) };
  if (name === "sum" || name === "mean") return reduced(a, options.axis, options.keepdims, options.paper, name === "mean") ?? misfit(node, a, a);
  if (name === "softmax") return softmax(node, a, options.axis ?? -1);
  if (name === "outer") return matmul(node, { ...a, row: false }, { ...b, row: true });
  if (name === "ones") return { ones: true, row: false, shape: [], data: [1] };
  if (name === "where") {
    const chosen = broadcast(node, b, c, (x, y) => [x, y].length && x);
    const other = broadcast(node, b, c, (x, y) => y);
    return broadcast(node, broadcast(node, a, chosen, (x, y) => (x ? y : 0)), broadcast(node, a, other, (x, y) => (x ? 0 : y)), BINARY["+"]);
  }
  return broadcast(node, a, b, BINARY[name]);
}

function softmax(node, x, axis) {
  if (!x.shape.length) return scalar(1);
  const over = axis < 0 ? axis + x.shape.length : axis;
  const powers = { ...x, data: Float64Array.from(x.data, Math.exp) };
  return broadcast(node, powers, reduced(powers, over, true) ?? misfit(node, x, x), BINARY["/"]);
}

function inserted(node, value) {
  const shape = [...value.shape];
  const made = [];
  for (const place of node.places) made.push(place === null ? 1 : shape.shift());
  if (made.includes(undefined)) throw new Misfit(node, value, value);
  return { shape: [...made, ...shape], data: value.data };
}
