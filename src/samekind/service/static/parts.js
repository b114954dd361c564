// The parts of the query as rows: what each is, a weight to slide, a box to switch it off, a button to remove it.

import { item, thumbnailUrl } from "./api.js";
import { named } from "./card.js";
import { byId, element, iconButton } from "./elements.js";
import { showNow } from "./images.js";
import { HEAVIEST, KINDS, LIGHTEST, parts, withPart, withoutPart } from "./state.js";
import { png } from "./strokes.js";

const names = new Map(); // of items, by id

/** Remember what an item ({id, uri, domain}) is called. */
export const know = (item) => names.set(item.id, named(item));

/** The address of the picture that a drawing or a picture is, null for other parts. */
export const sample = ({ kind, value }) => (kind === "sketch" ? png(value) : kind === "picture" ? value : null);

/** What a part is called, in words. */
export function called({ kind, value }) {
  if (kind === "words") return `“${value.trim()}”`;
  if (kind === "without") return `without “${value.trim()}”`;
  if (isItem({ kind })) return `${KINDS[kind].name} ${names.get(value) ?? "a picture"}`;
  return KINDS[kind].name;
}

const isItem = ({ kind }) => kind === "more" || kind === "less";
const keyOf = (part) => (isItem(part) ? part.value : part.kind);

/** The list of rows. */
export class Parts {
  /** `learned()` is called when it is known what an item is called that the address brought along. */
  constructor(store, learned) {
    Object.assign(this, { store, learned });
    this.rows = new Map();
    this.list = byId("parts");
  }

  /** Show the parts of the state. */
  show(state) {
    const rows = new Map();
    for (const part of parts(state)) {
      const key = keyOf(part);
      const row = this.rows.get(key) ?? new Row(this.store, this.learned, () => this.#gone());
      row.fill(part, state.gallery);
      rows.set(key, row);
    }
    const wanted = [...rows.values()].map((row) => row.root);
    for (const { root } of this.rows.values()) if (!wanted.includes(root)) root.remove();
    wanted.forEach((root, at) => {
      const here = this.list.children[at] ?? null;
      if (here !== root) this.list.insertBefore(root, here);
    });
    this.rows = rows;
    byId("parts-box").hidden = rows.size === 0;
  }

  /** A row was removed by its own button: the focus goes to the next one, or to the words. */
  #gone() {
    (this.list.querySelector(".remove") ?? byId("words")).focus();
  }
}

class Row {
  constructor(store, learned, gone) {
    this.learned = learned;
    const change = (by, gesture) => store.change((state) => withPart(state, { ...this.part, ...by }), gesture);
    this.box = element("input", { type: "checkbox", on: { change: () => change({ on: this.box.checked }) } });
    this.picture = element("img", { alt: "", width: 40, height: 40, draggable: "false" });
    this.name = element("span", { class: "name" });
    this.slider = element("input", { type: "range", min: LIGHTEST, max: HEAVIEST, step: 0.1 });
    this.slider.addEventListener("input", () => {
      change({ weight: Number(this.slider.value) }, `weight ${keyOf(this.part)}`);
    });
    this.weight = element("output", { class: "weight" });
    this.remove = iconButton("cross", "Remove", () => {
      store.change((state) => withoutPart(state, this.part));
      gone();
    }, { class: "icon-button remove" });
    const label = element("label", { class: "what" }, this.box, this.picture, this.name);
    this.root = element("li", { class: "part" }, label, this.slider, this.weight, this.remove);
  }

  fill(part, gallery) {
    this.part = part;
    this.root.dataset.kind = part.kind;
    this.root.classList.toggle("off", !part.on);
    this.box.checked = part.on;
    this.#show(part, gallery);
    const signed = KINDS[part.kind].sign * part.weight;
    this.slider.value = part.weight;
    this.weight.textContent = `${signed < 0 ? "−" : ""}${part.weight.toFixed(1)}`;
    this.#call();
  }

  #show(part, gallery) {
    const address = sample(part);
    this.picture.hidden = !address && !isItem(part);
    if (address) this.picture.src = address;
    if (!isItem(part)) return;
    showNow(this.picture, thumbnailUrl(gallery, part.value, 160));
    if (names.has(part.value)) return;
    names.set(part.value, "a picture");
    item(gallery, part.value).then((facts) => {
      know(facts);
      this.#call();
      this.learned();
    }, () => {}); // it has a picture to be known by
  }

  #call() {
    const name = called(this.part);
    this.name.textContent = name;
    this.name.title = name;
    this.slider.setAttribute("aria-label", `Weight: ${name}`);
    this.slider.setAttribute("aria-valuetext", this.weight.textContent);
    this.remove.setAttribute("aria-label", `Remove: ${name}`);
  }
}
