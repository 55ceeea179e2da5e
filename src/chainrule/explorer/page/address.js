// The address of the page, which holds its state.

const LATER = 150; // milliseconds, since browsers limit how often it changes

// Whether an address lacks some of what was done. The history of the browser keeps that, for a page that is loaded again
// in its tab.
export function isTooLong(state) {
  return state.address().lacking;
}

export function keptActs() {
  try {
    return history.state?.acts ?? null;
  } catch {
    return null;
  }
}

// Returns a function after which the address follows the state, a little later, and `after` is called.
export function remembering(state, after) {
  let waiting = 0;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      after();
      const { text, lacking } = state.address();
      try {
        history.replaceState(lacking ? { acts: state.acts } : null, "", `#${text}`);
      } catch {
        // a page within another may have no address of its own
      }
    }, LATER);
  };
}
