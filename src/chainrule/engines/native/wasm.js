// Runs the code of a training loop in WebAssembly. `code` is the module in base64, `layout` where everything lies.

const KINDS = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, bool: Uint8Array };
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** Calls `act` with the place of each row of an array, in row-major order: the entries along its last axis. */
function forEachRow({ shape, strides }, act) {
  const index = shape.map(() => 0);
  const width = shape.at(-1) ?? 1;
  const count = sizeOf(shape);
  for (let n = 0, place = 0; n < count; n += width) {
    act(place, n, width, strides.at(-1) ?? 1);
    for (let axis = shape.length - 2; axis >= 0; --axis) {
      place += strides[axis];
      if (++index[axis] < shape[axis]) break;
      place -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
}

/** The 128-bit product of two 64-bit integers, which are given in halves. */
function multiply(memory, place, low, high, otherLow, otherHigh) {
  const whole = (a, b) => (BigInt.asUintN(64, b) << 64n) | BigInt.asUintN(64, a);
  const product = BigInt.asUintN(128, whole(low, high) * whole(otherLow, otherHigh));
  const view = new DataView(memory.buffer);
  view.setBigUint64(place, BigInt.asUintN(64, product), true);
  view.setBigUint64(place + 8, product >> 64n, true);
}

class Run {
  constructor(run, memory, seed) {
    this.run = run;
    this.memory = memory;
    this.seed = seed;
    this.epoch = 0;
    const { addresses, literals } = layout;
    new Uint32Array(memory.buffer, addresses.at, addresses.values.length).set(addresses.values);
    for (const { at, bytes } of literals) new Uint8Array(memory.buffer).set(bytesOf(bytes), at);
  }

  /** Gives values, flat in row-major order, or numbers, to states, rows and constants. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      const array = layout.arrays[name];
      if (array === undefined) throw new Error(`there is no array named ${name}`);
      const given = typeof value === "number" ? [value] : value;
      const data = new KINDS[array.dtype](this.memory.buffer, array.at);
      const size = sizeOf(array.shape);
      if (given.length !== size) throw new Error(`${name} has ${given.length} entries, not ${size}`);
      const convert = array.dtype === "int64" ? BigInt : Number;
      forEachRow(array, (place, n, width, stride) => {
        for (let k = 0; k < width; ++k) data[place + k * stride] = convert(given[n + k]);
      });
    }
  }

  /** Returns a copy of a state, flat in row-major order. */
  get(name) {
    const array = layout.arrays[name];
    const data = new KINDS[array.dtype](this.memory.buffer, array.at);
    const values = new KINDS[array.dtype](sizeOf(array.shape));
    forEachRow(array, (place, n, width, stride) => {
      for (let k = 0; k < width; ++k) values[n + k] = data[place + k * stride];
    });
    return values;
  }

  /** Trains for some epochs. */
  advance(epochs) {
    const losses = [];
    let status = "finished";
    while (losses.length < epochs && status === "finished") {
      const count = Math.min(epochs - losses.length, layout.losses.count);
      const ending = this._call(count);
      const { FINISHED } = layout.endings;
      if (ending !== FINISHED) status = "diverged";
      const done = ending === FINISHED ? count : this._word("EPOCHS_DONE") - this.epoch;
      losses.push(...new Float64Array(this.memory.buffer, layout.losses.at, done));
      this.epoch += done;
      if (ending !== FINISHED) this._restore();
    }
    return { losses: Float64Array.from(losses), status };
  }

  _call(epochs) {
    const { control, workspace, losses, addresses, words, endings } = layout;
    const block = new BigInt64Array(this.memory.buffer, control.at, control.words).fill(0n);
    block[words.STATUS] = BigInt(endings.NOT_STARTED);
    block[words.SEED] = BigInt(this.seed);
    block[words.THREADS] = 1n;
    block[words.STEP_LIMIT] = 2n ** 62n;
    block[words.FIRST_EPOCH] = block[words.EPOCHS_DONE] = BigInt(this.epoch);
    block[words.LAST_EPOCH] = BigInt(this.epoch + epochs);
    this.run(control.at, workspace.at, losses.at, addresses.at, 0n);
    return this._word("STATUS");
  }

  _word(name) {
    return Number(new BigInt64Array(this.memory.buffer, layout.control.at)[layout.words[name]]);
  }

  /** Returns to the last snapshot of the state. */
  _restore() {
    const { at, copy } = layout.workspace;
    const count = this._word("SNAPSHOTS");
    const from = at + copy * (1 + ((count + 1) % 2));
    if (count > 0) new Uint8Array(this.memory.buffer).copyWithin(at, from, from + copy);
  }
}

/** Returns the promise of a run; it is rejected where WebAssembly or its vector instructions are missing. */
export async function open(seed = 0) {
  const memory = new WebAssembly.Memory({ initial: layout.pages });
  const env = {
    __linear_memory: memory,
    __memory_base: new WebAssembly.Global({ value: "i32" }, 0),
    __stack_pointer: new WebAssembly.Global({ value: "i32", mutable: true }, layout.stack),
    __indirect_function_table: new WebAssembly.Table({ initial: 64, element: "anyfunc" }),
    __multi3: (...words) => multiply(memory, ...words),
  };
  const { instance } = await WebAssembly.instantiate(bytesOf(code), { env });
  return new Run(instance.exports.run, memory, seed);
}
