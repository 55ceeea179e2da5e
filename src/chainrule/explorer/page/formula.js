// The formula of a line: where a value stands in it, and one entry written out with numbers.

import { html, math } from "./dom.js";
import { spoken } from "./numbers.js";
import { flatOf } from "./values.js";

const MOST_TERMS = 12;
const LONG_GROUP = 24;

// Writes one entry out: the index form of the line with the numbers of the indices, then with the values put in. Null
// if its indices are not only letters and numbers; then the entries that it reads are listed instead.
export function writtenOut(app, line, index, value) {
  const holder = html("div", { markup: app.markup(line.forms.index) });
  const sides = [...holder.querySelectorAll(".side")].map((side) => [...side.querySelectorAll("math")].flatMap((each) => [...each.childNodes]));
  const first = sides[0]?.flatMap((node) => (node.matches?.(".s") ? [node] : [...(node.querySelectorAll?.(".s") ?? [])]))[0];
  const right = sides.at(-1);
  if (!right || sides.length < 2) return null;
  const letters = (first?.dataset.i ?? "").split(",").filter(Boolean);
  if (letters.length !== index.length || !letters.every((letter, axis) => isLetter(letter) || Number(letter) === index[axis])) return null;
  const places = Object.fromEntries(letters.map((letter, axis) => [letter, index[axis]]).filter(([letter]) => isLetter(letter)));
  const template = math("mrow", {}, ...right.map((node) => node.cloneNode(true)));
  template.firstChild?.matches?.("mo") && template.firstChild.remove();
  const whole = template.cloneNode(true);
  if (!withIndices(app, template, places, "names") || !withIndices(app, whole, places, "numbers")) return null;
  const left = app.element(line.key, index);
  const isBare = whole.textContent.replace(/[()\s]/g, "") === spoken(value);
  return html(
    "span",
    { class: "written" },
    html("span", { class: "side" }, math("math", {}, left)),
    html("span", { class: "side" }, parted(template)),
    isBare ? null : html("span", { class: "side" }, parted(whole)),
    html("span", { class: "side result" }, math("math", {}, equals(), math("mn", {}, spoken(value)))),
  );
}

function equals() {
  return math("mo", { form: "infix" }, "=");
}

// A side as one formula for each of its terms, between which a line may break.
function parted(side) {
  const parts = [[equals()]];
  for (const node of [...side.childNodes].flatMap(opened)) {
    if (parts.at(-1).length > 1 && node.tagName === "mo" && /^[+−]$/.test(node.textContent)) parts.push([]);
    parts.at(-1).push(node);
  }
  return parts.flatMap((nodes, k) => [k ? html("wbr") : null, math("math", { displaystyle: "true" }, ...nodes)]);
}

// The nodes of a long group in their places, so that a line may break between the terms in brackets too.
function opened(node) {
  return node.tagName === "mrow" && node.textContent.length > LONG_GROUP ? [...node.childNodes].flatMap(opened) : [node];
}

function isLetter(index) {
  return /^\p{L}[\p{M}′]*$/u.test(index);
}

// Replaces the letters of indices; with `numbers` also every element by its value. False where that is impossible.
function withIndices(app, root, places, how) {
  for (let sum = root.querySelector(".sum"); sum; sum = root.querySelector(".sum")) if (!unrolled(app, sum, places, root)) return false;
  const elements = [...root.querySelectorAll(".s")];
  for (const element of elements) {
    const key = element.dataset.s;
    const letters = (element.dataset.i ?? "").split(",").filter(Boolean);
    const shape = app.state.point.value(key).shape;
    const own = JSON.parse(element.dataset.places ?? "{}");
    const index = letters.map((letter) => own[letter] ?? places[letter] ?? (/^\d+$/.test(letter) ? Number(letter) : NaN));
    if (index.length !== shape.length || index.some(Number.isNaN)) return false;
    const at = flatOf(shape, index);
    const value = app.state.point.value(key).data[at];
    const replacement = how === "names" ? app.element(key, index) : number(value, element);
    element.replaceWith(replacement);
  }
  if (how === "numbers")
    for (const mi of root.querySelectorAll("mi")) {
      const size = app.state.sizes[mi.textContent];
      if (size !== undefined && !(mi.textContent in places)) mi.replaceWith(math("mn", {}, String(size)));
    }
  if (how === "numbers") for (const mo of root.querySelectorAll("mo")) if (mo.textContent === "\u2062" && !besideFunction(mo)) mo.textContent = "·";
  // A letter that is left stands for itself: an index in another place than an element.
  return ![...root.querySelectorAll("mi")].some((mi) => mi.textContent in places && mi.textContent !== "e" && !mi.closest("[data-element]"));
}

function besideFunction(mo) {
  return mo.previousElementSibling?.tagName === "mi" && mo.previousElementSibling.textContent.length > 1;
}

// The terms of a sum, added; more than a dozen are left out in the middle.
function unrolled(app, sum, places, root) {
  const letters = sum.dataset.i.split(",");
  const body = sum.children[1];
  const extents = letters.map((letter) => extentOf(app, body, letter));
  if (extents.some((extent) => !extent)) return false;
  const count = extents.reduce((a, b) => a * b, 1);
  const terms = math("mrow", {});
  const shown = count > MOST_TERMS ? [...Array(4).keys(), count - 1] : [...Array(count).keys()];
  let previous = -1;
  for (const term of shown) {
    if (previous >= 0) terms.append(math("mo", { form: "infix" }, "+"));
    if (term > previous + 1) terms.append(math("mo", {}, "⋯"), math("mo", { form: "infix" }, "+"));
    let rest = term;
    const own = {};
    for (let k = letters.length - 1; k >= 0; k--) {
      own[letters[k]] = rest % extents[k];
      rest = Math.floor(rest / extents[k]);
    }
    const copy = body.cloneNode(true);
    for (const element of [copy, ...copy.querySelectorAll("[data-i]")])
      if (element.dataset?.i !== undefined) {
        const before = JSON.parse(element.dataset.places ?? "{}");
        element.dataset.places = JSON.stringify({ ...before, ...own });
      }
    terms.append(...copy.childNodes);
    previous = term;
  }
  const before = sum.previousElementSibling;
  const isTerm = sum.parentElement === root && (!before || before.textContent === "+");
  const isWhole = sum.parentElement !== root && !before && !sum.nextElementSibling;
  if (isTerm) sum.replaceWith(...terms.childNodes);
  else sum.replaceWith(isWhole || sum.parentElement.tagName === "mfrac" || count === 1 ? terms : math("mrow", {}, ...bracketed(terms)));
  return true;
}

// The size over which a letter of a sum runs, from an element that has it.
function extentOf(app, body, letter) {
  for (const element of body.querySelectorAll(".s[data-i]")) {
    const axis = element.dataset.i.split(",").indexOf(letter);
    if (axis >= 0) return app.state.point.value(element.dataset.s).shape[axis];
  }
  return 0;
}

function number(value, element) {
  const text = spoken(value);
  const before = element.previousElementSibling?.textContent;
  const needsBrackets = text.startsWith("−") && before !== "(" && (before !== undefined || element.nextElementSibling !== null);
  const written = math("mn", { class: "value" }, text);
  return needsBrackets ? math("mrow", {}, ...bracketed(written)) : written;
}

function bracketed(inner) {
  const sign = (text, form) => math("mo", { form, lspace: "0", rspace: "0", stretchy: "false" }, text);
  return [sign("(", "prefix"), inner, sign(")", "postfix")];
}

// Marks where a value stands in the formulas and the reasons of a line.
export function mark(root, keys) {
  for (const element of root.querySelectorAll(":scope > h3 .s, .why .s, .remarks .s")) element.classList.toggle("lit", keys.has(element.dataset.s));
}
