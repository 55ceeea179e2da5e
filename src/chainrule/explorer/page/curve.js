// Charts of a run: the loss, and the norms of gradients, each line named at its end.

import { svg } from "./dom.js";
import { short } from "./numbers.js";

const WIDTH = 360;
const HEIGHT = 130;
const LEFT = 40;
const RIGHT = 62;
const APART = 13; // of the names of two lines

// Lines over steps on a logarithmic scale; `series` are {name, values}, with the same steps.
export function chart(label, steps, series) {
  const values = series.flatMap((each) => each.values).filter((value) => value > 0 && Number.isFinite(value));
  const low = Math.log10(Math.max(Math.min(...values, Infinity), 1e-12));
  const high = Math.log10(Math.max(...values, 1e-12));
  const [bottom, top] = values.length ? pad(low, high) : [-1, 0];
  const last = Math.max(steps.at(-1) ?? 1, 1);
  const x = (step) => LEFT + (step / last) * (WIDTH - LEFT - RIGHT);
  const y = (value) => 8 + ((top - Math.log10(Math.max(value, 10 ** bottom))) / (top - bottom)) * (HEIGHT - 30);
  const parts = [];
  for (let power = Math.ceil(bottom); power <= top; power += Math.max(1, Math.ceil((top - bottom) / 4)))
    parts.push(
      svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(10 ** power), y2: y(10 ** power) }),
      svg("text", { class: "tick", x: LEFT - 5, y: y(10 ** power) + 3.5, "text-anchor": "end" }, short(10 ** power)),
    );
  const ends = series
    .map((each, number) => ({ each, number, at: y(each.values.findLast((value) => Number.isFinite(value)) ?? 0) }))
    .sort((a, b) => a.at - b.at);
  // Names stand apart, and above the end of the chart.
  ends.reduceRight((below, end) => (end.at = Math.min(end.at, below - APART)), HEIGHT - 4);
  let above = -Infinity;
  for (const { each, number, at } of ends) {
    const points = each.values.map((value, k) => (value > 0 && Number.isFinite(value) ? `${x(steps[k]).toFixed(1)},${y(value).toFixed(1)}` : "")).filter(Boolean);
    parts.push(svg("polyline", { class: `curve pattern${number % 4}`, points: points.join(" ") }));
    above = Math.max(at, above + APART);
    parts.push(svg("text", { class: "tick", x: x(steps.at(-1) ?? 0) + 5, y: above + 3.5 }, each.name));
  }
  parts.push(svg("text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, short(last)), svg("text", { class: "tick", x: LEFT, y: HEIGHT - 4 }, "0"));
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label }, parts);
}

function pad(low, high) {
  const margin = Math.max(0.1, (high - low) * 0.06);
  return [low - margin, high + margin];
}
