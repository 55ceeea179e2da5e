// The derivation as files: the sources and the LaTeX in the page, at its sizes and with its values, and a notebook.

const EXTENSIONS = { numpy: "py", torch: "py", jax: "py", c: "h", js: "mjs", latex: "tex", notebook: "ipynb" };
const TYPES = { js: "text/javascript", notebook: "application/x-ipynb+json" };

export function formatsOf(structure) {
  const has = structure.exported ?? {};
  return Object.keys(EXTENSIONS).filter((format) => (format === "notebook" ? has.numpy && has.latex : has[format]));
}

// A file of what is on the page: its name, its type and its text.
export function fileOf(payload, state, format, language) {
  const { structure } = state;
  const name = `${structure.id.replace(/[^\p{L}\p{N}_-]+/gu, "_")}.${EXTENSIONS[format]}`;
  return { name, type: TYPES[format] ?? "text/plain", text: `${textOf(payload, state, format, language)}\n` };
}

function textOf(payload, state, format, language) {
  const { structure } = state;
  const written = (numbers) => numbers.map((number) => payload.exportedLines[number]).join("\n");
  const stored = (key) => written(structure.exported[key]);
  if (format === "notebook") return notebook(state, stored("numpy"), written(structure.exported.latex[language]), language);
  if (format === "latex") return written(structure.exported.latex[language]);
  if (format === "c") return atSizes(stored("c"), structure.sizes, state.sizes);
  const example = format === "numpy" ? exampleOf(state, stored("numpy")) : null;
  if (!example) return stored(format);
  const block = [...example.values, ...example.calls, `print(${example.results.join(", ")})`].join("\n").replace(/^(?=.)/gm, "    ");
  return `${stored("numpy")}\n\n\nif __name__ == "__main__":  # at the values of the page\n${block}`;
}

// C has its sizes as constants: those that were chosen on the page are put in.
function atSizes(text, before, now) {
  const changed = Object.keys(before).filter((name) => now[name] !== before[name]);
  if (!changed.length) return text;
  const [comment, rest] = split(text, "*/");
  const [constants, code] = split(rest, "};");
  const inWords = (part, name) => part.replace(new RegExp(`(?<![\\p{L}\\p{N}_])${name} = ${before[name]}(?!\\d)`, "u"), `${name} = ${now[name]}`);
  const told = changed.reduce(inWords, comment.replace(/(Sizes: [^.]*\.)[^.]*\./, "$1"));
  const set = constants.replace(/(_([\p{L}\p{N}_]+?)) = \d+/gu, (whole, key) => {
    const name = changed.find((each) => key.toUpperCase().endsWith(`_${each.toUpperCase()}`));
    return name === undefined ? whole : `${key} = ${now[name]}`;
  });
  return told + set + code;
}

function split(text, mark) {
  const at = text.indexOf(mark) + mark.length;
  return [text.slice(0, at), text.slice(at)];
}

// Calls of the NumPy source at the values of the page, or null if its arguments are not those of the page.
function exampleOf(state, source) {
  const { structure, point } = state;
  const parameters = (name) => source.match(new RegExp(`^def ${name}\\(([^)]*)\\)`, "m"))?.[1].split(",").map((each) => each.trim()).filter(Boolean);
  const [forward, backward] = [parameters("forward"), parameters("backward")];
  const keys = Object.keys(structure.inputs);
  const given = keys.filter((key) => /^∂(given)? /.test(key));
  const others = keys.filter((key) => !given.includes(key));
  if (forward?.length !== others.length || backward?.length !== given.length + 1) return null;
  const names = new Map([...others.map((key, k) => [key, forward[k]]), ...given.map((key, k) => [key, backward[k + 1]])]);
  const values = keys.map((key) => `${names.get(key)} = ${inPython(point.value(key), structure.inputs[key].dtype)}`);
  if (!/^import numpy as np$/m.test(source)) values.unshift("import numpy as np\n");
  const differentiated = others.filter((key) => structure.wrt.includes(key)).map((key) => names.get(key));
  const gradients = differentiated.map((name) => `gradient_${name}`);
  const results = structure.layer ? ["*results"] : [nameOf(structure.loss)];
  const calls = [`${results[0]}, saved = forward(${forward.join(", ")})`, `${gradients.join(", ")} = backward(${["saved", ...backward.slice(1)].join(", ")})`];
  return { values, calls, differentiated, gradients, results: structure.layer ? ["results"] : results };
}

function nameOf(loss) {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(loss) ? loss : "loss";
}

function inPython({ shape, data }, dtype) {
  const one = (x) => {
    if (dtype === "bool") return x ? "True" : "False";
    if (Number.isNaN(x)) return "np.nan";
    if (!Number.isFinite(x)) return x > 0 ? "np.inf" : "-np.inf";
    const text = String(x);
    return dtype === "float64" && /^-?\d+$/.test(text) ? `${text}.0` : text;
  };
  const nested = (axis, from, size) => {
    if (axis === shape.length) return one(data[from]);
    const inner = size / shape[axis];
    const parts = Array.from({ length: shape[axis] }, (_, k) => nested(axis + 1, from + k * inner, inner));
    return `[${parts.join(axis < shape.length - 1 ? `,${" ".repeat(axis + 1)}` : ", ")}]`;
  };
  const text = nested(0, 0, data.length);
  return shape.length ? `np.array(${text})` : text;
}

// A notebook: the derivation, its source, the values of the page, and descent from there.
function notebook(state, source, latex, language) {
  const { structure } = state;
  const cells = markdownOf(latex).map((text) => ["markdown", text]);
  cells.push(["code", source]);
  const example = exampleOf(state, source);
  if (example) {
    cells.push(["code", example.values.join("\n")]);
    cells.push(["code", [...example.calls, `print(${[...example.results, ...example.gradients].join(", ")}, sep="\\n")`].join("\n")]);
    if (!structure.layer) {
      const { differentiated, gradients, calls } = example;
      const steps = differentiated.map((name, k) => `    ${name} = ${name} - rate * ${gradients[k]}`);
      const loop = [`rate = ${state.rate}`, "for step in range(100):", ...calls.map((call) => `    ${call}`), ...steps, `print(${example.results[0]})`];
      cells.push(["markdown", language === "zh" ? "梯度下降：" : "Gradient descent:"], ["code", loop.join("\n")]);
    }
  }
  const written = cells.map(([kind, text], k) => ({
    cell_type: kind,
    id: `cell-${k}`,
    metadata: {},
    source: text,
    ...(kind === "code" ? { execution_count: null, outputs: [] } : {}),
  }));
  const kernel = { display_name: "Python 3", language: "python", name: "python3" };
  return JSON.stringify({ cells: written, metadata: { kernelspec: kernel, language_info: { name: "python" } }, nbformat: 4, nbformat_minor: 5 }, null, 1);
}

// The sections of a LaTeX document as Markdown.
export function markdownOf(latex) {
  const body = latex.replace(/^[^]*?(?=\\section)/, "").replace(/\\end\{\w+\}\s*$/, "");
  const text = body
    .replace(/\\section\*\{(.*)\}/g, "# $1")
    .replace(/\\subsection\*\{(.*)\}/g, "## $1")
    .replace(/\\begin\{quote\}\\\w+\n([^]*?)\n\\end\{quote\}/g, (_, inner) => inner.replace(/^/gm, "> "))
    .replace(/\\noindent\\fbox.*\n|\\end\{minipage\}\}/g, "")
    .replace(/\\tag\*\{\$(.*)\$\}/g, "&&\\quad \\scriptstyle $1")
    .replace(/\\tag\*\{(.*)\}/g, "&&\\quad \\scriptstyle \\text{$1}")
    .replace(/\\begin\{align\*\}/g, "\n$$$$\n\\begin{aligned}")
    .replace(/\\end\{align\*\}/g, "\\end{aligned}\n$$$$")
    .replace(/^(> .*)\\\\$/gm, "$1  ")
    .replace(/\n{3,}/g, "\n\n");
  return text.split(/^(?=## )/m).map((part) => part.trim());
}
