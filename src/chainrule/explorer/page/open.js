// Opens the page: reads its data and its program, and the scripts of the derivations when they are first needed. These
// are given by their lines, since those of similar derivations are alike.

globalThis.chainruleLines = [];

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function run(text) {
  const script = document.createElement("script");
  script.textContent = text;
  document.head.append(script);
}

function provided(number, lines) {
  if (!globalThis.chainruleLines[number]) run(lines.map((line) => payload.texts[line]).join("\n"));
  return globalThis.chainruleLines[number];
}

// Runs in WebAssembly by optimizer, or null where there are none, or none can be compiled.
async function compiled({ descent }) {
  try {
    return descent && Object.fromEntries(await Promise.all(Object.entries(descent.runs).map(async ([name, { open }]) => [name, await open()])));
  } catch {
    return null;
  }
}

const payload = await unpacked(document.getElementById("payload").textContent);
const modules = payload.scripts.map((lines, number) => () => provided(number, lines));
const runs = [await compiled(modules[0]())];
run(payload.program);
globalThis.explorer = globalThis.chainruleStart(document.getElementById("explorer"), payload, modules, runs);
