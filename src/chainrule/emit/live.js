// Evaluates the cells of a derivation: a cell is the function of one entry of an expression, given readers of the
// entries of its operands. With readers of numbers it gives values; with readers that record, what an entry reads.

const ARRAYS = { float64: Float64Array, int64: Int32Array, bool: Uint8Array };
const definitions = new Map(names.map((each) => [each.name, each]));
const count = (shape) => shape.reduce((product, size) => product * size, 1);
const position = (shape, index) => index.reduce((at, i, axis) => at * shape[axis] + i, 0);

/** Calls `act` with every index of an array in row-major order, and its position. */
function forEach(shape, act) {
  const index = shape.map(() => 0);
  for (let at = 0, end = count(shape); at < end; ++at) {
    act(index, at);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; --axis) index[axis] = 0;
  }
}

/** Returns a function of an index that reads an entry. */
function reader({ shape, data }) {
  const [, columns] = shape;
  if (shape.length === 0) return () => data[0];
  if (shape.length === 1) return (i) => data[i];
  if (shape.length === 2) return (i, j) => data[i * columns + j];
  return (...index) => data[position(shape, index)];
}

/** The values of a derivation for given inputs; each is computed when it is asked for, once. */
class Point {
  constructor(sizes, given) {
    this.sizes = sizes;
    this.given = given;
    this.cells = cells(sizes);
    this.known = new Map();
  }

  /** Returns the point at which some inputs have other values. */
  with(changed) {
    return new Point(this.sizes, { ...this.given, ...changed });
  }

  get loss() {
    return this.value(loss).data[0];
  }

  /** Returns every named value. */
  values() {
    return Object.fromEntries(names.map(({ name }) => [name, this.value(name)]));
  }

  /** Returns {shape, data} of a name. */
  value(name) {
    const { cell } = definitions.get(name);
    return cell < 0 ? this._input(name, -1 - cell) : this._cell(cell);
  }

  /** Returns {shape, data} of the right side of a line. */
  line(k) {
    return this._cell(lines[k].cell);
  }

  /** Returns {shape, data} of the left side of a line that states that two expressions are equal, else null. */
  left(k) {
    return lines[k].left < 0 ? null : this._cell(lines[k].left);
  }

  /** Returns what an entry of the right side of a line reads: [{name, index, at, value}, …], each entry once. */
  reads(k, index) {
    const found = new Map();
    this._element(lines[k].cell, index, (name) => {
      const { shape, data } = this.value(name);
      return (...index) => {
        const at = position(shape, index);
        found.set(`${name} ${at}`, { name, index, at, value: data[at] });
        return data[at];
      };
    });
    return [...found.values()];
  }

  /** Returns what `reads` does, each with the `slope` of the entry by the one that it reads, by differences. */
  slopes(k, index) {
    const copies = new Map();
    const copy = (name) => {
      if (!copies.has(name)) copies.set(name, { ...this.value(name), data: this.value(name).data.slice() });
      return copies.get(name);
    };
    return this.reads(k, index).map((read) => {
      const { data } = copy(read.name);
      if (!(data instanceof Float64Array)) return { ...read, slope: 0 };
      const step = 1e-5 * Math.max(1, Math.abs(read.value));
      const [above, below] = [step, -step].map((change) => {
        data[read.at] = read.value + change;
        return this._element(lines[k].cell, index, (name) => reader(copy(name)));
      });
      data[read.at] = read.value;
      return { ...read, slope: (above - below) / (2 * step) };
    });
  }

  _input(name, place) {
    if (!this.known.has(name)) {
      const { dtype, kind } = inputs[place];
      const shape = shapes(this.sizes)[place];
      const data = new ARRAYS[dtype](count(shape));
      const given = this.given[name];
      if (given === undefined && kind === "argument") throw new Error(`the value of ${name} is missing`);
      if (given === undefined) data.fill(kind === "upstream" ? 1 : 0);
      else if (typeof given === "number") data.fill(given);
      else if (given.length === data.length) data.set(given);
      else throw new Error(`${name} has ${given.length} entries, not ${shape.join(" x ") || 1}`);
      this.known.set(name, { shape, data });
    }
    return this.known.get(name);
  }

  _cell(number) {
    if (!this.known.has(number)) {
      const [shape, dtype, operands, make] = this.cells[number];
      const entry = make(...operands.map((o) => reader(typeof o === "number" ? this._cell(o) : this.value(o))));
      const data = new ARRAYS[dtype](count(shape));
      forEach(shape, (index, at) => {
        data[at] = entry(...index);
      });
      this.known.set(number, { shape, data });
    }
    return this.known.get(number);
  }

  /** Returns an entry of a cell, whose named operands are read by what `readerOf` gives for their names. */
  _element(number, index, readerOf) {
    const entries = new Map();
    const seen = new Map();
    const element = (cell, index) => {
      const key = `${cell} ${index}`;
      if (!seen.has(key)) {
        if (!entries.has(cell)) {
          const [, , operands, make] = this.cells[cell];
          const operand = (o) => (typeof o === "number" ? (...at) => element(o, at) : readerOf(o));
          entries.set(cell, make(...operands.map(operand)));
        }
        seen.set(key, entries.get(cell)(...index));
      }
      return seen.get(key);
    };
    return Number(element(number, index));
  }
}

/** Returns the point of a derivation with the numbers for its sizes, {n: 4, …}, and its inputs, {X: [1, 2, …], …}. */
export function evaluate(sizes, given) {
  return new Point(sizes, given);
}
