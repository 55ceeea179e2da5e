// Opens the page: reads its data and its program, and the scripts of the derivations when they are first needed.

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

function provided(number, text) {
  if (!globalThis.chainruleLines[number]) run(text);
  return globalThis.chainruleLines[number];
}

const payload = await unpacked(document.getElementById("payload").textContent);
const modules = payload.scripts.map((text, number) => () => provided(number, text));
run(payload.program);
globalThis.explorer = globalThis.chainruleStart(document.getElementById("explorer"), payload, modules);
