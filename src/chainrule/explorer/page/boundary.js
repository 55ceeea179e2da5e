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

const MOST_CLASSES_SHOWN = 6;

// Whether there is such a picture: rows of two inputs with one output or an output for each class, or of one input.
export function hasPicture(app) {
  const { network, inputs } = app.state.structure;
  if (!network?.rows || !network.target) return false;
  const { shape } = app.state.point.value(network.data);
  const output = app.state.point.value(network.output).shape;
  const goal = app.state.point.value(network.target).shape;
  const isGrid = shape.length === 2 && shape[1] <= 2 && output.length === 2 && typeof inputs[network.data].dims[0] === "string";
  return isGrid && output[1] <= (shape[1] === 2 ? MOST_CLASSES_SHOWN : 1) && goal.length === 2;
}

export function hasPlane(app) {
  return hasPicture(app) && app.state.shape(app.state.structure.network.data)[1] === 2;
}

function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = 0.25 * (high - low || 1);
  return [low - margin, high + margin];
}

// The part of the plane that is shown: it stays while the data lie in it and fill it.
export function frameOf(app) {
  const { shape, data } = app.state.point.value(app.state.structure.network.data);
  const at = (axis) => Array.from({ length: shape[0] }, (_, row) => data[2 * row + axis]);
  const [x, y] = [at(0), at(1)];
  const [left, right] = range(x);
  const [bottom, top] = range(y);
  const { frame } = app;
  const within = (low, high, values) => values.every((value) => value >= low && value <= high);
  const fills = (low, high, values) => values.length < 4 || Math.max(...values) - Math.min(...values) >= 0.2 * (high - low);
  if (frame && within(frame.left, frame.right, x) && within(frame.bottom, frame.top, y) && fills(frame.left, frame.right, x) && fills(frame.bottom, frame.top, y))
    return frame;
  return (app.frame = { left, right, bottom, top });
}

export function picture(app) {
  const { network } = app.state.structure;
  const { shape, data } = app.state.point.value(network.data);
  const target = app.state.point.value(network.target).data;
  return shape[1] === 2 ? square(app, shape, data, target) : line(app, shape, data, target);
}

// The mark of a class: a form of its own, and a colour.
function marked(own, x, y, size, chosen) {
  const name = `${chosen ? "point chosen" : "point"} own${own}`;
  if (own === 1) return svg("circle", { class: name, cx: x, cy: y, r: size });
  const corners = [
    [-0.9, -0.9, 0.9, -0.9, 0.9, 0.9, -0.9, 0.9],
    [],
    [0, -1.1, 1.1, 0.9, -1.1, 0.9],
    [0, -1.2, 1.2, 0, 0, 1.2, -1.2, 0],
    [-0.4, -1.1, 0.4, -1.1, 0.4, -0.4, 1.1, -0.4, 1.1, 0.4, 0.4, 0.4, 0.4, 1.1, -0.4, 1.1, -0.4, 0.4, -1.1, 0.4, -1.1, -0.4, -0.4, -0.4],
    [1, 0, 0.5, 0.87, -0.5, 0.87, -1, 0, -0.5, -0.87, 0.5, -0.87],
  ];
  const points = corners[own];
  return svg("polygon", { class: name, points: points.map((place, k) => (size * place + (k % 2 ? y : x)).toFixed(1)).join(" ") });
}

export function symbol(own) {
  return svg("svg", { viewBox: "0 0 20 20", class: "symbol", "aria-hidden": "true" }, marked(own, 10, 10, 7, false));
}

// By how much the answer for a class is larger than those for the others.
function ahead({ shape, data }, own) {
  const [rows, count] = shape;
  return Array.from({ length: rows }, (_, row) => {
    const all = data.slice(row * count, (row + 1) * count);
    return all[own] - Math.max(...all.filter((_, k) => k !== own));
  });
}

function square(app, shape, data, target) {
  const { left, right, bottom, top } = frameOf(app);
  const grid = [];
  for (let row = 0; row < CELLS; row++)
    for (let column = 0; column < CELLS; column++)
      grid.push([left + ((right - left) * (column + 0.5)) / CELLS, top - ((top - bottom) * (row + 0.5)) / CELLS]);
  const output = answers(app, grid);
  const count = output.shape[1];
  const [low, high] = target.every((value) => value >= 0 && value <= 1) ? [0, 1] : [Math.min(...target), Math.max(...target)];
  const canvas = html("canvas", { width: CELLS, height: CELLS, role: "img", "aria-label": app.say("boundary") });
  const context = canvas.getContext("2d");
  const image = context.createImageData(CELLS, CELLS);
  const style = getComputedStyle(document.documentElement);
  const [paper, ...colours] = ["--paper", "--minus", "--plus", "--third", "--fourth", "--fifth", "--sixth"].map((name) => channels(style.getPropertyValue(name)));
  // The class that is answered at a place, and how decidedly, from 0 to 1.
  const answered = (k) => {
    const own = output.data.slice(k * count, (k + 1) * count);
    if (count === 1) {
      const share = Math.max(-1, Math.min(1, (2 * (own[0] - low)) / (high - low || 1) - 1));
      return [share >= 0 ? 1 : 0, Math.abs(share)];
    }
    const [first, second] = [...own].sort((a, b) => b - a);
    return [own.indexOf(first), Math.min(1, first - second)];
  };
  const regions = Array.from({ length: CELLS * CELLS }, (_, k) => answered(k));
  for (const [k, [own, share]] of regions.entries()) {
    for (let channel = 0; channel < 3; channel++) image.data[4 * k + channel] = paper[channel] + 0.6 * share * (colours[own][channel] - paper[channel]);
    image.data[4 * k + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  const px = (value) => (SIZE * (value - left)) / (right - left);
  const py = (value) => (SIZE * (top - value)) / (top - bottom);
  const ownOf = (row) => {
    if (count === 1) return Number(target[row] > (low + high) / 2);
    const own = target.slice(row * count, (row + 1) * count);
    return own.indexOf(Math.max(...own));
  };
  const size = shape[0] > 60 ? 4.5 : 7.5;
  const marks = app.isCleared ? [] : Array.from({ length: shape[0] }, (_, row) => marked(ownOf(row), px(data[2 * row]), py(data[2 * row + 1]), size, row === app.state.sample));
  const edges = count === 1 ? [contour(output.data, (low + high) / 2, SIZE / CELLS)] : colours.slice(0, count).map((_, own) => contour(ahead(output, own), 0, SIZE / CELLS));
  const [x, y] = app.cross ?? [0.5, 0.5];
  const isDrawing = document.activeElement?.classList.contains("plane") && app.cross;
  const cross = isDrawing ? svg("path", { class: "cross", d: `M${SIZE * x - 12} ${SIZE * y}h24M${SIZE * x} ${SIZE * y - 12}v24` }) : null;
  return html(
    "div",
    { class: "boundary" },
    canvas,
    svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" }, edges.map((d) => svg("path", { class: "half", d })), marks, cross),
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
