// Training on the page: what is chosen, the run, and its charts.

import { hasPicture, picture } from "./boundary.js";
import { chart } from "./curve.js";
import { dataPanel } from "./data.js";
import { button, choice, html } from "./dom.js";
import { short, spoken } from "./numbers.js";

const RATES = [0.01, 0.03, 0.1, 0.3, 0.5, 1, 3, 10];
const SPEEDS = [1, 10, 100, 1000, 0];
const FRAME = 10; // milliseconds of training between two frames,
const LONG_FRAME = 30; // and where there are as many steps as there is time for
const DRAWN = 90; // milliseconds between two pictures of such training
const PAUSE = 5e6; // steps until it pauses

// How much smaller the gradient is at the first layer than at the last, beside what the activations allow: each
// derivative of a sigmoid is at most a quarter, so that k of them multiply a gradient by at most 4⁻ᵏ.
function vanishing(app, norms) {
  const { network, gradients } = app.state.structure;
  if (!network || gradients.length < 2) return null;
  const between = network.layers.filter((layer) => gradients.slice(0, -1).includes(layer.pre || layer.value));
  const bound = between.reduce((product, layer) => product * layer.steepest, 1);
  const count = between.filter((layer) => layer.steepest === 0.25).length;
  const [first, last] = [gradients[0], gradients.at(-1)].map((name) => app.text(`∂ ${name}`));
  const ratio = norms[gradients[0]] / norms[gradients.at(-1)];
  if (!Number.isFinite(ratio) || bound === 0) return null;
  return html("span", {}, "; ", app.say("vanishing", `‖${first}‖ / ‖${last}‖ = ${spoken(ratio)}`, count, spoken(bound)));
}

export function trainingPanel(app) {
  const { state, payload } = app;
  const { structure } = state;
  let running = 0;
  let frame = 0;
  const buttons = [];

  const trainButton = () => {
    const made = button(app.say("train"), { class: "train", "aria-pressed": "false", on: { click: () => (running ? stop() : begin()) } });
    buttons.push(made);
    return made;
  };
  const label = () => {
    for (const each of buttons) {
      each.textContent = app.say(running ? "pause" : "train");
      each.setAttribute("aria-pressed", String(Boolean(running)));
    }
  };
  const begin = () => {
    running = requestAnimationFrame(advance);
    label();
  };
  const stop = () => {
    cancelAnimationFrame(running);
    running = 0;
    label();
    app.refresh();
  };
  // As many steps as are wanted for a frame, or fit into it; then the numbers, unless they take longer than the steps.
  let fitting = 1;
  let resting = 0;
  const advance = () => {
    const allowed = state.speed ? FRAME : LONG_FRAME;
    const most = Math.min(state.speed || Infinity, PAUSE - state.run.steps % PAUSE);
    const began = performance.now();
    const count = Math.min(fitting, most);
    state.train(count);
    const trained = performance.now();
    if (count === fitting || trained - began > allowed) fitting = Math.max(1, Math.min(1e6, Math.round((count * allowed) / Math.max(trained - began, allowed / 8))));
    frame++;
    const paused = state.run.steps % PAUSE === 0;
    if (state.diverged || paused) {
      stop();
      app.tell(app.say(paused ? "rested" : "diverged", state.run.steps));
      return;
    }
    if (trained > resting) {
      app.refresh({ light: true });
      const drawing = performance.now() - trained;
      resting = performance.now() + (state.speed ? 2 * Math.max(0, drawing - FRAME) : Math.max(DRAWN, 4 * drawing));
    }
    running = requestAnimationFrame(advance);
  };

  const plane = html("div", { class: "plane" });
  const charts = html("div", { class: "charts" });
  const data = dataPanel(app, plane);
  const steps = html("span", { class: "steps" });
  const again = () => {
    if (running) stop();
    state.restart();
    app.refresh();
  };
  const controls = html(
    "div",
    { class: "controls" },
    trainButton(),
    button(app.say("step"), { on: { click: () => (state.train(1), app.refresh()) } }),
    button(app.say("reset"), { on: { click: again } }),
    button(app.say("undo"), { class: "undo", on: { click: app.undo } }),
    steps,
  );
  const settings = html("div", { class: "settings" });
  settings.append(
    choice(app.say("rate"), [...new Set([...RATES, state.rate])].sort((a, b) => a - b).map((each) => [each, String(each)]), state.rate, (value) => {
      state.rate = Number(value);
    }),
    choice(app.say("speed"), SPEEDS.map((each) => [each, each ? String(each) : app.say("fastest")]), state.speed, (value) => {
      state.speed = Number(value);
    }),
    choice(app.say("optimizer"), ["sgd", "momentum", "adam"].map((each) => [each, app.say(each)]), state.optimizer, (value) => {
      state.optimizer = value;
      again();
    }),
    choice(app.say("seed"), [...Array(10).keys(), ...(state.seed > 9 ? [state.seed] : [])].map((each) => [each, String(each)]), state.seed, (value) => {
      state.seed = Number(value);
      again();
    }),
  );
  for (const [name, options] of Object.entries(payload.choices ?? {})) {
    const chosen = structure.choice[name];
    settings.append(
      choice(app.say(name), options.map((each) => [each.value, each[app.language]]), chosen, (value) => {
        if (running) stop();
        const wanted = { ...structure.choice, [name]: value };
        const found = payload.structures.find((each) => Object.entries(wanted).every(([key, own]) => String(each.choice[key]) === String(own)));
        if (found) app.restructure(found, state.sizes);
      }),
    );
  }
  for (const [size, options] of Object.entries(structure.choices?.sizes ?? {}))
    settings.append(
      choice(app.say(`size of ${size}`), options.map((each) => [each, String(each)]), state.sizes[size], (value) => {
        if (running) stop();
        app.restructure(structure, { ...state.sizes, [size]: Number(value) });
      }),
    );

  const refresh = (light) => {
    state.record();
    if (light && running && state.speed && frame % 3) return;
    const { entries } = state.history;
    steps.textContent = app.say("step_count", state.run.steps);
    const at = entries.map((entry) => entry.step);
    const norms = structure.gradients.map((name) => ({ name: `‖${app.text(`∂ ${name}`)}‖`, values: entries.map((entry) => entry.norms[name]) }));
    const last = entries.at(-1);
    plane.replaceChildren(hasPicture(app) ? picture(app) : "");
    if (!light) data?.refresh();
    if (entries.length < 2) {
      charts.replaceChildren();
      return;
    }
    charts.replaceChildren(
      chart(app.say("loss curve"), at, [{ name: structure.loss, values: entries.map((entry) => entry.loss) }]),
      chart(app.say("norm curve"), at, norms.slice(0, 6)),
      html(
        "p",
        { class: "caption" },
        `${app.say("norms")}: `,
        structure.gradients.slice(0, 6).map((name, k) => `${k ? ", " : ""}‖${app.text(`∂ ${name}`)}‖ = ${short(last.norms[name])}`),
        vanishing(app, last.norms),
      ),
    );
  };
  const element = html("section", { class: "training", "aria-label": app.say("training") }, html("h2", {}, app.say("training")), controls, settings, plane, data?.element ?? "", charts);
  return { element, refresh, trainButton, stop: () => running && stop() };
}
