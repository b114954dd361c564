// The controls beside the results: what is typed, chosen and pressed changes the state, and shows it.

import { byId, element } from "./elements.js";
import { notice } from "./notice.js";
import { listen, shrunk } from "./picture.js";
import { star } from "./star.js";
import { nothing, withPart } from "./state.js";

const TEXTS = ["words", "without"];

export class Controls {
  /** `shared()` is called before the address is copied; `fitting(state)` is the state as its gallery allows it. */
  constructor(store, paper, { fitting, shared }) {
    Object.assign(this, { store, paper, shared });
    this.#listenToPaper();
    this.#listenToQuery();
    for (const id of ["gallery", "compare"]) {
      byId(id).addEventListener("change", ({ target }) => {
        store.change((state) => fitting({ ...state, [id]: target.value }));
      });
    }
    byId("copy").addEventListener("click", () => this.#copy());
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault(); // the fragment of the address is the query's
      byId("main").scrollIntoView();
      byId("found").focus();
    });
  }

  /** Show the state. */
  show(state) {
    for (const kind of TEXTS) {
      const input = byId(kind);
      if (input.value !== state[kind].value) input.value = state[kind].value;
    }
    this.paper.show(state.sketch.value);
    byId("gallery").value = state.gallery;
    byId("compare").value = state.compare;
    for (const option of byId("compare").options) option.hidden = option.disabled = option.value === state.gallery;
    this.tools();
  }

  /** What can be done with the paper now. */
  tools() {
    const { strokes, past, future, live } = this.paper;
    byId("hint").hidden = strokes.length > 0 || live !== null;
    const usable = { undo: past.length, redo: future.length, clear: strokes.length };
    for (const [id, is] of Object.entries(usable)) byId(id).setAttribute("aria-disabled", String(!is));
  }

  /** Offer the galleries of the service. */
  offer(names) {
    const option = (name) => element("option", { value: name }, name);
    byId("gallery").replaceChildren(...names.map(option));
    byId("compare").replaceChildren(element("option", { value: "" }, "nothing"), ...names.map(option));
    byId("gallery-choice").hidden = byId("compare-choice").hidden = names.length < 2;
  }

  #listenToPaper() {
    for (const id of ["undo", "redo", "clear"]) byId(id).addEventListener("click", () => this.paper[id]());
    for (const radio of document.getElementsByName("pen")) {
      radio.addEventListener("change", () => { this.paper.width = Number(radio.value); });
      if (radio.checked) this.paper.width = Number(radio.value); // as the browser remembers it
    }
    byId("star").addEventListener("click", () => {
      byId("paper").focus({ preventScroll: true }); // the button goes away
      this.paper.play(star());
    });
    byId("fold").addEventListener("click", ({ currentTarget }) => {
      const open = currentTarget.getAttribute("aria-expanded") !== "true";
      currentTarget.setAttribute("aria-expanded", String(open));
      byId("drawing").classList.toggle("folded", !open);
    });
    addEventListener("keydown", (event) => {
      const typing = event.target.matches?.("input[type=text], input[type=password], select");
      if (typing || !(event.ctrlKey || event.metaKey) || event.altKey || byId("viewer").open) return;
      const key = event.key.toLowerCase();
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      if (key === "y" || event.shiftKey) this.paper.redo();
      else this.paper.undo();
    });
  }

  #listenToQuery() {
    const { store } = this;
    byId("ask").addEventListener("submit", (event) => event.preventDefault());
    for (const kind of TEXTS) {
      byId(kind).addEventListener("input", ({ target }) => {
        store.change((state) => withPart(state, { ...state[kind], value: target.value, on: true }), kind);
      });
    }
    listen(byId("file"), async (file) => {
      try {
        const value = await shrunk(file);
        store.change((state) => withPart(state, { ...state.picture, value, on: true }));
      } catch (error) {
        notice(error.message);
      }
    });
    byId("afresh").addEventListener("click", () => {
      store.change(({ gallery, compare }) => ({ ...nothing(), gallery, compare }));
      byId("words").focus({ preventScroll: true });
    });
  }

  async #copy() {
    this.shared();
    try {
      await navigator.clipboard.writeText(location.href);
    } catch { // no clipboard for pages that came over plain http
      const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
      field.value = location.href;
      document.body.append(field);
      field.select();
      const copied = document.execCommand("copy");
      field.remove();
      byId("copy").focus();
      if (!copied) return notice("The link could not be copied; the address of this page is the link.");
    }
    return notice("Link copied. It holds the drawing, the picture, the words and the weights.");
  }
}
