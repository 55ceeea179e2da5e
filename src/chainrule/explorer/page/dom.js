// Making elements.

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";

// Markup is parsed once, since pointing at an entry writes the same names again and again.
const templates = new Map();

function parsedMarkup(text) {
  if (!templates.has(text)) {
    const template = document.createElement("template");
    template.innerHTML = text;
    templates.set(text, template);
  }
  return document.importNode(templates.get(text).content, true);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "markup") element.append(parsedMarkup(value));
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function html(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

export function math(tag, properties = {}, ...children) {
  return filled(document.createElementNS(MATH, tag), properties, children);
}

export function button(label, properties, ...children) {
  return html("button", { type: "button", ...properties }, label, ...children);
}

export function choice(label, options, chosen, onchange) {
  const select = html(
    "select",
    { on: { change: (event) => onchange(event.target.value) } },
    options.map(([value, text]) => html("option", { value, selected: String(value) === String(chosen) }, text)),
  );
  return html("label", { class: "choice" }, html("span", {}, label), select);
}

export function isStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
