// One hit in the grid: its picture, score, domain and uri, and what can be done with it.

import { thumbnailUrl } from "./api.js";
import { element, iconButton, thumbnail } from "./elements.js";
import { show } from "./images.js";
import { KINDS } from "./state.js";

const SIZE = 320; // pixels of the thumbnail, sharp on screens with two pixels per dot

/** The end of a uri: enough to tell which picture it is. */
export const short = (uri) => uri.split("/").slice(-2).join("/");

/** What a hit or an item is called: the end of its uri, and its domain, for names alone are alike in all domains. */
export const named = ({ uri, domain }) => [short(uri), domain].filter(Boolean).join(", ");

/** A list item for a hit of a gallery; `opened(hit)` and `liked(hit, kind)` are called when its buttons are pressed. */
export class Card {
  constructor(gallery, hit, { opened, liked }) {
    const image = thumbnail();
    const open = () => opened(this.hit);
    this.button = element("button", { type: "button", class: "open", on: { click: open } }, image);
    this.more = this.#judge("plus", "more", liked);
    this.less = this.#judge("minus", "less", liked);
    this.score = element("data", { class: "score" });
    this.domain = element("span", { class: "domain" });
    this.uri = element("span", { class: "uri" });
    this.twin = element("span", { class: "twin" });
    const facts = element("p", { class: "facts" }, this.score, " ", this.domain, this.uri, this.twin);
    const buttons = element("div", { class: "judge" }, this.more, this.less);
    this.root = element("li", { class: "card", "data-id": hit.id }, this.button, buttons, facts);
    show(image, thumbnailUrl(gallery, hit.id, SIZE));
    this.fill(hit);
  }

  /** The same picture at another rank. */
  fill(hit) {
    this.hit = hit;
    this.score.value = String(hit.score);
    this.score.textContent = hit.score.toFixed(2);
    this.score.title = `similarity ${hit.score.toFixed(4)}`;
    this.domain.textContent = hit.domain ?? "";
    this.uri.textContent = short(hit.uri);
    this.uri.title = hit.uri;
    const name = named(hit);
    this.button.setAttribute("aria-label", `${hit.rank}. ${name}, similarity ${hit.score.toFixed(2)}`);
    this.more.setAttribute("aria-label", `More like ${name}`);
    this.less.setAttribute("aria-label", `Less like ${name}`);
  }

  /** Press the buttons of what the query already holds: "more", "less" or nothing. */
  judge(kind) {
    this.more.setAttribute("aria-pressed", String(kind === "more"));
    this.less.setAttribute("aria-pressed", String(kind === "less"));
  }

  /** Say where the other gallery has the same picture; null where it has not. */
  pair(rank) {
    this.twin.textContent = rank === null ? "" : `also no. ${rank}`;
    this.twin.title = rank === null ? "" : `number ${rank} in the other list`;
  }

  #judge(name, kind, liked) {
    const attributes = { "aria-pressed": "false", class: `icon-button ${kind}` };
    return iconButton(name, `${KINDS[kind].name} this`, () => liked(this.hit, kind), attributes);
  }
}
