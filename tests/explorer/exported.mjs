// Reads a page's data and requests from standard input, and writes the files that the page offers for each request.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.MODULES}/${name}.js`).href);
const { fileOf, formatsOf } = await load("exporting");
const { newState } = await load("state");
const { payload, requests } = JSON.parse(await text(process.stdin));
globalThis.chainruleLines = [];
const provided = (number) => {
  if (!globalThis.chainruleLines[number]) (0, eval)(payload.scripts[number]);
  return globalThis.chainruleLines[number];
};
const state = newState(payload, payload.scripts.map((_, number) => () => provided(number)));
const found = requests.map(({ fragment = "", language = "en", formats }) => {
  state.restore(fragment);
  const offered = formatsOf(state.structure);
  return Object.fromEntries((formats ?? offered).map((format) => [format, fileOf(payload, state, format, language)]));
});
process.stdout.write(JSON.stringify(found));
