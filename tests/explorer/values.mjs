// Reads pages' data from standard input, and writes the value of every name and the entries that count in every entry.

import { text } from "node:stream/consumers";

const { scripts, structures } = JSON.parse(await text(process.stdin));
globalThis.chainruleLines = [];
for (const script of scripts) (0, eval)(script);
const numbers = (data) => Array.from(data, (x) => (Number.isFinite(x) ? x : String(x)));
const found = structures.map(({ module, sizes, inputs, names, lines }) => {
  const given = Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]));
  const point = globalThis.chainruleLines[module].evaluate(sizes, given);
  const values = Object.fromEntries(Object.keys(names).map((name) => [name, numbers(point.value(name).data)]));
  const counting = lines.map(({ number }) => {
    const { shape, data } = point.line(number);
    return Array.from(data, (_, flat) => {
      const index = [];
      let rest = flat;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        index.unshift(rest % shape[axis]);
        rest = Math.floor(rest / shape[axis]);
      }
      return point.slopes(number, index).filter((read) => read.slope !== 0).map((read) => [read.name, read.at]);
    });
  });
  return { values, counting };
});
process.stdout.write(JSON.stringify(found));
