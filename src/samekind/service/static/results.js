// What was found: one column of hits, or two to compare, the button for more, and what is said of it all.

import { Column } from "./column.js";
import { byId, counted } from "./elements.js";
import { say } from "./notice.js";
import { named } from "./card.js";

const PAGE = 24; // hits: whole rows with 2, 3, 4, 6 or 8 in each
const MOST_PAGES = 400; // the service looks no further than 10,000 hits
const CALM = 900; // milliseconds without news before the number of hits is spoken

export class Results {
  /**
   * `turned(pages)` asks for more pages; `refused()` is called when a token is missing; `answered(answer)` for each
   * answer; `opened(hit, column)` and `liked(hit, kind)` come from the cards.
   */
  constructor({ turned, refused, answered, opened, liked }) {
    Object.assign(this, { refused, answered });
    const listeners = { changed: (column) => this.#changed(column), opened, liked };
    this.columns = [new Column(listeners), new Column(listeners)];
    this.root = byId("found");
    this.button = byId("next-page");
    this.items = [];
    this.root.append(...this.columns.map((column) => column.root));
    this.button.addEventListener("click", () => {
      if (this.button.getAttribute("aria-disabled") === "true") return;
      this.pages += 1;
      const unfinished = this.columns.filter((column) => column.unfinished);
      unfinished.forEach((column) => column.answers.more(this.pages * PAGE));
      this.#button();
      this.#busy();
      turned(this.pages);
    });
    for (const event of ["pointerover", "pointerout", "focusin", "focusout"]) {
      const lit = event === "pointerover" || event === "focusin";
      this.root.addEventListener(event, ({ target }) => this.#twins(target, lit));
    }
  }

  /**
   * Ask one gallery or two, [{gallery, domains, title?, retriever?}]; none shows nothing. `terms()` gives the query's
   * terms, `items` are the parts that are items of the gallery.
   */
  ask(galleries, { terms, items, pages }, delay, options) {
    this.items = items;
    this.pages = pages;
    this.root.classList.toggle("two", galleries.length > 1);
    this.columns.forEach((column, at) => {
      const given = galleries[at];
      column.root.hidden = !given;
      if (given) column.ask({ ...given, terms, wanted: pages * PAGE }, delay, options);
      else column.forget();
    });
    this.#mark();
    this.#button();
    this.#busy();
  }

  #changed(column) {
    if (column.problem?.status === 401) this.refused();
    if (column.answer && !column.problem) this.answered(column.answer);
    this.#mark();
    this.#button();
    this.#busy();
    clearTimeout(this.calm);
    this.calm = setTimeout(() => this.#speak(), CALM);
  }

  #busy() {
    this.root.setAttribute("aria-busy", String(this.columns.some((column) => column.answers.asking)));
  }

  #speak() {
    const spoken = this.columns.filter((column) => column.answer).map(({ answer, hits, gallery }) => {
      const best = hits.length ? `; first: ${named(hits[0])}` : "";
      const where = this.root.classList.contains("two") ? `${gallery}: ` : "";
      return `${where}${counted(hits.length)} of ${counted(answer.total)} pictures${best}`;
    });
    if (spoken.length) say(spoken.join(". "));
  }

  #mark() {
    const kinds = new Map(this.items.map(({ value, kind }) => [value, kind]));
    this.columns.forEach((column, at) => {
      const other = this.columns[1 - at].cards;
      for (const [id, card] of column.cards) {
        card.judge(kinds.get(id));
        card.pair(other.get(id)?.hit.rank ?? null);
      }
    });
  }

  #button() {
    const [open] = this.columns.filter((column) => column.unfinished);
    this.button.hidden = !open || this.pages >= MOST_PAGES;
    this.button.setAttribute("aria-disabled", String(this.columns.some((column) => column.answers.asking)));
    if (open) byId("next-page-left").textContent = `${counted(open.answer.total - open.hits.length)} left`;
  }

  /** Light up the same picture in both lists. */
  #twins(target, lit) {
    const id = target.closest?.(".card")?.dataset.id;
    if (!id || !this.root.classList.contains("two")) return;
    const pair = this.columns.map((column) => column.cards.get(id)).filter(Boolean);
    if (pair.length === 2) pair.forEach(({ root }) => root.classList.toggle("lit", lit));
  }
}
