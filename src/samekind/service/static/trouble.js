// Tells what went wrong, offers to try again, and counts the seconds where that happens by itself.

import { element, icon } from "./elements.js";

export class Trouble {
  /** `retry()` is called by the button. */
  constructor(retry) {
    this.retry = retry;
    this.root = element("div", { class: "trouble", role: "alert" });
  }

  clear() {
    clearInterval(this.ticking);
    this.root.replaceChildren();
  }

  /** Show a problem ({title, detail}) that is tried again in so many seconds, or not by itself (null). */
  show({ title, detail }, seconds = null) {
    this.clear();
    const told = element("div", {}, element("h3", {}, title), detail ? element("p", {}, detail) : null);
    if (seconds !== null) told.append(this.#countDown(seconds));
    const again = element("button", { type: "button", class: "button", on: { click: () => this.retry() } });
    again.append(icon("again"), "Try again");
    this.root.append(told, again);
  }

  /** Something that no new try would change. */
  tell(title, detail) {
    this.clear();
    this.root.append(element("div", {}, element("h3", {}, title), element("p", {}, detail)));
  }

  /** The time until the next try: it is seen to run, and spoken once. */
  #countDown(seconds) {
    const until = Date.now() + seconds * 1000;
    const left = element("span", { "aria-hidden": "true" });
    const tick = () => {
      left.textContent = `Trying again in ${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s.`;
    };
    tick();
    this.ticking = setInterval(tick, 500);
    const spoken = element("span", { class: "unseen" }, "It will be tried again by itself.");
    return element("p", { class: "soon" }, left, spoken);
  }
}
