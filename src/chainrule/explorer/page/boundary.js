// What the network answers: over the square for two inputs, over a line for one.

import { html, svg } from "./dom.js";
import { short } from "./numbers.js";

const CELLS = 36;
const SIZE = 300;

// The output of the network at other inputs: `rows` of them, row after row.
function answers(app, rows) {
  const { state } = app;
  const { structure } = state;
  const { data, output } = structure.network;
  const axis = structure.network.rows ? 0 : 1;
  const dim = structure.inputs[data].dims[axis];
  const sizes = { ...state.sizes, [dim]: rows.length };
  const inputs = {};
  for (const [name, input] of Object.entries(structure.inputs)) {
    const shape = input.dims.map((each) => (typeof each === "number" ? each : sizes[each]));
    inputs[name] = input.dims.includes(dim) ? new Float64Array(shape.reduce((a, b) => a * b, 1)) : state.point.value(name).data;
  }
  inputs[data] = Float64Array.from(rows.flat());
  return app.evaluate(sizes, inputs).value(output);
}

// Whether there is such a picture: rows of one or two inputs, one output.
export function hasPicture(app) {
  const { network, inputs } = app.state.structure;
  if (!network?.rows || !network.target) return false;
  const { shape } = app.state.point.value(network.data);
  const output = app.state.point.value(network.output).shape;
  return shape.length === 2 && shape[1] <= 2 && output.length === 2 && output[1] === 1 && typeof inputs[network.data].dims[0] === "string";
}

function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = 0.25 * (high - low || 1);
  return [low - margin, high + margin];
}

export function picture(app) {
  const { network } = app.state.structure;
  const { shape, data } = app.state.point.value(network.data);
  const target = app.state.point.value(network.target).data;
  return shape[1] === 2 ? square(app, shape, data, target) : line(app, shape, data, target);
}

function square(app, shape, data, target) {
  const at = (axis) => Array.from({ length: shape[0] }, (_, row) => data[2 * row + axis]);
  const [left, right] = range(at(0));
  const [bottom, top] = range(at(1));
  const grid = [];
  for (let row = 0; row < CELLS; row++)
    for (let column = 0; column < CELLS; column++)
      grid.push([left + ((right - left) * (column + 0.5)) / CELLS, top - ((top - bottom) * (row + 0.5)) / CELLS]);
  const values = answers(app, grid).data;
  const classes = target.every((value) => value >= 0 && value <= 1);
  const [low, high] = classes ? [0, 1] : [Math.min(...target), Math.max(...target)];
  const canvas = html("canvas", { width: CELLS, height: CELLS, role: "img", "aria-label": app.say("boundary") });
  const context = canvas.getContext("2d");
  const image = context.createImageData(CELLS, CELLS);
  const style = getComputedStyle(document.documentElement);
  const [plus, minus, paper] = ["--plus", "--minus", "--paper"].map((name) => channels(style.getPropertyValue(name)));
  for (let k = 0; k < values.length; k++) {
    const share = Math.max(-1, Math.min(1, (2 * (values[k] - low)) / (high - low || 1) - 1));
    const toward = share >= 0 ? plus : minus;
    for (let channel = 0; channel < 3; channel++)
      image.data[4 * k + channel] = paper[channel] + 0.6 * Math.abs(share) * (toward[channel] - paper[channel]);
    image.data[4 * k + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  const px = (value) => (SIZE * (value - left)) / (right - left);
  const py = (value) => (SIZE * (top - value)) / (top - bottom);
  const marks = at(0).map((value, row) => {
    const [cx, cy] = [px(value), py(data[2 * row + 1])];
    const isHigh = target[row] > (low + high) / 2;
    const chosen = row === app.state.sample ? "point chosen" : "point";
    return isHigh
      ? svg("circle", { class: chosen, cx, cy, r: 8 })
      : svg("rect", { class: `${chosen} low`, x: cx - 7, y: cy - 7, width: 14, height: 14 });
  });
  const half = contour(values, (low + high) / 2, SIZE / CELLS);
  return html(
    "div",
    { class: "boundary" },
    canvas,
    svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" }, svg("path", { class: "half", d: half }), marks),
  );
}

// Where the answer passes `level`, between the centres of the cells.
function contour(values, level, size) {
  let path = "";
  for (let row = 0; row + 1 < CELLS; row++)
    for (let column = 0; column + 1 < CELLS; column++) {
      const corner = [
        [column, row],
        [column + 1, row],
        [column + 1, row + 1],
        [column, row + 1],
      ];
      const value = corner.map(([c, r]) => values[r * CELLS + c] - level);
      const cuts = [];
      for (let k = 0; k < 4; k++) {
        const next = (k + 1) % 4;
        if (value[k] < 0 === value[next] < 0) continue;
        const share = value[k] / (value[k] - value[next]);
        cuts.push(corner[k].map((place, axis) => (size * (place + 0.5 + share * (corner[next][axis] - place))).toFixed(1)));
      }
      for (let k = 0; k + 1 < cuts.length; k += 2) path += `M${cuts[k].join(" ")}L${cuts[k + 1].join(" ")}`;
    }
  return path;
}

function line(app, shape, data, target) {
  const [left, right] = range([...data]);
  const places = Array.from({ length: 120 }, (_, k) => [left + ((right - left) * k) / 119]);
  const values = answers(app, places).data;
  const [bottom, top] = range([...target]);
  const px = (value) => (SIZE * (value - left)) / (right - left);
  const py = (value) => (SIZE * 0.6 * (top - value)) / (top - bottom);
  return svg(
    "svg",
    { viewBox: `0 0 ${SIZE} ${SIZE * 0.6}`, class: "fit", role: "img", "aria-label": app.say("fit") },
    svg("polyline", { class: "curve pattern0", points: places.map(([x], k) => `${px(x).toFixed(1)},${py(values[k]).toFixed(1)}`).join(" ") }),
    [...data].map((x, row) => svg("circle", { class: row === app.state.sample ? "point chosen" : "point", cx: px(x), cy: py(target[row]), r: 5 })),
    svg("text", { class: "tick", x: 2, y: SIZE * 0.6 - 4 }, short(left)),
    svg("text", { class: "tick", x: SIZE - 2, y: SIZE * 0.6 - 4, "text-anchor": "end" }, short(right)),
  );
}

function channels(colour) {
  const digits = /^#(\w\w)(\w\w)(\w\w)$/.exec(colour.trim());
  return digits ? digits.slice(1).map((each) => parseInt(each, 16)) : [128, 128, 128];
}
