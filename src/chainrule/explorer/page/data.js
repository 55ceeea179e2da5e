// Data of the reader's own: points drawn in the plane, and tables that are pasted, dropped or chosen.

import { button, choice, html } from "./dom.js";
import { frameOf, hasPlane, picture, symbol } from "./boundary.js";
import { short } from "./numbers.js";
import { dataOf, mostClasses, placesOf, pointData, pointsOf, tableOf, titleOf } from "./table.js";

const NEAR = 16; // pixels
const MOST_BYTES = 5e6;
const REMOVE = -1;

export function dataPanel(app, plane) {
  const { state } = app;
  const places = placesOf(state.structure);
  if (!places) return null;
  const panel = html("div", { class: "own" });
  const isPlane = () => hasPlane(app) && places.features === state.structure.network.data;
  const className = (k) => app.classes?.[k] ?? app.say("class", k);

  const give = (act) => {
    if (!state.give(act)) return app.tell(app.say("not allowed"));
    app.classes = act.classes ?? null;
    app.isCleared = false;
    app.refresh();
    refresh();
    return app.tell(app.say("data given", state.shape(places.features)[0]));
  };

  // ---- drawing ---------------------------------------------------------------------------------------------------

  const points = () => (app.isCleared ? [] : pointsOf(state, places));
  const setPoints = (found) => {
    if (found.length) give(pointData(found, places, app.classes));
    else clear();
  };
  const clear = () => {
    app.isCleared = true;
    app.refresh();
    app.tell(app.say("cleared"));
  };
  const [from, to] = [(frame, x, y) => [frame.left + x * (frame.right - frame.left), frame.top - y * (frame.top - frame.bottom)], (frame, x, y) => [(x - frame.left) / (frame.right - frame.left), (frame.top - y) / (frame.top - frame.bottom)]];
  const nearest = (found, [x, y], reach) => {
    const frame = frameOf(app);
    const far = found.map((each) => Math.hypot(...to(frame, each.x, each.y).map((place, axis) => place - [x, y][axis])));
    const least = far.indexOf(Math.min(...far));
    return least >= 0 && far[least] <= reach ? least : -1;
  };
  const put = ([x, y], reach) => {
    const found = points();
    const at = nearest(found, [x, y], reach);
    if (app.tool === REMOVE) return at < 0 ? -1 : (setPoints(found.filter((_, k) => k !== at)), -1);
    if (at >= 0) return at;
    const [left, top] = from(frameOf(app), x, y).map((value) => Math.round(100 * value) / 100);
    setPoints([...found, { x: left, y: top, own: app.tool }]);
    return found.length;
  };
  const placeOf = (event) => {
    const box = plane.getBoundingClientRect();
    return [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
  };
  let dragged = -1;
  plane.addEventListener("pointerdown", (event) => {
    if (!isPlane() || event.button) return;
    event.preventDefault();
    plane.focus({ preventScroll: true });
    dragged = put(placeOf(event), NEAR / plane.clientWidth);
    if (dragged >= 0) plane.setPointerCapture(event.pointerId);
  });
  plane.addEventListener("pointermove", (event) => {
    if (dragged < 0 || !plane.hasPointerCapture(event.pointerId)) return;
    const [x, y] = from(frameOf(app), ...placeOf(event).map((place) => Math.max(0, Math.min(1, place)))).map((value) => Math.round(100 * value) / 100);
    const found = points();
    if (!found[dragged] || (found[dragged].x === x && found[dragged].y === y)) return;
    Object.assign(found[dragged], { x, y });
    state.give({ ...pointData(found, places, app.classes), moved: dragged });
    app.refresh({ light: true });
  });
  plane.addEventListener("pointerup", () => {
    if (dragged >= 0) app.refresh();
    dragged = -1;
  });
  plane.addEventListener("keydown", (event) => {
    if (!isPlane() || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = event.shiftKey ? 0.01 : 0.05;
    const cross = (app.cross ??= [0.5, 0.5]);
    const tool = Number(event.key);
    if (event.key in moves) app.cross = cross.map((place, axis) => Math.max(0, Math.min(1, place + step * moves[event.key][axis])));
    else if (event.key === "Enter" || event.key === " ") put(cross, 0.02);
    else if (event.key === "Delete" || event.key === "Backspace") {
      const at = nearest(points(), cross, 1);
      if (at >= 0) setPoints(points().filter((_, k) => k !== at));
    } else if (/^\d$/.test(event.key) && tool < mostClasses(places)) choose(tool);
    else return;
    event.preventDefault();
    event.stopPropagation();
    app.refresh({ light: true });
    const [x, y] = from(frameOf(app), ...app.cross);
    app.tell(app.say("cross at", short(x), short(y)));
  });
  // Nothing else is redrawn, lest a button move away that is being pressed.
  const redraw = () => isPlane() && plane.replaceChildren(picture(app));
  plane.addEventListener("focus", redraw);
  plane.addEventListener("blur", redraw);

  const choose = (tool) => {
    app.tool = tool;
    for (const each of tools.querySelectorAll("button")) each.setAttribute("aria-pressed", String(Number(each.value) === tool));
  };
  const tools = html("div", { class: "tools", role: "group", "aria-label": app.say("draw") });
  let made = ""; // a button that is pressed must stay
  const refresh = () => {
    plane.classList.toggle("drawn", isPlane());
    for (const [name, value] of [["tabindex", "0"], ["role", "application"], ["aria-label", app.say("draw label")]])
      if (isPlane()) plane.setAttribute(name, value);
      else plane.removeAttribute(name);
    const count = Math.min(mostClasses(places), Math.max(2, app.classes?.length ?? 0, ...points().map((each) => each.own + 2)));
    app.tool ??= 1;
    const key = JSON.stringify([count, app.classes, isPlane(), state.isOwn()]);
    if (key === made) return;
    made = key;
    const tool = (value, ...parts) => button("", { value, "aria-pressed": String(app.tool === value), on: { click: () => choose(value) } }, ...parts);
    tools.replaceChildren(
      ...(isPlane() ? [...Array.from({ length: count }, (_, k) => tool(k, symbol(k), className(k))), tool(REMOVE, app.say("remove")), button(app.say("clear"), { on: { click: clear } })] : []),
      state.isOwn() ? button(app.say("first data"), { on: { click: () => (state.leave(), (app.classes = null), (app.isCleared = false), app.refresh(), refresh()) } }) : "",
    );
  };

  // ---- tables ----------------------------------------------------------------------------------------------------

  const field = html("textarea", { rows: "4", spellcheck: "false", "aria-label": app.say("table"), placeholder: "x1,x2,class\n0.5,1.2,a\n−1,0.3,b", on: { input: () => read(field.value) } });
  const file = html("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv,text/plain", "aria-label": app.say("file"), on: { change: () => opened(file.files[0]) } });
  const answer = html("div", { class: "answer", role: "status" });
  const form = html("div", { class: "columns" });
  const details = html("details", {}, html("summary", {}, app.say("own data")), html("p", { class: "caption" }, app.say("table hint")), field, file, answer, form);
  const fail = (error) => {
    if (!error.sentence) throw error;
    answer.replaceChildren(html("p", { class: "bad" }, error.sentence(app.say)));
  };
  const opened = async (chosen) => {
    if (!chosen) return;
    details.open = true;
    form.replaceChildren();
    if (chosen.size > MOST_BYTES) {
      answer.replaceChildren(html("p", { class: "bad" }, app.say("large file")));
      return;
    }
    const text = await chosen.text();
    field.value = text.length > 20000 ? "" : text;
    read(text);
  };
  const read = (text) => {
    answer.replaceChildren();
    form.replaceChildren();
    if (!text.trim()) return;
    try {
      offer(tableOf(text));
    } catch (error) {
      fail(error);
    }
  };
  const offer = (table) => {
    const last = table.columns.length - 1;
    const settings = { target: last, inputs: new Set(table.columns.keys()), isScaled: true };
    if (last < 1) throw Object.assign(new Error(), { sentence: (say) => say("one column") });
    for (const [k, column] of table.columns.entries()) if (column.classes?.length > 10) settings.inputs.delete(k);
    const boxes = html("div", { class: "inputs", role: "group", "aria-label": app.say("inputs") });
    const box = (label, checked, onchange) => {
      const mark = html("input", { type: "checkbox", on: { change: (event) => onchange(event.target.checked) } });
      mark.checked = checked;
      return html("label", {}, mark, " ", label);
    };
    const describe = (column) => `${titleOf(column, app.say)} ${column.classes ? app.say("kind classes", column.classes.length) : app.say("kind numbers")}`;
    const fill = () =>
      boxes.replaceChildren(
        ...table.columns.map((column, k) => (k === settings.target ? "" : box(describe(column), settings.inputs.has(k), (on) => settings.inputs[on ? "add" : "delete"](k)))),
      );
    fill();
    const use = () => {
      try {
        const inputs = [...settings.inputs].filter((k) => k !== settings.target).sort((a, b) => a - b);
        const found = dataOf(table, places, { ...settings, inputs });
        answer.replaceChildren(...found.notes.map((note) => html("p", {}, note(app.say))));
        give(found);
      } catch (error) {
        fail(error);
      }
    };
    form.replaceChildren(
      html("p", {}, app.say("table read", table.rows, table.columns.length)),
      choice(app.say("target"), table.columns.map((column, k) => [k, describe(column)]), last, (value) => {
        settings.target = Number(value);
        fill();
      }),
      html("p", { class: "choice" }, app.say("inputs")),
      boxes,
      box(app.say("scaled"), true, (on) => {
        settings.isScaled = on;
      }),
      button(app.say("use"), { class: "use", on: { click: use } }),
    );
  };
  app.drop = (dropped) => opened(dropped);

  refresh();
  panel.append(tools, details);
  return { element: panel, refresh };
}
