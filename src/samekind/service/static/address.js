// The state as the address's fragment, and back: a search can be shared, kept, and walked back to.

import { packPicture, packStrokes, unpackPicture, unpackStrokes } from "./packing.js";
import { HEAVIEST, LIGHTEST, MOST_PARTS, SINGLE, KINDS, nothing, part, parts } from "./state.js";

const MOST_WORDS = 1000; // characters of a text that the service takes
const MOST_PAGES = 400;
const KEYS = { sketch: "s", picture: "p", words: "t", without: "n" };
const TRIMMED = (weight) => String(Math.round(weight * 100) / 100);

/** The fragment without its #; empty where nothing is asked and no choice was made. */
export function fragment(state) {
  const pairs = new URLSearchParams();
  if (state.gallery) pairs.set("g", state.gallery);
  if (state.compare) pairs.set("c", state.compare);
  for (const { kind, value, weight, on } of parts(state)) {
    const beside = [weight === KINDS[kind].weight ? "" : TRIMMED(weight), on ? "" : "off"].join("~");
    if (!SINGLE.includes(kind)) {
      pairs.append(kind, beside === "~" ? value : `${value}~${beside}`);
      continue;
    }
    pairs.set(KEYS[kind], kind === "sketch" ? packStrokes(value) : kind === "picture" ? packPicture(value) : value);
    if (beside !== "~") pairs.set(`${KEYS[kind]}w`, beside);
  }
  state.domains.forEach((domain) => pairs.append("d", domain));
  if (state.pages > 1) pairs.set("pages", String(state.pages));
  return pairs.toString();
}

/** The state that a fragment (with or without its #) tells, and whether something in it could not be read. */
export function parse(text) {
  const state = nothing();
  let broken = false;
  for (const [key, value] of new URLSearchParams(text.replace(/^#/, ""))) {
    try {
      if (!Object.hasOwn(READERS, key)) throw new RangeError(`${key} means nothing`);
      READERS[key](state, value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      broken = true;
    }
  }
  return { state, broken };
}

const READERS = {
  g: (state, value) => { state.gallery = value; },
  c: (state, value) => { state.compare = value; },
  d: (state, value) => { if (!state.domains.includes(value)) state.domains.push(value); },
  pages: (state, value) => { state.pages = whole(value, MOST_PAGES); },
  s: (state, value) => { state.sketch.value = unpackStrokes(value); },
  p: (state, value) => { state.picture.value = unpackPicture(value); },
  t: (state, value) => { state.words.value = short(value); },
  n: (state, value) => { state.without.value = short(value); },
  more: (state, value) => item(state, "more", value),
  less: (state, value) => item(state, "less", value),
  ...Object.fromEntries(
    SINGLE.map((kind) => [`${KEYS[kind]}w`, (state, value) => Object.assign(state[kind], beside(kind, value))])),
};

/** "weight~off", both of which may be missing. */
function beside(kind, text) {
  const [, written, off] = /^([\d.]*)~(off)?$/.exec(text) ?? [];
  if (written === undefined) throw new RangeError("no weight");
  const weight = written === "" ? KINDS[kind].weight : Number(written);
  if (!(weight >= LIGHTEST && weight <= HEAVIEST)) throw new RangeError("no weight");
  return { weight, on: !off };
}

function item(state, kind, text) {
  const [, id, rest] = /^([\w.-]{1,128})(?:~(.*))?$/.exec(text) ?? [];
  if (!id || state.items.some((each) => each.value === id)) throw new RangeError("no item");
  if (state.items.length >= MOST_PARTS - SINGLE.length) throw new RangeError("too many items");
  state.items.push({ ...part(kind, id), ...(rest === undefined ? {} : beside(kind, rest)) });
}

function short(text) {
  if (text.length > MOST_WORDS) throw new RangeError("too many words");
  return text;
}

function whole(text, most) {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= most)) throw new RangeError("no number of pages");
  return value;
}
