// The domains as buttons that can be pressed, each with the number of its pictures.

import { byId, counted, element } from "./elements.js";

export class Chips {
  /** `chosen(domains)` is called with the names that are pressed by then; none means all. */
  constructor(chosen) {
    this.chosen = chosen;
    this.root = byId("domains");
    this.buttons = new Map();
  }

  /** Show the domains of a gallery ({name, rows, domains}), those in `pressed` as pressed. */
  show({ rows, domains }, pressed) {
    const named = domains.filter(({ name }) => name !== null);
    this.root.hidden = named.length < 2;
    const key = JSON.stringify([rows, named]);
    if (key !== this.key) this.#make(rows, named);
    this.key = key;
    for (const [name, button] of this.buttons) {
      button.setAttribute("aria-pressed", String(name === null ? pressed.length === 0 : pressed.includes(name)));
    }
    this.pressed = pressed;
  }

  #make(rows, domains) {
    const held = document.activeElement?.dataset?.domain;
    this.buttons = new Map([[null, this.#button("all", rows, () => [])]]);
    for (const { name, rows: count } of domains) {
      this.buttons.set(name, this.#button(name, count, () => this.#toggled(name)));
    }
    this.root.replaceChildren(...this.buttons.values());
    if (held !== undefined) [...this.buttons.values()].find((button) => button.dataset.domain === held)?.focus();
  }

  #button(name, count, next) {
    const attributes = { type: "button", class: "chip", "data-domain": name, on: { click: () => this.chosen(next()) } };
    return element("button", attributes, name, element("span", { class: "number" }, counted(count)));
  }

  #toggled(name) {
    return this.pressed.includes(name) ? this.pressed.filter((each) => each !== name) : [...this.pressed, name];
  }
}
