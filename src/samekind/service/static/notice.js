// Says things: to everyone in a note at the page's foot, or to those who hear the page alone.

import { byId } from "./elements.js";

const SHOWN = 6000; // milliseconds
let hiding = null;

/** Show a note for a while; screen readers speak it. */
export function notice(text) {
  const note = byId("note");
  note.textContent = text;
  note.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => {
    note.classList.remove("shown");
    note.textContent = "";
  }, SHOWN);
}

/** Speak without showing. */
export function say(text) {
  byId("said").textContent = text;
}
