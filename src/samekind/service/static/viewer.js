// The dialog: query and hit side by side, the hit's facts, and the way to the next and the one before.

import { blob, hasToken, item, pictureUrl, thumbnailUrl } from "./api.js";
import { named, short } from "./card.js";
import { byId, counted, element } from "./elements.js";
import { showNow } from "./images.js";
import { notice } from "./notice.js";
import { called, sample } from "./parts.js";

const KEPT = 60_000; // milliseconds that a copy of a whole picture stays in memory for its tab

export class Viewer {
  /** `query()` gives {parts, gallery} as they are asked; `liked(hit, kind)` is called by the buttons. */
  constructor({ query, liked }) {
    this.query = query;
    this.dialog = byId("viewer");
    this.picture = byId("viewer-picture");
    this.facts = byId("viewer-facts");
    const click = (id, listener) => byId(id).addEventListener("click", listener);
    click("viewer-close", () => this.dialog.close());
    click("viewer-back", () => this.#step(-1));
    click("viewer-on", () => this.#step(1));
    for (const kind of ["more", "less"]) {
      click(`viewer-${kind}`, () => {
        this.dialog.close();
        liked(this.hit, kind);
      });
    }
    this.dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && !event.altKey && !event.ctrlKey && !event.metaKey) this.#step(step);
    });
    click("viewer-whole", (event) => {
      if (!hasToken()) return; // the link leads there
      event.preventDefault();
      openCopy(byId("viewer-whole").href);
    });
    this.picture.addEventListener("missing", () => this.#why());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // beside it
    });
    this.dialog.addEventListener("close", () => this.#closed());
  }

  /** Open the dialog on a hit of a column. */
  open(hit, column) {
    this.column = column;
    this.#showQuery();
    this.#show(hit);
    this.dialog.showModal();
    this.dialog.scrollTop = 0;
  }

  #step(by) {
    const hits = this.column.hits;
    const next = hits[hits.findIndex(({ id }) => id === this.hit.id) + by];
    if (next) this.#show(next);
  }

  #showQuery() {
    const { parts, gallery } = this.query();
    byId("viewer-query").replaceChildren(...parts.filter(({ on }) => on).map((part) => {
      const name = called(part);
      const address = sample(part);
      if (part.kind === "words" || part.kind === "without") return element("li", { class: "quoted" }, name);
      const image = element("img", { alt: "" });
      if (address) image.src = address;
      else showNow(image, thumbnailUrl(gallery, part.value, 320));
      return element("li", {}, image, element("span", {}, name));
    }));
  }

  #show(hit) {
    this.hit = hit;
    const { gallery, hits } = this.column;
    const place = hits.findIndex(({ id }) => id === hit.id);
    byId("viewer-title").textContent = short(hit.uri);
    byId("viewer-place").textContent = `${counted(hit.rank)} of ${counted(this.column.answer.total)}`;
    byId("viewer-back").setAttribute("aria-disabled", String(place <= 0));
    byId("viewer-on").setAttribute("aria-disabled", String(place >= hits.length - 1));
    this.picture.alt = named(hit);
    showNow(this.picture, thumbnailUrl(gallery, hit.id, 640));
    byId("viewer-whole").href = pictureUrl(gallery, hit.id);
    this.#tell([["similarity", hit.score.toFixed(4)], ["domain", hit.domain], ["uri", hit.uri]]);
    this.abort?.abort();
    this.abort = new AbortController();
    item(gallery, hit.id, this.abort.signal).then((facts) => this.#tellAll(hit, facts), (error) => {
      if (error.name !== "AbortError") this.#tell([["facts", error.detail || error.message]], { more: true });
    });
  }

  #tellAll(hit, { width, height, bytes, places }) {
    const others = places.filter(({ uri }) => uri !== hit.uri);
    this.#tell([
      ["size", `${counted(width)} × ${counted(height)} pixels, ${inBytes(bytes)}`],
      ["also at", others.map(({ uri, domain }) => (domain ? `${uri} (${domain})` : uri)).join("\n")],
      ["id", hit.id],
    ], { more: true });
  }

  #tell(facts, { more = false } = {}) {
    const rows = facts.filter(([, value]) => value);
    const made = rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
    if (more) this.facts.append(...made);
    else this.facts.replaceChildren(...made);
  }

  /** Say why there is no picture: an <img> does not know. */
  async #why() {
    const { id } = this.hit;
    await blob(this.picture.dataset.url).catch((problem) => {
      if (id === this.hit.id) this.#tell([["picture", problem.detail || problem.title]], { more: true });
    });
  }

  /** The focus goes back to the card of the hit that was seen last. */
  #closed() {
    this.abort?.abort();
    const card = this.column.cards.get(this.hit.id);
    (card?.button ?? this.column.heading).focus();
  }
}

/** A link cannot carry a token: the picture is fetched, and a copy shown in a tab, opened while the click counts. */
async function openCopy(url) {
  const tab = open("", "_blank");
  try {
    const address = URL.createObjectURL(await blob(url));
    tab.location = address;
    setTimeout(() => URL.revokeObjectURL(address), KEPT);
  } catch (problem) {
    tab?.close();
    notice(problem.title ?? problem.message);
  }
}

const inBytes = (bytes) => (bytes < 1e6 ? `${counted(Math.ceil(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
