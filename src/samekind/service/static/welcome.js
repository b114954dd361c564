// What is seen before anything is asked: what to do, words to try, and some of the gallery's pictures.

import { search, thumbnailUrl } from "./api.js";
import { named } from "./card.js";
import { byId, element, thumbnail } from "./elements.js";
import { show } from "./images.js";

const DOMAINS = 6; // the largest ones are shown
const PICTURES = 24;
const AMONG = 200; // hits of each domain that the pictures are picked from

export class Welcome {
  /** `typed(words)` and `liked(hit)` are called when something here is pressed. */
  constructor({ typed, liked }) {
    Object.assign(this, { typed, liked });
    this.root = byId("welcome");
  }

  /** Show it for a gallery ({name, version, domains}), with pictures of the chosen domains alone, if any are chosen. */
  show(gallery, chosen) {
    this.root.hidden = false;
    const key = JSON.stringify([gallery.name, gallery.version, chosen]);
    if (key === this.key) return;
    this.key = key;
    const domains = gallery.domains.filter(({ name }) => name !== null);
    const words = domains.slice(0, DOMAINS).map(({ name }) => inWords(name));
    const button = (name) =>
      element("button", { type: "button", class: "chip", on: { click: () => this.typed(name) } }, name);
    byId("try").hidden = !words.length;
    byId("try-words").replaceChildren(...words.map(button));
    this.#fill(gallery.name, domains.filter(({ name }) => chosen.length === 0 || chosen.includes(name)), key);
  }

  hide() {
    this.root.hidden = true;
  }

  /** Some pictures of each domain; the page does without them where that fails. */
  async #fill(gallery, domains, key) {
    const largest = domains.sort((a, b) => b.rows - a.rows).slice(0, DOMAINS);
    const asked = largest.length ? largest.map((domain) => [domain.name]) : [[]];
    const answers = await Promise.allSettled(asked.map((chosen) =>
      search(gallery, { terms: [{ text: inWords(chosen[0] ?? "a picture") }], k: AMONG, offset: 0, domains: chosen })));
    if (key !== this.key) return;
    const each = Math.ceil(PICTURES / asked.length);
    const picked = answers.filter(({ value }) => value).map(({ value }) => spread(value.hits, each));
    const hits = Array.from({ length: each }, (_, at) => picked.map((row) => row[at])).flat().filter(Boolean);
    byId("wall").replaceChildren(...hits.slice(0, PICTURES).map((hit) => this.#tile(gallery, hit)));
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

/** A folder's name as words. */
const inWords = (name) => name.replaceAll("_", " ");

/** At most `count` of the hits, evenly spread: neighbours in a list of hits look alike. */
function spread(hits, count) {
  const length = Math.min(count, hits.length);
  return Array.from({ length }, (_, at) => hits[Math.floor((at * hits.length) / length)]);
}
