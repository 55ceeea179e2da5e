// Numbers as text: short enough for a cell, with a proper minus sign.

const MINUS = "\u2212";

export function signed(text) {
  return text.replace(/-/g, MINUS);
}

// Up to three decimals, for a cell; without an exponent from 0.0005 to 9999.
export function short(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : MINUS + "∞";
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (Number.isInteger(x) && size < 10000) return signed(String(x));
  if (size < 5e-4 || size >= 9999.5) {
    const [mantissa, exponent] = x.toExponential(size >= 9999.5 ? 1 : 0).split("e");
    return signed(`${mantissa}e${Number(exponent)}`);
  }
  return signed(trimmed(x.toFixed(size < 10 ? 3 : size < 100 ? 2 : 1)));
}

// Two significant digits, for a disc.
export function brief(x) {
  const size = Math.abs(x);
  if (!Number.isFinite(x) || x === 0 || (Number.isInteger(x) && size < 1000)) return short(x);
  if (size < 5e-3 || size >= 999.5) return signed(x.toExponential(0).replace("+", ""));
  return signed(trimmed(size < 1 ? x.toFixed(2) : x.toPrecision(size < 100 ? 2 : 3)));
}

// Three significant digits, for a sentence.
export function spoken(x) {
  const size = Math.abs(x);
  if (!Number.isFinite(x) || x === 0 || (Number.isInteger(x) && size < 10000)) return short(x);
  return size < 1e-4 || size >= 9999.5 ? signed(x.toExponential(1).replace("+", "")) : signed(trimmed(x.toPrecision(3)));
}

export function exact(x, digits = 6) {
  return Number.isFinite(x) ? signed(trimmed(x.toPrecision(digits))) : short(x);
}

function trimmed(text) {
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}

// What a person types: also with a comma, with a proper minus sign, or a fraction. NaN for anything else.
export function parsed(text) {
  const plain = text.trim().replace(MINUS, "-").replace(",", ".");
  const fraction = /^([^/]+)\/([^/]+)$/.exec(plain);
  if (fraction) return parsed(fraction[1]) / parsed(fraction[2]);
  return plain === "" ? NaN : Number(plain);
}
