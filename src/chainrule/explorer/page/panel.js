// The open line: its forms, the reason, its matrices, and one entry of them in a sentence.

import { button, html, isStill } from "./dom.js";
import { checked, sources, uses } from "./explain.js";
import { mark, writtenOut } from "./formula.js";
import { matrix, ones, turnButton } from "./matrix.js";
import { exact, spoken } from "./numbers.js";
import { hideButton, quizPanel } from "./quiz.js";
import { flatOf } from "./values.js";

const FORMS = ["matrix", "path", "index"];
const MARKS = ["me", "from", "read", "to"];

export function panel(app, line) {
  if (app.state.hidden.has(line.key)) return quizPanel(app, line);
  const body = html("div", { class: "panel" });
  const forms = FORMS.filter((form) => line.forms[form] !== undefined);
  const distinct = new Set(forms.map((form) => line.forms[form]));
  if (distinct.size > 1)
    body.append(
      html(
        "div",
        { class: "forms", role: "group", "aria-label": app.say("form") },
        forms.map((form) =>
          button(app.say(form), { "aria-pressed": String(app.state.form === form), on: { click: () => app.chooseForm(form) } }),
        ),
      ),
    );
  const reasons = line.reasons[app.language];
  if (reasons.length) body.append(html("div", { class: "why" }, reasons.map((each) => html("p", { markup: app.markup(each) }))));
  const remarks = line.remarks[app.language];
  if (remarks.length) body.append(html("div", { class: "remarks" }, remarks.map((each) => html("p", { markup: app.markup(each) }))));
  if (line.differential !== undefined)
    body.append(html("p", { class: "why differential" }, app.say("differential"), " ", html("span", { markup: app.markup(line.differential) })));
  body.append(arrangement(app, line));
  body.append(html("div", { class: "sentence", "aria-live": "polite" }));
  const hide = hideButton(app, line);
  if (hide) body.append(html("p", { class: "quizbar" }, hide));
  return body;
}

// A product in Falk's layout: the left factor at the left, the right one above, the result where they meet.
function arrangement(app, line) {
  const { picture, key } = line;
  const holder = html("div", { class: "arrangement", tabindex: "-1" });
  if (picture.product) {
    const { left, right, product } = picture;
    const others = picture.operands.filter((each) => each !== left.key && each !== right.key);
    const column = product === "vector";
    const scheme = html(
      "div",
      { class: "falk" },
      html("div", { class: "corner" }),
      factor(app, right, { column }),
      left.key ? factor(app, left, { column: product === "outer" }) : ones(app, app.state.shape(right.key)[0]),
      matrix(app, key, { column }),
      others.flatMap((each) => [html("div", { class: "corner" }), matrix(app, each, { column })]),
    );
    holder.append(scheme);
    return holder;
  }
  const columnWise = [key, ...picture.operands].some((each) => app.isColumn(each));
  const row = html("div", { class: "row" });
  for (const each of picture.operands) row.append(matrix(app, each, { column: columnWise }));
  const arrow = picture.operands.length ? html("span", { class: "arrow", "aria-hidden": "true" }, "→") : null;
  row.append(html("div", { class: "row" }, arrow, matrix(app, key, { column: columnWise })));
  holder.append(row);
  return holder;
}

function factor(app, { key, transposed }, { column }) {
  const shape = app.state.shape(key);
  if (!transposed || shape.length < 2) return matrix(app, key, { column });
  const isTurned = app.turned.has(key);
  return matrix(app, key, { transposed: !isTurned, turn: turnButton(app, key, isTurned) });
}

// Turns a matrix and lets each entry travel to its place.
export function turned(app, key, redraw) {
  const places = () =>
    new Map([...document.querySelectorAll(`.falk .cell[data-key="${CSS.escape(key)}"]`)].map((cell) => [cell.dataset.at, [cell, cell.getBoundingClientRect()]]));
  const before = places();
  redraw();
  if (isStill()) return;
  for (const [at, [cell, now]] of places()) {
    const was = before.get(at)?.[1];
    if (was)
      cell.animate([{ transform: `translate(${was.x - now.x}px, ${was.y - now.y}px)`, zIndex: 1 }, { transform: "none", zIndex: 1 }], {
        duration: 600,
        easing: "ease-in-out",
      });
  }
}

// Highlights an entry, its sources or its readers, and says them.
export function show(app, line, entry) {
  light(app, line, entry);
  say(app, line, entry);
}

function isShown(app, entry) {
  return Boolean(entry) && app.cells.has(`${entry.name}|${flatOf(app.state.shape(entry.name), entry.index)}`);
}

// Marks the cells of an entry, and of its sources or its readers.
export function light(app, line, entry) {
  const marks = new Map();
  const add = (name, at, as) => app.cells.get(`${name}|${at}`)?.forEach((cell) => marks.set(cell, [...(marks.get(cell) ?? []), as]));
  app.read = [];
  if (!app.state.hidden.has(line.key) && isShown(app, entry)) {
    const { name, index } = entry;
    const at = flatOf(app.state.shape(name), index);
    add(name, at, "me");
    if (name === line.key) {
      app.read = sources(app.state.point, line, index);
      for (const each of app.read) add(each.name, each.at, each.counts ? "from" : "read");
      if (line.picture.product === "ones") for (let k = 0; k < app.state.shape(line.picture.right.key)[0]; k++) add("", k, "from");
    } else for (const flat of app.readers(line).get(`${name}|${at}`) ?? []) add(line.key, flat, "to");
  }
  for (const cell of app.marked) if (!marks.has(cell)) cell.classList.remove(...MARKS);
  for (const [cell, as] of marks) for (const mark of MARKS) cell.classList.toggle(mark, as.includes(mark));
  app.marked = [...marks.keys()];
}

// Says what an entry is made of or where it goes, which `light` has marked.
export function say(app, line, entry) {
  const said = app.root.querySelector(".line.open .sentence");
  const open = app.root.querySelector(".line.open");
  if (!said) return;
  if (!isShown(app, entry)) {
    said.replaceChildren(html("p", { class: "hint" }, app.say("hint"), " ", app.cells.size && hasGiven(app, line) ? app.say("hint given") : ""));
    mark(open, new Set());
    return;
  }
  const { name, index } = entry;
  const at = flatOf(app.state.shape(name), index);
  const value = app.state.point.value(name).data[at];
  const parts = [];
  if (name === line.key) {
    parts.push(html("p", {}, writtenOut(app, line, index, value) ?? listed(app, name, index, value, app.read)));
    if (app.read.some((each) => !each.counts)) parts.push(html("p", { class: "hint" }, app.say("only read")));
    mark(open, new Set([name, ...app.read.map((each) => each.name)]));
  } else {
    const count = app.readers(line).get(`${name}|${at}`)?.length;
    const text = count ? app.say("goes into", count, app.text(line.key)) : app.say("goes nowhere", app.text(line.key));
    parts.push(html("p", {}, app.entryMath(name, index), " = ", html("b", {}, spoken(value)), " ", text));
    mark(open, new Set([name]));
  }
  const onward = journey(app, name, line);
  if (onward) parts.push(onward);
  const check = checkOf(app, name, index);
  if (check) parts.push(check);
  renew(said, parts);
}

// Gives an element these children; one that is there already stays where it is, without another layout.
function renew(element, children) {
  children.forEach((child, place) => {
    const there = element.children[place];
    if (!there) element.append(child);
    else if (there !== child) there.replaceWith(child);
  });
  while (element.children.length > children.length) element.lastChild.remove();
}

function hasGiven(app, line) {
  return line.picture.operands.some((key) => app.state.structure.inputs[key] !== undefined);
}

function listed(app, name, index, value, read) {
  const unique = [...new Map(read.map((each) => [`${each.name}|${each.at}`, each])).values()];
  const shown = unique.slice(0, 12);
  const entries = shown.flatMap((each, k) => [k ? ", " : "", app.entryMath(each.name, each.index), ` = ${spoken(each.value)}`]);
  return html("span", {}, app.entryMath(name, index), " = ", html("b", {}, spoken(value)), shown.length ? " ← " : "", entries, unique.length > 12 ? ", …" : "");
}

// Where a value was made and where it is used next, as links to those lines; the same element while a line is open.
function journey(app, name, line) {
  const key = `${line.key} ${name}`;
  if (!app.journeys.has(key)) app.journeys.set(key, newJourney(app, name, line));
  return app.journeys.get(key);
}

function newJourney(app, name, line) {
  const { lines } = app.state.structure;
  const link = (each) => button("", { class: "link", on: { click: () => app.select(lines.indexOf(each), { name, keep: true }) } }, app.named(each.key));
  const made = lines.find((each) => each.key === name && each !== line);
  const later = uses(lines, name).filter((each) => each !== line);
  const parts = [];
  if (made) parts.push(html("span", {}, app.say("made in"), " ", link(made)));
  if (later.length) parts.push(html("span", {}, app.say("next"), " ", later.slice(0, 8).map(link)));
  else if (!made && name === line.key) parts.push(html("span", {}, app.say("used nowhere")));
  return parts.length ? html("p", { class: "journey" }, parts) : null;
}

function checkOf(app, name, index) {
  const input = name.startsWith("∂ ") ? name.slice(2) : name;
  const { inputs, names } = app.state.structure;
  if (!inputs[input] || names[`∂ ${input}`] === undefined || inputs[input].dtype !== "float64") return null;
  const { difference, derived, agree, kink } = checked(app.state.point, input, index);
  return html(
    "p",
    { class: "check" },
    app.say("check"),
    app.say("check by"),
    " = ",
    html("b", {}, exact(difference)),
    app.say("derived"),
    html("b", {}, exact(derived)),
    " ",
    agree === null ? "" : html("span", { class: agree ? "good" : "bad" }, `${agree ? "✓" : "✗"} ${app.say(agree ? "agree" : "differ")}`),
    kink ? ` ${app.say(agree === null ? "kinks" : "kink")}` : "",
  );
}

