// What is asked and how it is shown: one plain value that is never changed in place, and the only way to replace it.

/** The kinds of parts: what they are called, whether they count for or against, and the weight that they begin with. */
export const KINDS = {
  sketch: { name: "Drawing", sign: 1, weight: 1, empty: [] },
  picture: { name: "Picture", sign: 1, weight: 1, empty: "" },
  words: { name: "Words", sign: 1, weight: 1, empty: "" },
  without: { name: "Without", sign: -1, weight: 1, empty: "" },
  more: { name: "More like", sign: 1, weight: 1 },
  less: { name: "Less like", sign: -1, weight: 0.5 },
};
export const SINGLE = ["sketch", "picture", "words", "without"];
export const MOST_PARTS = 16; // that the service takes
export const LIGHTEST = 0.1;
export const HEAVIEST = 2;

/** A part as it begins. */
export const part = (kind, value = KINDS[kind].empty) => ({ kind, value, weight: KINDS[kind].weight, on: true });

/** Nothing asked yet. `items` are parts of the kinds more and less, whose value is an item's id. */
export const nothing = () => ({
  gallery: "",
  compare: "",
  ...Object.fromEntries(SINGLE.map((kind) => [kind, part(kind)])),
  items: [],
  domains: [],
  pages: 1,
});

const filled = ({ value }) => (typeof value === "string" ? value.trim() !== "" : value.length > 0);

/** The parts that there are, in the order in which they are shown. */
export const parts = (state) => [...SINGLE.map((kind) => state[kind]), ...state.items].filter(filled);

/** The state with the part in place of the one of its kind or, of items, of its id. One that is emptied begins anew. */
export function withPart(state, changed) {
  const { kind, value } = changed;
  if (SINGLE.includes(kind)) return { ...state, [kind]: filled(changed) ? changed : part(kind, value) };
  const items = state.items.map((each) => (each.value === value ? changed : each));
  return { ...state, items: items.includes(changed) ? items : [...items, changed] };
}

/** The state without the part. */
export function withoutPart(state, { kind, value }) {
  if (SINGLE.includes(kind)) return { ...state, [kind]: part(kind) };
  return { ...state, items: state.items.filter((each) => each.value !== value) };
}

/** Holds the state; `changed(state, gesture)` is called after each replacement. */
export class Store {
  constructor(changed) {
    this.state = nothing();
    this.changed = changed;
  }

  /**
   * Replace the state by what `next` makes of it. Steps of one gesture (typing, dragging) have its name in common;
   * a step without a name stands alone, one that is called "quiet" is no step for the history.
   */
  change(next, gesture) {
    const [before, state] = [this.state, next(this.state)];
    if (state === before) return;
    const same = Object.keys(state).every((key) => key === "compare" || state[key] === before[key]);
    this.state = same || state.pages !== before.pages ? state : { ...state, pages: 1 }; // another query: first page
    this.changed(this.state, gesture);
  }

  /** Replace the state by what an address tells. */
  restore(state) {
    this.state = state;
    this.changed(state, "restored");
  }
}
