// Another function, typed on a page that a server has: it is derived there, and opens in place of this one.

import { button, html } from "./dom.js";

export function askPanel(app) {
  if (!app.payload.asks) return null;
  const field = html("textarea", { rows: "5", spellcheck: "false", "aria-label": app.say("another"), placeholder: app.say("ask example") });
  const wrt = html("input", { "aria-label": app.say("ask wrt"), placeholder: app.say("ask wrt"), spellcheck: "false", autocomplete: "off" });
  const answer = html("p", { class: "answer bad", role: "alert" });
  const asked = async () => {
    answer.textContent = "";
    send.disabled = true;
    try {
      const reply = await fetch("derive", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ text: field.value, wrt: wrt.value, lang: app.language }),
      });
      const { page, error } = await reply.json();
      if (page) location.assign(page);
      else answer.textContent = error;
    } catch {
      answer.textContent = app.say("no server");
    } finally {
      send.disabled = false;
    }
  };
  const send = button(app.say("derive"), { class: "send", on: { click: asked } });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    asked();
  });
  return html("details", { class: "own ask" }, html("summary", {}, app.say("another")), html("p", { class: "caption" }, app.say("ask hint")), field, html("div", { class: "controls" }, wrt, send), answer);
}
