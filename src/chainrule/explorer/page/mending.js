// Single changes of an expression, each the inverse of a common mistake, as the grader of answers makes them: a change
// that makes a wrong expression right tells what the mistake is.

const ACTIVATIONS = new Set(["relu", "tanh", "sigmoid", "maximum"]);
const CHOICES = [1, 2, 3, 0.5, -1, 0, 4];

const binary = (op, left, right) => ({ op, args: [left, right] });
const turnedOver = (node) => (node.op === "T" ? node.args[0] : node.op === "ones" ? { ...node, row: !node.row } : { op: "T", args: [node] });
const summed = (node, axis, keepdims) => ({ op: "call", args: [node], name: "sum", options: { axis, keepdims } });
export const nameOfKey = (key) => ({ op: "name", args: [], key });
export const numberNode = (value) => ({ op: "number", args: [], value });

// Yields every change of a tree: {kind, tree, cost, before, after}, where `before` and `after` are nodes or texts.
// `scope` has keys of `variables` and `derivatives`, `factors` by label, and tells whether a product `isMatrix`.
export function* mends(tree, scope) {
  yield* within(tree, (made) => made, "whole", 0, scope);
}

function* within(node, around, role, depth, scope) {
  for (const [kind, made, cost, before, after] of changes(node, role, depth, scope)) yield { kind, tree: around(made), cost, before, after, node };
  const roles = node.op === "call" || node.op === "prime" ? ["args", "args", "args"] : node.args.length === 1 ? ["operand"] : ["left", "right"];
  for (const [k, part] of node.args.entries()) {
    const rebuilt = (made) => around({ ...node, args: node.args.map((each, at) => (at === k ? made : each)) });
    yield* within(part, rebuilt, node.op === "^" && k ? "exponent" : roles[k], depth + 1, scope);
  }
}

function* changes(node, role, depth, scope) {
  const { op, args } = node;
  const whole = role === "whole";
  const constant = op === "number" || op === "ones";
  if (["@", " ", "·", "*"].includes(op)) yield* ofProduct(node, scope);
  else if (op === "/") {
    yield ["extra operand", args[0], 0, args[1], "1/"];
    yield ["other", binary("*", ...args), 1, node, ""];
    for (const key of scope.variables) yield ["operand", binary("/", args[0], nameOfKey(key)), 2, args[1], nameOfKey(key)];
  } else if (op === "+" || op === "-") yield* ofSum(node, scope);
  else if (op === "^") yield* ofPower(node);
  else if (op === "neg") yield ["sign", args[0], 0, node, args[0]];
  else if (op === "call") yield* ofCall(node, scope);
  else if (op === "name") {
    for (const key of scope.variables)
      if (key !== node.key) {
        yield ["operand", nameOfKey(key), 0, node, nameOfKey(key)];
        yield ["operand", { op: "T", args: [nameOfKey(key)] }, 9, node, { op: "T", args: [nameOfKey(key)] }];
      }
  } else if (op === "number" && role === "exponent") {
    for (const power of [node.value - 1, node.value + 1, -node.value, 2 * node.value]) yield ["power", numberNode(power), 2, node, numberNode(power)];
  } else if (op === "number") {
    for (const choice of [...CHOICES, -node.value]) if (choice !== node.value) yield [role === "args" ? "operand" : "factor", numberNode(choice), 5, node, numberNode(choice)];
  }
  if (op === "T") yield ["transposed", args[0], 0, node, args[0]];
  else if (!constant && (role !== "args" || depth <= 2)) yield ["transposed", turnedOver(node), 1 + depth, node, turnedOver(node)];
  if (whole) yield* ofWhole(node, scope);
  if (!constant && role !== "args" && role !== "exponent")
    for (const key of scope.derivatives) {
      yield ["derivative", nameOfKey(key), 2 + depth, node, nameOfKey(key)];
      yield ["missing derivative", binary("*", node, nameOfKey(key)), depth, "", nameOfKey(key)];
    }
  if (["args", "left", "right"].includes(role))
    for (const key of scope.variables) {
      yield ["missing term", binary("+", node, nameOfKey(key)), 2 + depth, "", nameOfKey(key)];
      yield ["missing term", binary("-", node, nameOfKey(key)), 2 + depth, "", { op: "neg", args: [nameOfKey(key)] }];
    }
  if (!whole && !constant) {
    for (const key of scope.variables) {
      yield ["missing operand", binary("*", node, nameOfKey(key)), 3 + depth, "", nameOfKey(key)];
      yield ["missing operand", binary("/", node, nameOfKey(key)), 4 + depth, "1/", nameOfKey(key)];
    }
    for (const axis of [0, 1, undefined]) for (const keep of axis === undefined ? [true] : [true, false]) yield ["missing sum", summed(node, axis, keep), 3 + depth, node, String(axis)];
  }
}

function* ofProduct(node, scope) {
  const [left, right] = node.args;
  // A product with a vector of ones is a sum.
  const ones = left.op === "ones" ? [right, 0] : right.op === "ones" ? [left, 1] : null;
  if (ones) {
    yield* ofReduction(ones[0], node, ones[1]);
    return;
  }
  if (scope.isMatrix(node)) {
    const [a, b] = [turnedOver(left), turnedOver(right)];
    yield ["matrix product", binary("*", left, right), 0, node, ""];
    yield ["transposed", binary("@", a, b), 4, node, binary("@", a, b)];
    for (const [cost, [x, y]] of [[right, left], [b, left], [right, a], [b, a]].entries()) yield ["order", binary("@", x, y), cost, node, binary("@", x, y)];
  } else {
    let cost = 0;
    for (const [x, y] of [[left, right], [right, left]])
      for (const a of [x, turnedOver(x)]) for (const b of [y, turnedOver(y)]) yield ["elementwise", binary("@", a, b), cost++, node, binary("@", a, b)];
    yield ["other", binary("/", left, right), 1, node, ""];
  }
  yield ["extra operand", left, 0, right, ""];
  yield ["extra operand", right, 0, left, ""];
}

function* ofSum(node, scope) {
  const [left, right] = node.args;
  yield ["sign", binary(node.op === "+" ? "-" : "+", left, right), 1, node, ""];
  if (node.op === "-") yield ["sign", binary("-", right, left), 0, node, binary("-", right, left)];
  yield ["extra term", left, 0, right, ""];
  yield ["extra term", right, 0, left, ""];
  for (const [label, value] of scope.factors) {
    yield [label === "−" ? "sign" : "factor", binary(node.op, binary("·", value, left), right), 3, left, label];
    yield [label === "−" ? "sign" : "factor", binary(node.op, left, binary("·", value, right)), 3, right, label];
  }
  for (const key of scope.variables) {
    yield ["missing operand", binary(node.op, binary("*", left, nameOfKey(key)), right), 3, "", nameOfKey(key)];
    yield ["missing operand", binary(node.op, left, binary("*", right, nameOfKey(key))), 3, "", nameOfKey(key)];
  }
}

function* ofPower(node) {
  const [base, exponent] = node.args;
  yield ["power", base, 0, node, base];
  if (exponent.op !== "number") return;
  for (const [cost, power] of [exponent.value - 1, exponent.value + 1, -exponent.value, 2 * exponent.value, exponent.value / 2].entries())
    yield ["power", binary("^", base, numberNode(power)), 1 + cost, exponent, numberNode(power)];
}

function* ofCall(node, scope) {
  const [inner] = node.args;
  const { name, options } = node;
  if (name === "sum" || name === "mean") {
    yield ["factor", { ...node, name: name === "sum" ? "mean" : "sum" }, 0, name, name === "sum" ? "mean" : "sum"];
    yield* ofReduction(inner, node, options.axis, name, options.keepdims);
  } else if (name === "softmax") {
    for (const axis of [0, 1]) yield ["axis", { ...node, options: { axis } }, 0, String(options.axis ?? -1), String(axis)];
  } else if (node.args.length === 1) yield ["extra operand", inner, 3, node, ""];
  if (ACTIVATIONS.has(name)) for (const key of scope.derivatives) for (const part of node.args) yield ["applied", binary("*", part, nameOfKey(key)), 0, node, nameOfKey(key)];
}

function* ofReduction(inner, node, now, name = "sum", keeps = false) {
  yield ["extra sum", inner, 0, node, inner];
  const axisNow = Array.isArray(now) && now.length === 1 ? now[0] : now;
  for (const axis of [0, 1, 2, undefined])
    for (const keep of [false, true]) {
      const made = { op: "call", args: [inner], name, options: { axis, keepdims: keep } };
      yield [axis === axisNow ? "shape" : "axis", made, keep === Boolean(keeps) ? 0 : 1, String(axisNow), String(axis)];
    }
}

function* ofWhole(node, scope) {
  for (const [label, value] of scope.factors) yield [label === "−" ? "sign" : "factor", binary("·", value, node), 1, "", label];
  for (const axis of [0, 1, 2, undefined]) for (const keep of [false, true]) yield ["missing sum", summed(node, axis, keep), keep ? 1 : 0, node, String(axis)];
  for (const key of scope.variables) {
    const variable = nameOfKey(key);
    yield ["missing operand", binary("*", node, variable), 0, "", variable];
    yield ["missing operand", binary("/", node, variable), 1, "1/", variable];
    yield ["missing term", binary("+", node, variable), 0, "", variable];
    yield ["missing term", binary("-", node, variable), 0, "", { op: "neg", args: [variable] }];
    yield ["missing operand", binary("*", node, binary("-", numberNode(1), variable)), 2, "", binary("-", numberNode(1), variable)];
  }
}
