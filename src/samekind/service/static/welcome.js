// What is seen before anything is asked: what to do, words to try, and some of the gallery's pictures.

import { search, thumbnailUrl } from "./api.js";
import { named } from "./card.js";
import { byId, element, thumbnail } from "./elements.js";
import { show } from "./images.js";

const DOMAINS = 6; // the largest ones are shown
const PICTURES = 24;
const AMONG = 96; // hits of each domain that the pictures are picked from

export class Welcome {
  /** `typed(words)` and `liked(hit)` are called when something here is pressed. */
  constructor({ typed, liked }) {
    Object.assign(this, { typed, liked });
    this.root = byId("welcome");
  }

  /** Show it for a gallery ({name, version, domains}). */
  show(gallery) {
    this.root.hidden = false;
    const key = `${gallery.name} ${gallery.version}`;
    if (key === this.key) return;
    this.key = key;
    const words = gallery.domains.map(({ name }) => name).filter((name) => name !== null).slice(0, DOMAINS);
    const button = (name) =>
      element("button", { type: "button", class: "chip", on: { click: () => this.typed(name) } }, name);
    byId("try").hidden = !words.length;
    byId("try-words").replaceChildren(...words.map(button));
    byId("wall-box").hidden = true;
    this.#fill(gallery, key);
  }

  hide() {
    this.root.hidden = true;
  }

  /** Some pictures of each domain; the page does without them where that fails. */
  async #fill({ name, rows, domains }, key) {
    if (!rows) return;
    const largest = domains.filter((domain) => domain.name !== null).sort((a, b) => b.rows - a.rows).slice(0, DOMAINS);
    const asked = largest.length ? largest.map((domain) => [domain.name]) : [[]];
    const answers = await Promise.allSettled(asked.map((chosen) =>
      search(name, { terms: [{ text: chosen[0] ?? "a picture" }], k: AMONG, offset: 0, domains: chosen })));
    if (key !== this.key) return;
    const each = Math.ceil(PICTURES / asked.length);
    const picked = answers.filter(({ value }) => value).map(({ value }) => spread(value.hits, each));
    const hits = Array.from({ length: each }, (_, at) => picked.map((row) => row[at])).flat().filter(Boolean);
    byId("wall").replaceChildren(...hits.slice(0, PICTURES).map((hit) => this.#tile(name, hit)));
    byId("wall-box").hidden = hits.length === 0;
  }

  #tile(gallery, hit) {
    const label = `More like ${named(hit)}`;
    const image = thumbnail();
    show(image, thumbnailUrl(gallery, hit.id, 320));
    const pressed = { click: () => this.liked(hit) };
    const button = element("button", { type: "button", class: "open", "aria-label": label, title: label, on: pressed });
    button.append(image);
    return element("li", {}, button);
  }
}

/** `count` of the hits, evenly spread: neighbours in a list of hits look alike. */
const spread = (hits, count) => Array.from({ length: count }, (_, at) => hits[Math.floor((at * hits.length) / count)]);
