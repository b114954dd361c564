// The hits of one gallery: a heading, what went wrong, and a grid whose cards stay while their order changes.

import { Answers } from "./answers.js";
import { Card } from "./card.js";
import { counted, element } from "./elements.js";
import { Trouble } from "./trouble.js";

const SKELETONS = 12;
const MOVES = { duration: 260, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };
const APPEARS = { duration: 200, easing: "ease-out" };
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Column {
  /** `changed()` is called after each answer or failure; `opened(hit, column)`, `liked(hit, kind)` by cards. */
  constructor({ changed, opened, liked }) {
    this.changed = changed;
    this.actions = { opened: (hit) => opened(hit, this), liked };
    this.heading = element("h2", { tabindex: -1 });
    this.count = element("p", { class: "count" });
    this.trouble = new Trouble(() => this.answers.retry());
    this.grid = element("ol", { class: "grid", on: { keydown: (event) => this.#walk(event) } });
    const head = element("div", { class: "column-head" }, this.heading, this.count);
    this.root = element("section", { class: "column" }, head, this.trouble.root, this.grid);
    this.answers = new Answers({
      asked: () => this.#asked(),
      answered: (answer) => this.#answered(answer),
      failed: (problem, seconds) => this.#failed(problem, seconds),
    });
    this.forget();
  }

  /** Show nothing, and ask nothing. */
  forget() {
    this.answers.forget();
    this.cards = new Map();
    this.answer = this.problem = null;
    this.grid.replaceChildren();
    this.trouble.clear();
    this.count.textContent = "";
    this.root.dataset.state = "empty";
  }

  /** Ask as `Answers.ask` does, under the query's `title` if it has one; another gallery begins with an empty grid. */
  ask(query, delay, options) {
    if (query.gallery !== this.gallery) this.forget();
    this.gallery = query.gallery;
    this.heading.textContent = query.title ?? "Of the same kind";
    this.by = query.retriever ? `, by ${query.retriever}` : "";
    this.answers.ask(query, delay, options);
  }

  /** The hits that are shown. */
  get hits() {
    return this.answer?.hits ?? [];
  }

  /** Whether there are hits that are not shown yet, and what is shown is the answer to what was asked last. */
  get unfinished() {
    return this.answer !== null && this.problem === null && this.hits.length < this.answer.total;
  }

  #asked() {
    this.root.dataset.state = this.answer ? "stale" : "loading";
    if (this.answer) return;
    this.trouble.clear();
    this.grid.replaceChildren(...Array.from({ length: SKELETONS }, () => element("li", { class: "card skeleton" })));
  }

  #answered(answer) {
    this.answer = answer;
    this.problem = null;
    this.trouble.clear();
    this.#arrange(answer.hits);
    this.count.textContent = `${counted(answer.hits.length)} of ${counted(answer.total)} pictures${this.by}`;
    if (!answer.hits.length) this.trouble.tell("No pictures to show", "Nothing is left to rank. Choose other domains.");
    this.root.dataset.state = answer.hits.length ? "ready" : "none";
    this.changed(this);
  }

  #failed(problem, seconds) {
    this.problem = problem;
    this.trouble.show(problem, seconds);
    if (seconds === null) {
      this.answer = null; // what is shown would be no answer to what is asked
      this.cards.clear();
      this.count.textContent = "";
    }
    if (!this.answer) this.grid.replaceChildren();
    this.root.dataset.state = "failed";
    this.changed(this);
  }

  /** Put the cards in the order of the hits: those that stay glide to their places. */
  #arrange(hits) {
    const focused = this.grid.contains(document.activeElement) ? document.activeElement : null;
    const before = new Map([...this.cards].map(([id, { root }]) => [id, root.getBoundingClientRect()]));
    const cards = new Map();
    for (const hit of hits) {
      const card = this.cards.get(hit.id) ?? new Card(this.gallery, hit, this.actions);
      card.fill(hit);
      cards.set(hit.id, card);
    }
    let place = this.grid.firstElementChild;
    for (const { root } of cards.values()) {
      if (root === place) place = place.nextElementSibling;
      else this.grid.insertBefore(root, place);
    }
    while (place) {
      const gone = place;
      place = place.nextElementSibling;
      gone.remove();
    }
    this.cards = cards;
    if (focused && focused !== document.activeElement) {
      (focused.isConnected ? focused : this.heading).focus({ preventScroll: true });
    }
    if (!still.matches) this.#glide(before);
  }

  #glide(before) {
    const height = innerHeight;
    for (const [id, { root }] of this.cards) {
      const [from, to] = [before.get(id), root.getBoundingClientRect()];
      if (to.top > height) continue; // nobody sees it
      const [x, y] = from ? [from.left - to.left, from.top - to.top] : [0, 0];
      if (x || y) root.animate([{ transform: `translate(${x}px, ${y}px)` }, {}], MOVES);
      else if (!from) root.animate([{ opacity: 0, transform: "scale(0.94)" }, {}], APPEARS);
    }
  }

  /** Arrow keys walk over the grid from picture to picture. */
  #walk(event) {
    const buttons = [...this.grid.querySelectorAll(".open")];
    const at = buttons.indexOf(document.activeElement);
    const across = new Set([...this.grid.children].map((child) => child.offsetLeft)).size;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (at < 0 || !step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    buttons[at + step]?.focus();
  }
}
