// Arrays by their entries: positions, indices, layouts on paper, random draws.

export function sizeOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

export function flatOf(shape, index) {
  return index.reduce((flat, place, axis) => flat * shape[axis] + place, 0);
}

export function indexOf(shape, flat) {
  const index = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(flat % shape[axis]);
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

// An array on paper: a list of matrices, each with the index of every place. A vector is a row, or with `column` a
// column; `transposed` exchanges rows and columns; further axes number the matrices.
export function sheets(shape, { transposed = false, column = false } = {}) {
  const outer = shape.slice(0, Math.max(0, shape.length - 2));
  const inner = shape.slice(outer.length);
  const [rows, columns] = inner.length === 2 ? inner : inner.length === 0 ? [1, 1] : column ? [inner[0], 1] : [1, inner[0]];
  const own = (row, place) => (inner.length === 2 ? [row, place] : inner.length === 0 ? [] : [column ? row : place]);
  return Array.from({ length: sizeOf(outer) }, (_, number) => {
    const before = indexOf(outer, number);
    return {
      before,
      rows: transposed ? columns : rows,
      columns: transposed ? rows : columns,
      index: (row, place) => [...before, ...(transposed ? own(place, row) : own(row, place))],
    };
  });
}

export function largest(data) {
  let most = 0;
  for (const x of data) if (Math.abs(x) > most && Number.isFinite(x)) most = Math.abs(x);
  return most;
}

export function norm(data) {
  let sum = 0;
  for (const x of data) sum += x * x;
  return Math.sqrt(sum);
}

// Uniform numbers in [0, 1), the same for the same seed in every browser (mulberry32).
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// Normal numbers by Box and Muller's transform, rounded to two decimals, so that what is shown is what is computed with.
export function normals(seed) {
  const uniform = uniforms(seed);
  return (scale) => Math.round(100 * scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())) / 100;
}
