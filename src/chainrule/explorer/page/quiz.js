// The quiz: a hidden line, which the reader types or puts together from tiles, and what is said of the answer.

import { button, html } from "./dom.js";
import { judged, newQuestion, newQuiz, read, sentenceKey, sizeName } from "./judge.js";
import { written } from "./language.js";
import { spoken } from "./numbers.js";

const TILE_SIGNS = ["ᵀ", "⊙", "+", "−", "(", ")"];

// The quiz on the present derivation; null if its function has no points at which answers can be compared.
function quizOf(app) {
  const { structure } = app.state;
  app.quizzes ??= new Map();
  if (!app.quizzes.has(structure)) {
    const { evaluate } = app.module();
    app.quizzes.set(structure, structure.quiz ? { ...newQuiz(structure, evaluate, app.payload.arrays, app.payload.mistakes.priority), asked: new Map() } : null);
  }
  return app.quizzes.get(structure);
}

// The question that a line asks; null for a line that is no gradient, or whose operations cannot be typed.
export function questionOf(app, line) {
  const quiz = line.asked ? quizOf(app) : null;
  if (!quiz) return null;
  if (!quiz.asked.has(line.key)) {
    const question = newQuestion(quiz, line);
    quiz.asked.set(line.key, judged(question, line.asked).verdict === "right" ? question : null);
  }
  return quiz.asked.get(line.key);
}

export function askable(app) {
  return app.state.structure.lines.filter((line) => questionOf(app, line));
}

// The button above the lines of the backward pass, and how many are found.
export function quizBar(app) {
  const { hidden, structure } = app.state;
  if (!structure.quiz || !structure.lines.some((line) => line.asked)) return null;
  if (!hidden.size) return html("div", { class: "quizbar" }, button(app.say("quiz"), { class: "quizzes", on: { click: () => app.hide(askable(app).map((line) => line.key)) } }));
  const count = askable(app).length;
  return html(
    "div",
    { class: "quizbar" },
    html("span", {}, app.say("found", count - hidden.size, count)),
    button(app.say("show all"), { class: "quizzes", on: { click: () => app.hide([]) } }),
  );
}

export function hideButton(app, line) {
  return questionOf(app, line) ? button(app.say("hide"), { class: "hide", title: app.say("hide title"), on: { click: () => app.hide([...app.state.hidden, line.key]) } }) : null;
}

// Tiles of a question: its names and some others, in an order that tells nothing, then signs.
function tilesOf(question) {
  const { quiz, line } = question;
  const tree = read(question, line.asked);
  const names = new Set();
  const others = new Set();
  const collect = (node) => {
    if (node.op === "name") names.add(quiz.textOf(node.key));
    if (node.op === "size") names.add(node.name);
    if (node.op === "number") others.add(node.value === 0.5 ? "½" : String(node.value));
    if (node.op === "ones") others.add(node.row ? "1ᵀ" : "1");
    if (node.op === "call") others.add(node.name === "sigmoid" ? "σ" : node.name === "sum" ? "Σ" : node.name === "mean" ? "mean" : node.name);
    if (node.op === "prime") names.add(written(node, quiz.textOf));
    if (node.op === "/") others.add("/");
    if (node.op === "·") others.add("·");
    if (node.op === "^") others.add("^");
    node.args.forEach(collect);
  };
  collect(tree);
  const stem = (text) => text.replace(/\d+/g, "");
  const stems = new Set([...names].map(stem));
  const texts = [...question.derivatives, ...question.variables].map(quiz.textOf).filter((text) => !names.has(text));
  const alike = texts.filter((text) => stems.has(stem(text)));
  for (const text of [...alike.slice(0, 3), ...texts.filter((text) => !alike.includes(text))].slice(0, 4)) names.add(text);
  return [...[...names].sort(), ...others, ...TILE_SIGNS.filter((sign) => !others.has(sign))];
}

const shapeText = (app, quiz, shape, row) => {
  const sizes = shape.map((size) => sizeName(quiz, size));
  return sizes.length ? (row && sizes.length === 1 ? `1×${sizes[0]}` : sizes.join("×")) : app.say("scalar");
};

// What is said of an answer that is not right, as sentences.
export function answerText(app, question, found) {
  const { quiz } = question;
  const { verdict } = found;
  const shape = ({ shape, row, ones }) => (ones ? "1" : shapeText(app, quiz, shape, row));
  const misfit = ({ node, left, right }) => app.say("misfit", written(node, quiz.textOf), shape(left), shape(right));
  if (verdict === "unreadable") return [app.say(`unreadable ${found.what}`, found.text, found.at + 1)];
  if (verdict === "unknown") return [app.say("unknown", found.text), found.nearest ? app.say("nearest", found.nearest) : ""];
  if (verdict === "later") return [app.say("later", found.text)];
  if (verdict === "misfit") return [misfit({ node: found.part, left: found.left, right: found.right })];
  if (verdict === "shape") return [app.say("misshapen", shapeText(app, quiz, found.found), shapeText(app, quiz, found.needed))];
  const index = found.index?.map((place) => place + 1).join(", ");
  if (verdict === "unequal") return [app.say("unequal", index, spoken(found.found), spoken(found.needed))];
  const template = app.payload.mistakes.sentences[sentenceKey({ ...found, batch: question.quiz.structure.quiz.batch })][app.language === "zh" ? 1 : 0];
  const said = template.replace(/\{([^}]*)\}/g, (_, name) => found.values[name] ?? "");
  return [found.misfit ? misfit(found.misfit) : "", said];
}

export function quizPanel(app, line) {
  const question = questionOf(app, line);
  const { quiz } = question;
  const input = html("input", { class: "typed", type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-label": app.say("answer", app.text(line.key)) });
  input.value = app.answers?.get(line.key) ?? "";
  const reading = html("p", { class: "reading" });
  const reply = html("div", { class: "reply", role: "status" });
  const hints = html("div", { class: "hints", "aria-live": "polite" });
  const reads = () => {
    app.tell("");
    (app.answers ??= new Map()).set(line.key, input.value);
    try {
      reading.textContent = input.value.trim() ? app.say("reading", written(read(question, input.value), quiz.textOf)) : "";
    } catch {
      reading.textContent = "";
    }
  };
  const insert = (text) => {
    const [from, to] = [input.selectionStart ?? input.value.length, input.selectionEnd ?? input.value.length];
    const before = input.value.slice(0, from);
    const spaced = /[\p{L}\p{N}ᵀ)]$/u.test(before) && /^(?!ᵀ)[\p{L}\p{N}∂(½]/u.test(text) && !/[√Σσ]$/u.test(before) ? ` ${text}` : /^[⊙+−·]$/.test(text) ? ` ${text} ` : text;
    input.setRangeText(spaced, from, to, "end");
    reads();
  };
  const erase = () => {
    input.value = input.value.replace(/(?:∂\S+|σ′\([^)]*\)|[\p{L}\p{N}_]+ᵀ?|.)\s*$/u, "");
    reads();
  };
  const check = (event) => {
    event?.preventDefault();
    const found = judged(question, input.value);
    if (found.verdict === "right") {
      app.found(line, input.value.trim());
      return;
    }
    reply.replaceChildren(html("p", {}, html("b", { class: "bad" }, `✗ ${app.say("not right")}`), " ", answerText(app, question, found).filter(Boolean).join(app.language === "zh" ? "" : " ")));
    if (found.at !== undefined) input.setSelectionRange(found.at, found.at + 1);
    input.focus();
  };
  input.addEventListener("input", reads);
  const steps = hintsOf(app, line);
  let shown = 0;
  const more = button(app.say("hint step"), {
    on: {
      click: () => {
        hints.append(steps[shown++]);
        if (shown >= steps.length) more.disabled = true;
      },
    },
  });
  const tiles = html(
    "div",
    { class: "tiles", role: "group", "aria-label": app.say("tiles") },
    tilesOf(question).map((text) => button(text, { class: "tile", on: { click: () => insert(text) } })),
    button("⌫", { class: "tile", "aria-label": app.say("erase"), on: { click: erase } }),
  );
  tiles.addEventListener("keydown", (event) => {
    const to = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    document.activeElement[to]?.focus();
  });
  if (input.value) reads();
  return html(
    "div",
    { class: "panel quiz" },
    html("p", { class: "why" }, app.say("ask", line.shape.replace(/^.*= /, ""))),
    html("form", { class: "controls", on: { submit: check } }, html("span", { class: "left" }, app.named(line.key), " ="), input, html("button", { type: "submit", class: "check" }, app.say("check answer"))),
    reading,
    tiles,
    reply,
    html("div", { class: "controls" }, more, button(app.say("give up"), { class: "reveal", on: { click: () => app.found(line, null) } })),
    hints,
  );
}

// Steps towards the line: what it is made of, the differential that it transposes, the pairing.
function hintsOf(app, line) {
  const { lines } = app.state.structure;
  const parts = line.picture.operands.flatMap((key, k) => [k ? ", " : "", app.named(key)]);
  const steps = [html("p", {}, app.say("made of"), " ", parts)];
  const uses = lines.filter((each) => each.differential !== undefined && each.picture.operands.includes(line.of));
  if (uses.length) steps.push(html("p", {}, app.say("transposes"), " ", uses.flatMap((each, k) => [k ? "; " : "", html("span", { markup: app.markup(each.differential) })])));
  const reasons = line.reasons[app.language];
  if (reasons.length) steps.push(html("div", {}, reasons.map((each) => html("p", { markup: app.markup(each) }))));
  return steps;
}
