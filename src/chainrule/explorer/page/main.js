// The page: what is selected, redrawn from the state.

import { isTooLong, keptActs, remembering } from "./address.js";
import { askPanel } from "./ask.js";
import { button, html, math } from "./dom.js";
import { exportPanel } from "./download.js";
import { teller } from "./embedded.js";
import { enginesOf } from "./engine.js";
import { failing, readers } from "./explain.js";
import { graph, markEntry, samples } from "./graph.js";
import { edit, onGridKey, paint } from "./matrix.js";
import { exact } from "./numbers.js";
import { light, panel, say, show, turned } from "./panel.js";
import { askable, quizBar } from "./quiz.js";
import { newState } from "./state.js";
import { trainingPanel } from "./training.js";
import { flatOf, largest } from "./values.js";
import { WORDS } from "./words.js";

const TOLD = 8000;

// `provided` give the modules of lines, and `runs` those that are compiled to WebAssembly.
export function start(root, payload, provided, runs) {
  const modules = provided.map((provide, number) => () => {
    const module = provide();
    module.engines ??= enginesOf(module, runs[number] ?? null);
    return module;
  });
  const state = newState(payload, modules);
  const app = {
    root,
    state,
    payload,
    language: payload.language,
    cells: new Map(),
    marked: [], // the cells that show what an entry is made of,
    read: [], // and what it reads
    journeys: new Map(),
    turned: new Set(),
  };
  let inverse = { version: -1, line: null, found: null };

  app.say = (key, ...values) => {
    const word = WORDS[app.language][key];
    return typeof word === "function" ? word(...values) : word;
  };
  app.markup = (number) => payload.markup[number];
  app.text = (key) => state.structure.names[key]?.text ?? key;
  app.module = () => modules[state.structure.module]();
  app.evaluate = (sizes, inputs) => modules[state.structure.module]().evaluate(sizes, inputs);

  app.named = (key, transposed = false) => {
    const name = html("span", { markup: app.markup(state.structure.names[key].markup) });
    if (!transposed) return name;
    const inner = name.querySelector("math");
    const raised = math("msup", {}, math("mrow", {}, ...inner.childNodes), math("mi", {}, "⊤"));
    inner.replaceChildren(raised);
    return name;
  };
  app.element = (key, index) => {
    const name = html("span", { markup: app.markup(state.structure.names[key].markup) }).querySelector("math");
    const places = index.flatMap((place, axis) => [axis ? math("mo", { rspace: "0.15em" }, ",") : null, math("mn", {}, String(place + 1))]);
    const brackets = index.length ? [math("mo", { form: "prefix", stretchy: "false" }, "["), ...places, math("mo", { form: "postfix", stretchy: "false" }, "]")] : [];
    const at = flatOf(state.shape(key), index);
    return math("mrow", { data: { element: `${key}|${at}` } }, ...name.childNodes, ...brackets);
  };
  app.entryMath = (key, index) => math("math", {}, app.element(key, index));
  app.entryText = (key, index) => app.text(key) + (index.length ? `[${index.map((place) => place + 1)}]` : "");
  app.register = (key, cell) => {
    if (!app.cells.has(key)) app.cells.set(key, []);
    app.cells.get(key).push(cell);
  };
  app.isColumn = (key) => payload.columns && state.shape(key).length === 1;
  app.readers = (line) => {
    if (inverse.version !== state.version || inverse.line !== line) inverse = { version: state.version, line, found: readers(state.point, line) };
    return inverse.found;
  };
  let telling = 0;
  app.tell = (text) => {
    told.textContent = text;
    clearTimeout(telling);
    telling = setTimeout(() => (told.textContent = ""), TOLD);
  };

  // ---- selecting -------------------------------------------------------------------------------------------------

  const current = () => state.structure.lines[state.line];

  app.select = (number, { focus = true, name = null, keep = false } = {}) => {
    const lines = state.structure.lines;
    const next = Math.max(0, Math.min(lines.length - 1, number));
    if (!keep && !name) state.entry = null;
    if (next !== state.line) {
      state.line = next;
      drawLines(true);
    }
    drawFigure();
    show(app, current(), state.entry);
    remember();
    if (focus) app.focusLine();
  };
  app.focusLine = () => {
    const head = root.querySelector(".line.open .head");
    head?.focus({ preventScroll: true });
    head?.closest("li").scrollIntoView({ block: "nearest", behavior: "auto" });
  };
  // The line of a value, or the first that uses it.
  app.selectKey = (key, index = null) => {
    const lines = state.structure.lines;
    const own = lines.findIndex((line) => line.key === key);
    const number = own >= 0 ? own : lines.findIndex((line) => line.picture.operands.includes(key));
    if (number < 0) return;
    state.entry = index ? { name: key, index } : null;
    app.select(number, { name: key });
  };
  // The cells are marked at once; the sentence, which takes longer, is of the entry at which the next frame begins.
  let saying = 0;
  app.point = (name, index) => {
    state.entry = name ? { name, index } : null;
    const sampled = state.structure.network;
    if (name && sampled && index.length === 2 && isSampled(name)) state.sample = index[sampled.rows ? 0 : 1];
    light(app, current(), state.entry);
    cancelAnimationFrame(saying);
    saying = requestAnimationFrame(() => {
      say(app, current(), state.entry);
      if (state.sample !== pictured) drawFigure();
      else markEntry(figure, state.entry);
    });
    remember();
  };
  const isSampled = (name) => {
    const bare = name.replace(/^[∂′] /, "");
    return state.structure.network.layers.some((layer) => layer.value === bare || layer.pre === bare);
  };
  app.chooseForm = (form) => {
    state.form = form;
    drawLines(true);
    show(app, current(), state.entry);
    remember();
    root.querySelector(`.line.open .forms [aria-pressed="true"]`)?.focus();
  };
  app.turn = (key) => {
    turned(app, key, () => {
      if (!app.turned.delete(key)) app.turned.add(key);
      drawLines(true);
      show(app, current(), state.entry);
    });
    root.querySelector(".line.open .turn")?.focus();
  };

  // ---- the quiz ---------------------------------------------------------------------------------------------------

  // Hides the lines of these gradients, and no others.
  app.hide = (keys) => {
    state.hidden = new Set(keys);
    const lines = state.structure.lines;
    const next = state.hidden.has(current().key) ? state.line : lines.findIndex((line) => state.hidden.has(line.key));
    if (next >= 0) state.line = next;
    state.entry = null;
    drawLines();
    drawFigure();
    show(app, current(), null);
    remember();
    (root.querySelector(".line.open .typed") ?? root.querySelector(".quizzes"))?.focus();
  };
  // A hidden line is found by its answer, or shown without one.
  app.found = (line, answer) => {
    state.hidden.delete(line.key);
    drawLines();
    drawFigure();
    show(app, current(), null);
    remember();
    app.focusLine();
    app.tell(answer === null ? "" : app.say(state.hidden.size ? "right" : "all right"));
  };

  // ---- changing --------------------------------------------------------------------------------------------------

  app.change = (name, index, value) => {
    if (!state.set(name, index, value)) {
      app.tell(app.say("not allowed"));
      return;
    }
    state.entry = { name, index };
    app.refresh();
    app.tell(app.say("changed", app.entryText(name, index), exact(value)));
  };
  app.undo = () => {
    app.isCleared = false;
    if (!state.undo()) return;
    app.refresh();
    app.tell(app.say("undone"));
  };
  // New values in the same places.
  app.refresh = ({ light = false } = {}) => {
    if (drawn !== shapes()) drawLines(true);
    const sizes = new Map();
    for (const [key, cells] of app.cells) {
      const [name, at] = key.split("|");
      if (!name) continue;
      const { data } = state.point.value(name);
      if (!sizes.has(name)) sizes.set(name, largest(data));
      for (const cell of cells) if (!cell.querySelector("input")) paint(cell, data[at], sizes.get(name));
    }
    show(app, current(), state.entry);
    drawFigure();
    training?.refresh(light);
    if (!light) taken?.refresh();
    drawStatus(light);
    if (!light) remember();
  };
  app.restructure = (structure, sizes) => {
    app.frame = null;
    state.choose(structure, sizes);
    state.line = Math.min(state.line, structure.lines.length - 1);
    app.turned.clear();
    if (state.hidden.size) state.hidden = new Set(askable(app).map((line) => line.key));
    drawAll();
    remember();
  };

  const tellWidget = payload.tells ? teller(state, parent) : () => {};
  const remember = remembering(state, () => {
    tellWidget();
    addressed.textContent = isTooLong(state) ? app.say("too long") : "";
  });

  // ---- drawing ---------------------------------------------------------------------------------------------------

  let told;
  let addressed;
  let figure;
  let list;
  let status;
  let training;
  let taken;

  let pictured = 0; // the sample on the figure
  const drawFigure = () => {
    pictured = state.sample;
    const line = current();
    const { network, names } = state.structure;
    const backward = line.kind === "gradient" || line.kind === "derivative";
    const text = (keys) => keys.filter((key) => names[key]).map(app.text).join(", ");
    let caption = app.say(backward ? "caption gradients" : "caption values");
    if (network) {
      const inner = network.layers.slice(1);
      const values = backward
        ? inner.map((layer) => [layer.pre, layer.value].map((key) => `∂ ${key}`).find((key) => names[key]))
        : network.layers.map((layer) => layer.value);
      const weights = network.weights.map((weight) => (backward && names[`∂ ${weight.key}`] ? `∂ ${weight.key}` : weight.key));
      caption = app.say(backward ? "caption backward" : "caption forward", text(values.filter(Boolean)), text(weights));
    }
    const scrolled = figure.querySelector(".scroll")?.scrollLeft;
    const drawing = graph(app);
    const scroll = network ? drawing : html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": app.say("graph") }, drawing);
    const count = samples(app);
    const chosen = count > 1 ? sampler(count) : null;
    markEntry(scroll, state.entry);
    const focused = figure.contains(document.activeElement) ? document.activeElement.className : "";
    figure.replaceChildren(html("h2", {}, app.say(network ? "network" : "graph")), scroll, html("p", { class: "caption" }, caption), chosen ?? "");
    if (focused) figure.querySelector(`.${CSS.escape(focused.split(" ")[0])}`)?.focus();
    if (!network) {
      scroll.scrollLeft = scrolled ?? 0;
      const box = drawing.querySelector(".box.chosen rect");
      if (box) {
        const place = Number(box.getAttribute("x"));
        if (place < scroll.scrollLeft || place > scroll.scrollLeft + scroll.clientWidth - 90) scroll.scrollLeft = place - scroll.clientWidth / 2;
      }
    }
  };
  const sampler = (count) => {
    const move = (by) => {
      state.sample = (state.sample + by + count) % count;
      drawFigure();
      training?.refresh(false);
      remember();
    };
    return html(
      "p",
      { class: "sampler" },
      button("‹", { class: "previous", "aria-label": app.say("previous sample"), on: { click: () => move(-1) } }),
      html("span", {}, app.say("sample", Math.min(state.sample, count - 1) + 1, count)),
      button("›", { class: "following", "aria-label": app.say("next sample"), on: { click: () => move(1) } }),
    );
  };

  let drawn = "";
  const shapes = () => JSON.stringify([state.structure.id, state.sizes]);
  const drawLines = (keepFocus = false) => {
    drawn = shapes();
    app.cells.clear();
    app.journeys.clear();
    const hadFocus = keepFocus && list.contains(document.activeElement) && document.activeElement.classList.contains("head");
    const items = [];
    let kind = null;
    state.structure.lines.forEach((line, number) => {
      const section = line.kind === "abbreviation" ? (kind ?? "forward") : line.kind;
      if (section !== kind) items.push(html("li", { class: "section" }, html("h2", {}, app.say((kind = section))), kind === "gradient" ? quizBar(app) : null));
      const open = number === state.line;
      const form = open ? (line.forms[state.form] ?? line.forms.matrix) : line.forms.matrix;
      const head = html(
        "button",
        { type: "button", class: "head", "aria-expanded": String(open), on: { click: () => app.select(number) } },
        state.hidden.has(line.key)
          ? html("span", { class: "formula" }, app.named(line.key), " = ?")
          : html("span", { class: "formula", markup: app.markup(form) }),
        html("span", { class: "shape" }, state.hidden.has(line.key) ? line.shape.replace(/^.*= /, "") : line.shape),
      );
      items.push(html("li", { class: open ? "line open" : "line" }, html("h3", {}, head), open ? panel(app, line) : null));
    });
    list.replaceChildren(...items);
    if (hadFocus) list.querySelector(".line.open .head")?.focus({ preventScroll: true });
  };

  const drawStatus = (light) => {
    status.querySelector(".value").textContent = exact(state.point.loss, 4);
    if (light) return;
    const check = status.querySelector(".checks");
    if (!Number.isFinite(state.point.loss)) {
      check.textContent = `✗ ${app.say("checks none")}`;
      check.classList.add("bad");
      return;
    }
    const { wrt } = state.structure;
    const { total, count, found } = failing(state.point, wrt.filter((name) => state.structure.names[`∂ ${name}`] !== undefined));
    const names = [...new Set(found.map((each) => app.text(`∂ ${each.name}`)))].join(", ");
    check.textContent = found.length ? `✗ ${app.say("checks differ", found.length, names)}` : `✓ ${app.say("checks agree", count, total)}`;
    check.classList.toggle("bad", found.length > 0);
  };

  const drawAll = () => {
    document.documentElement.lang = app.language === "zh" ? "zh-Hans" : "en";
    const title = payload.title[app.language];
    document.title = title;
    told = html("p", { class: "told", role: "status" });
    addressed = html("p", { class: "caption addressed" }, isTooLong(state) ? app.say("too long") : "");
    figure = html("section", { class: "figure", "aria-label": app.say(state.structure.network ? "network" : "graph") });
    list = html("ol", { class: "lines" });
    status = html(
      "p",
      { class: "status" },
      html("span", { class: "loss" }, html("i", {}, state.structure.loss), " = ", html("b", { class: "value" })),
      " ",
      html("span", { class: "checks" }),
    );
    training = state.structure.layer ? null : trainingPanel(app);
    taken = exportPanel(app);
    const language = button(app.say("language"), {
      class: "language",
      lang: app.language === "zh" ? "en" : "zh-Hans",
      "aria-label": app.say("language label"),
      on: { click: () => setLanguage(app.language === "zh" ? "en" : "zh") },
    });
    root.replaceChildren(
      html("header", {}, html("h1", {}, title), language, status, addressed, askPanel(app) ?? ""),
      html("main", {}, html("div", { class: "beside" }, figure, training?.element ?? "", taken?.element ?? ""), html("section", { class: "derivation", "aria-label": app.say("gradient") }, list)),
      html("footer", {}, html("p", {}, app.say("keys")), html("p", {}, payload.verified[app.language]), html("p", {}, app.say("offline"))),
      dock(),
      told,
    );
    drawLines();
    drawFigure();
    training?.refresh(false);
    drawStatus(false);
    show(app, current(), state.entry);
  };
  const setLanguage = (language) => {
    app.language = language;
    drawAll();
    remember();
    root.querySelector(".language").focus();
  };

  // On a narrow screen: stepping, and the figure over the lines, within reach of a thumb.
  const dock = () => {
    const toggle = button(app.say(state.structure.network ? "network" : "graph"), {
      "aria-pressed": "false",
      on: {
        click: () => {
          const open = figure.classList.toggle("sheet");
          toggle.setAttribute("aria-pressed", String(open));
        },
      },
    });
    return html(
      "nav",
      { class: "dock", "aria-label": app.say("dock") },
      button("◂", { "aria-label": app.say("back"), on: { click: () => app.select(state.line - 1) } }),
      button("▸", { "aria-label": app.say("on"), on: { click: () => app.select(state.line + 1) } }),
      toggle,
      state.structure.layer ? null : training.trainButton(),
    );
  };

  // ---- events ----------------------------------------------------------------------------------------------------

  const cellOf = (event) => {
    const cell = event.target.closest?.(".cell");
    return cell?.index ? cell : null;
  };
  root.addEventListener("pointerover", (event) => {
    const cell = cellOf(event);
    if (cell && event.pointerType === "mouse" && !root.querySelector("input.entry")) app.point(cell.dataset.key, cell.index);
  });
  root.addEventListener("focusin", (event) => {
    const cell = cellOf(event);
    if (cell && event.target === cell) app.point(cell.dataset.key, cell.index);
  });
  let chosen = null; // a second click, or tap, on an entry changes it
  root.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (!cell || event.target !== cell) return;
    for (const each of cell.closest('[role="grid"]').querySelectorAll('[tabindex="0"]')) each.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus();
    if (cell === chosen && cell.classList.contains("given")) edit(app, cell);
    chosen = cell;
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !/INPUT|SELECT/.test(event.target.tagName)) {
      event.preventDefault();
      app.undo();
      return;
    }
    if (/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    if (onGridKey(app, event)) {
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(".scroll")) return;
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      app.select(state.line + (event.key === "ArrowRight" ? 1 : -1));
    }
    if (event.key === "Enter" && event.target.matches?.(".line.open .head")) {
      event.preventDefault();
      const own = root.querySelector(`.line.open .grid .cell[data-key="${CSS.escape(current().key)}"]`);
      (own ?? root.querySelector(".line.open .typed"))?.focus();
    }
  });
  root.addEventListener("dragover", (event) => app.drop && event.preventDefault());
  root.addEventListener("drop", (event) => {
    if (!app.drop || !event.dataTransfer.files.length) return;
    event.preventDefault();
    app.drop(event.dataTransfer.files[0]);
  });
  const shown = () => {
    drawAll();
    if (state.entry) app.point(state.entry.name, state.entry.index);
    if (state.line) root.querySelector(".line.open").scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", () => {
    state.restore(location.hash);
    shown();
  });

  state.restore(location.hash, keptActs());
  shown();
  tellWidget();
  return app;
}
