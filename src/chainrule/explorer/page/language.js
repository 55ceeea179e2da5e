// Expressions as a reader types them: as printed (`a1ᵀ δ2`), as formulas (`a1' * d2`), in NumPy (`a1.T @ d2`) or in
// LaTeX (`a_1^\top \delta_2`).
//
// `parse` makes a tree of nodes {op, args, at, end}: "name" with `key`, "number" with `value`, "ones", "call" with `name`
// and `options`, "prime", a derivative of a function, "T", "neg", "[]" with `places`, and operators of two operands.
// "*" is element by element, "@" a matrix product; " ", operands side by side, is a product of matrices, and "·" is either,
// by the shapes, as `*` is in a formula. In text that is NumPy's alone `*` is element by element, and `plain`: without the
// repetitions that are left unsaid on paper.

export class Unreadable extends Error {
  constructor(what, at, text = "") {
    super(what);
    Object.assign(this, { what, at, text });
  }
}

const SAME = { "−": "-", "–": "-", "×": "·", "∗": "·", "⋅": "·", "∙": "·", "*": "·", "⊙": ".*", "∘": ".*", "⊘": "./", "≤": "<=", "≥": ">=", "≠": "!=", "⊤": "'", "ᵀ": "'", "′": "'", "’": "'", "‖": "||", "（": "(", "）": ")", "，": ",", "{": "(", "}": ")" };
const FRACTIONS = { "½": 1 / 2, "⅓": 1 / 3, "⅔": 2 / 3, "¼": 1 / 4, "¾": 3 / 4 };
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const LOWERED = "₀₁₂₃₄₅₆₇₈₉";
const WORD = "[\\p{L}_](?:(?!ᵀ)[\\p{L}\\p{M}\\p{Nd}_₀-₉])*";
const PIECE = new RegExp(
  [
    `(?<partial>∂\\s*(?:${WORD})?\\s*/\\s*∂\\s*(?<of>${WORD})|∂\\s*(?<alone>${WORD}))`,
    `(?<prime>${WORD})(?:['′’]|_prime)(?=\\s*\\()`,
    "(?<number>\\d+(?:\\.(?![*/^'T])\\d*)?(?:[eE][+-]?\\d+)?|\\.\\d+)",
    "(?<fraction>[½⅓⅔¼¾])",
    "(?<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)",
    "(?<attribute>\\.(?:T\\b|transpose\\(\\s*\\)|t\\(\\s*\\)|(?:sum|mean|dot)(?=\\s*\\()))",
    "(?<sign>\\*\\*|\\.[*/^']|[<>=!]=|\\|\\||[-+*/@^<>=()[\\],:'√⟨⟩·−–×∗⋅∙⊙∘⊘≤≥≠⊤ᵀ′’‖（），{}])",
    `(?<word>${WORD})`,
  ].join("|"),
  "uy",
);

const NUMPY = /@|\bnp\.|\.T\b|\.(?:transpose|t|sum|mean|dot)\s*\(|axis\s*=/;
const FUNCTIONS = new Set(["sum", "mean", "exp", "log", "sqrt", "abs", "sign", "sigmoid", "tanh", "relu", "softplus", "silu", "gelu", "softmax", "where", "maximum", "minimum", "sin", "cos", "square", "erfc", "erf", "outer", "transpose", "ones", "multiply", "matmul"]);
const MEANT = { σ: "sigmoid", sigma: "sigmoid", ln: "log", ReLU: "relu", Relu: "relu", swish: "silu", dot: "matmul", Σ: "sum", absolute: "abs" };

export function canonical(name) {
  return name
    .normalize("NFD")
    .replace(/[₀-₉]/g, (digit) => String(LOWERED.indexOf(digit)))
    .normalize("NFKC")
    .replace(/_(?=\d)/g, "");
}

const COMMANDS = { partial: "∂", odot: "⊙", circ: "⊙", cdot: "·", times: "·", top: "T", intercal: "T", prime: "'", sum: "Σ", alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", varepsilon: "ε", eta: "η", theta: "θ", lambda: "λ", mu: "μ", nu: "ν", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", phi: "φ", varphi: "φ", omega: "ω", Delta: "Δ", Theta: "Θ", Sigma: "Σ", left: "", right: "", big: "", Big: "", quad: "" };

// LaTeX as the letters and signs that it stands for, in as many places, so that a place in one is a place in the other.
export function fromLatex(text) {
  const filled = (whole, found) => found.padStart(whole.length);
  let plain = text
    .replace(/\\[,;:! ]/g, "  ")
    .replace(/\\[dt]?frac\s*\{\s*(?:\\partial|∂)\s*([^{}]+?)\s*\}\s*\{\s*(?:\\partial|∂)\s*((?:[^{}]|\{[^{}]*\})+)\}/g, (whole, of, by) => filled(whole, `∂${of}/∂${by}`))
    .replace(/\\(?:mathbf|mathrm|mathit|boldsymbol|bm|text|operatorname)\s*\{\s*(\\?\w+)\s*\}/g, filled);
  for (let at; (at = plain.search(/\\[dt]?frac\s*\{/)) >= 0; ) {
    const above = plain.indexOf("{", at);
    const below = closing(plain, above) + 1;
    if (!below || plain[below] !== "{" || closing(plain, below) < 0) break;
    plain = `${plain.slice(0, at)}${`(${plain.slice(above + 1, below - 1)})/`.padStart(below - at)}${plain.slice(below)}`;
  }
  return plain
    .replace(/\\([A-Za-z]+)/g, (whole, name) => filled(whole, COMMANDS[name] ?? name))
    .replace(/(\p{L}+)_\{(\w+)\}/gu, (whole, name, index) => filled(whole, `${name}_${index}`))
    .replace(/(\p{L}+)\^(?:\{\s*[([](\d+)[)\]]\s*\}|\[(\d+)\])/gu, (whole, name, braced, index) => filled(whole, name + (braced ?? index)))
    .replace(/\^\{\s*T\s*\}/g, (whole) => filled(whole, "^T"));
}

function closing(text, opening) {
  for (let at = opening, depth = 0; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && !--depth) return at;
  }
  return -1;
}

function tokens(text, resolve, isNumPy) {
  const found = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at])) {
      at++;
      continue;
    }
    PIECE.lastIndex = at;
    const match = PIECE.exec(text);
    if (!match) throw new Unreadable("letter", at, text[at]);
    let kind = Object.keys(match.groups).find((key) => !["of", "alone"].includes(key) && match.groups[key] !== undefined);
    let value = match[0];
    // A mark after a variable transposes it, also before a parenthesis.
    if (kind === "prime" && /['′’]$/.test(value) && (resolve(match.groups.prime) || !FUNCTIONS.has(MEANT[match.groups.prime] ?? match.groups.prime))) [kind, value] = ["word", match.groups.prime];
    const end = at + value.length;
    if (kind === "sign" && !(isNumPy && value === "*")) value = SAME[value] ?? value;
    if (kind === "sign" && value === ".'") value = "'";
    if (kind === "partial") value = `∂${match.groups.of ?? match.groups.alone}`;
    if (kind === "prime") value = match.groups.prime;
    found.push({ kind, value, at, end });
    at = end;
  }
  return [...found, { kind: "end", value: "", at: text.length, end: text.length }];
}

// `resolve` gives the key of a name, or undefined; `loss` is the name in dL/dW.
export function parse(given, resolve, loss = "L") {
  const text = fromLatex(given).replace(/;\s*$/, (end) => " ".repeat(end.length));
  const partials = new RegExp(`(?<![\\p{L}\\p{N}_])d\\s*${loss}\\s*/\\s*d(?=[\\p{L}])`, "gu");
  const plain = text.replace(/∑/g, "Σ").replace(partials, (whole) => `∂${" ".repeat(whole.length - 1)}`).replace(/(?<![\p{L}\p{N}_])(?:np|numpy|cr)\.(?=[\p{L}])/gu, (whole) => " ".repeat(whole.length));
  const list = tokens(plain, resolve, NUMPY.test(text));
  let place = 0;
  const now = () => list[place];
  const is = (...signs) => now().kind === "sign" && signs.includes(now().value);
  const take = () => list[place++];
  const node = (op, args, at, more = {}) => ({ op, args, at, end: list[place - 1].end, ...more });
  const expect = (sign) => {
    if (!is(sign)) throw new Unreadable(now().kind === "end" ? "end" : "expected", now().at, sign);
    return take();
  };

  const comparison = () => {
    const left = sum();
    if (!is("<", "<=", ">", ">=", "==", "!=", "=")) return left;
    const sign = take().value;
    return node("compare", [left, sum()], left.at, { sign: sign === "=" ? "==" : sign });
  };
  const sum = () => {
    let left = is("-") ? negated(product) : product();
    while (is("+", "-")) {
      const sign = take().value;
      left = node(sign, [left, product()], left.at);
    }
    return left;
  };
  const negated = (inner) => {
    const { at } = take();
    return node("neg", [inner()], at);
  };
  const product = () => {
    let left = beside();
    while (is("·", "*", ".*", "@", "/", "./")) {
      const sign = take().value;
      let right = beside();
      if (sign === "·" && right.op === "number" && right.value === 1) right = node("ones", [], right.at);
      left = node({ ".*": "*", "./": "/" }[sign] ?? sign, [left, right], left.at, { plain: sign === "*" });
    }
    return left;
  };
  const begins = () => ["word", "partial", "prime"].includes(now().kind) || is("(", "√", "||", "⟨") || (now().kind === "number" && now().value === "1");
  const beside = () => {
    let left = signed();
    while (begins() && !(is("||") && barred)) {
      const number = now().kind === "number";
      let right = power();
      if (number && right.op === "number") right = node("ones", [], right.at);
      left = node(" ", [left, right], left.at);
    }
    return left;
  };
  const signed = () => {
    if (is("-")) return negated(signed);
    if (is("+")) {
      take();
      return signed();
    }
    return power();
  };
  const power = () => {
    const base = postfix(atom());
    if (!is("^", "**", ".^")) return base;
    take();
    if (now().kind === "word" && /^[T⊤]$/.test(now().value)) {
      take();
      return postfix(node("T", [base], base.at, { strict: true }));
    }
    return node("^", [base, signed()], base.at);
  };
  const postfix = (inner) => {
    for (;;) {
      if (is("'")) {
        take();
        inner = inner.op === "number" && inner.value === 1 ? node("ones", [], inner.at, { row: true }) : node("T", [inner], inner.at, { strict: true });
      } else if (now().kind === "raised") {
        const raised = take();
        const value = Number([...raised.value].map((each) => (each === "⁻" ? "-" : each === "⁺" ? "" : RAISED.indexOf(each))).join(""));
        inner = node("^", [inner, { op: "number", args: [], value, at: raised.at, end: raised.end }], inner.at);
      } else if (now().kind === "attribute") {
        const name = take().value.slice(1);
        inner = /^t/i.test(name) ? node("T", [inner], inner.at) : call(name === "dot" ? "matmul" : name, inner.at, [inner]);
      } else if (is("[")) inner = picked(inner);
      else return inner;
    }
  };
  // Indices that only insert axes, as in x[:, None].
  const picked = (inner) => {
    take();
    const places = [];
    while (!is("]")) {
      if (is(":")) places.push(":"), take();
      else if (now().value === "None" || is("·")) places.push(null), take();
      else throw new Unreadable("index", now().at);
      if (is(",")) take();
      else break;
    }
    expect("]");
    return node("[]", [inner], inner.at, { places });
  };
  const call = (name, at, first = []) => {
    const opening = expect("(");
    const args = [...first];
    const options = {};
    while (!is(")")) {
      if (/^(axis|keepdims)$/.test(now().value) && list[place + 1].value === "=") {
        const option = take().value;
        take();
        options[option] = literal();
      } else args.push(comparison());
      if (!is(",")) break;
      take();
    }
    if (!is(")")) throw new Unreadable("open", opening.at);
    take();
    if ((name === "sum" || name === "mean") && args.length > 1) {
      const [, axis] = args.splice(0, 2, args[0]);
      options.axis = axis?.op === "neg" ? -axis.args[0].value : axis?.value;
    }
    if (!args.length) throw new Unreadable("empty", at);
    if (name === "matmul") return node("@", args, at);
    if (name === "multiply") return node("*", args, at);
    if (name === "transpose") return node("T", args, at);
    return node("call", args, at, { name, options });
  };
  const literal = () => {
    const negative = is("-") && take();
    const { kind, value, at } = take();
    if (value === "(") {
      const axes = [];
      while (!is(")")) {
        axes.push(literal());
        if (is(",")) take();
      }
      take();
      return axes;
    }
    if (kind === "number") return negative ? -Number(value) : Number(value);
    if (["True", "true", "False", "false", "None"].includes(value)) return value === "None" ? undefined : /^[Tt]/.test(value);
    throw new Unreadable("expected", at, "0");
  };
  let barred = false;
  const atom = () => {
    const token = take();
    const { kind, value, at } = token;
    if (kind === "number") {
      if (value === "1" && is("[")) {
        take();
        const condition = comparison();
        expect("]");
        return node("call", [condition], at, { name: "indicator", options: {} });
      }
      return node("number", [], at, { value: Number(value) });
    }
    if (kind === "fraction") return node("number", [], at, { value: FRACTIONS[value] });
    if (kind === "prime") {
      const name = MEANT[value] ?? value;
      expect("(");
      const inner = comparison();
      expect(")");
      return node("prime", [inner], at, { name });
    }
    if (kind === "partial" || kind === "word") return named(token);
    if (value === "(") {
      const inside = barred;
      barred = false;
      const inner = comparison();
      barred = inside;
      if (!is(")")) throw new Unreadable(now().kind === "end" ? "open" : "stray", now().kind === "end" ? at : now().at, now().value);
      take();
      return { ...inner, at, end: list[place - 1].end };
    }
    if (value === "√") return node("call", [postfix(atom())], at, { name: "sqrt", options: {} });
    if (value === "⟨") {
      const left = comparison();
      expect(",");
      const right = comparison();
      expect("⟩");
      return node("call", [node("*", [left, right], at)], at, { name: "sum", options: {} });
    }
    if (value === "||") {
      barred = true;
      const inner = comparison();
      barred = false;
      expect("||");
      return node("call", [node("call", [node("^", [inner, { op: "number", args: [], value: 2, at, end: at }], at)], at, { name: "sum", options: {} })], at, { name: "sqrt", options: {} });
    }
    throw new Unreadable(kind === "end" ? "end" : "stray", at, value);
  };
  const summed = (at) => node("call", [postfix(atom())], at, { name: "sum", options: {} });
  const named = ({ value, at, kind }) => {
    const key = resolve(value);
    if (key !== undefined && !(is("(") && FUNCTIONS.has(MEANT[value] ?? value) && key.size)) return key.size !== undefined ? node("size", [], at, { name: key.size }) : node("name", [], at, { key: key.key });
    if (kind === "word" && /^Σ|^sum$|^mean/.test(value)) {
      // A reduction with its axes below it keeps the reduced axis in mind, as on paper.
      const below = [...(value.match(/[₀-₉]+$/)?.[0] ?? "")].map((digit) => LOWERED.indexOf(digit));
      const name = value.startsWith("mean") ? "mean" : "sum";
      if (below.length && is("(")) return node("call", call(name, at).args, at, { name, options: { axis: below, paper: true } });
      if (value === "Σ" && !is("(")) return summed(at);
    }
    const name = MEANT[value] ?? value;
    if (is("(") && FUNCTIONS.has(name)) return call(name, at);
    if (value === "π" || value === "pi") return node("number", [], at, { value: Math.PI });
    throw new Unreadable("name", at, kind === "partial" ? value.slice(1) : value);
  };

  if (now().kind === "end") throw new Unreadable("nothing", 0);
  const tree = comparison();
  if (now().kind !== "end") throw new Unreadable("stray", now().at, now().value);
  return tree;
}

// The precedence of each kind of node, for writing.
const LEVELS = { compare: 0, "+": 1, "-": 1, neg: 1, "*": 2, "@": 3, "·": 2, "/": 2, " ": 3, "^": 4, T: 5, "[]": 5 };
const SIGNS = { "+": " + ", "-": " − ", "*": " ⊙ ", "@": " ", "·": " · ", "/": " / ", " ": " ", "^": "^" };

// Writes a node as on paper, with the texts of names.
export function written(tree, textOf) {
  const level = (node) => LEVELS[node.op] ?? (node.op === "number" && node.value < 0 ? 1 : 6);
  const inner = (node, least) => {
    const text = write(node);
    return level(node) < least || (least >= 3 && node.op === "name" && text.includes("/")) ? `(${text})` : text;
  };
  const write = (node) => {
    const { op, args } = node;
    if (op === "name") return textOf(node.key);
    if (op === "size") return node.name;
    if (op === "number") return String(node.value).replace("-", "−");
    if (op === "ones") return node.row ? "1ᵀ" : "1";
    if (op === "neg") return `−${inner(args[0], 2)}`;
    if (op === "T") return `${inner(args[0], 5)}ᵀ`;
    if (op === "prime") return `${node.name === "sigmoid" ? "σ" : node.name}′(${write(args[0])})`;
    if (op === "[]") return `${inner(args[0], 5)}[${node.places.map((each) => each ?? "None").join(", ")}]`;
    if (op === "compare") return `${write(args[0])} ${node.sign} ${write(args[1])}`;
    if (op === "call" && node.name === "indicator") return `1[${write(args[0])}]`;
    if (op === "call") {
      const { axis, keepdims } = node.options;
      const options = [axis === undefined ? "" : `, axis=${Array.isArray(axis) && axis.length > 1 ? `(${axis})` : axis}`, keepdims ? ", keepdims=True" : ""];
      return `${node.name === "sigmoid" ? "σ" : node.name}(${args.map(write).join(", ")}${options.join("")})`;
    }
    const own = LEVELS[op];
    const closer = ["-", "/", "^"].includes(op) ? own + 1 : op === "*" || op === "·" ? own + (args[1].op === "/" ? 1 : 0) : own;
    return `${inner(args[0], op === "^" ? 5 : own)}${SIGNS[op]}${inner(args[1], closer)}`;
  };
  return write(tree);
}
