// Taking the derivation away: as source code, LaTeX or a notebook, to the clipboard or as a file.

import { button, choice, html } from "./dom.js";
import { fileOf, formatsOf } from "./exporting.js";

export function exportPanel(app) {
  const { state, payload } = app;
  const formats = formatsOf(state.structure);
  if (!formats.length) return null;
  if (!formats.includes(app.format)) app.format = formats[0];
  const file = () => fileOf(payload, state, app.format, app.language);
  const code = html("pre", { tabindex: "0", role: "region", "aria-label": app.say("preview") });
  const preview = html("details", { on: { toggle: () => refresh() } }, html("summary", {}, app.say("preview")), code);
  const refresh = () => {
    if (preview.open) code.textContent = file().text;
  };
  const select = choice(app.say("format"), formats.map((each) => [each, app.say(`as ${each}`)]), app.format, (value) => {
    app.format = value;
    refresh();
  });
  const copy = async () => {
    const { name, text } = file();
    app.tell(app.say((await copied(text)) ? "copied" : "not copied", name));
  };
  const save = () => {
    const { name, type, text } = file();
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = html("a", { download: name });
    link.href = address;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    app.tell(app.say("saved", name));
  };
  const element = html(
    "section",
    { class: "export", "aria-label": app.say("export") },
    html("h2", {}, app.say("export")),
    html("div", { class: "controls" }, select, button(app.say("copy"), { class: "copy", on: { click: copy } }), button(app.say("download"), { class: "download", on: { click: save } })),
    preview,
  );
  return { element, refresh };
}

// A page in a frame may have no access to the clipboard; then what is selected is copied as by hand.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const area = html("textarea", { "aria-hidden": "true", class: "offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}
