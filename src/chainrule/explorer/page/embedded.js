// What a page within a notebook tells the widget around it: the values of its inputs, once for each change.

// Returns the values as plain data, by name.
export function given(state) {
  const inputs = Object.keys(state.structure.inputs).map((name) => {
    const { shape, data } = state.point.value(name);
    return [name, { shape, data: Array.from(data) }];
  });
  return { chainrule: Object.fromEntries(inputs) };
}

// Returns a function that sends them to `frame` if they have changed since it was called last.
export function teller(state, frame) {
  let told = null;
  return () => {
    if (told === state.version) return;
    told = state.version;
    frame.postMessage(given(state), "*");
  };
}
