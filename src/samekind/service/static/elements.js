// Makes elements and icons: attributes, listeners and children in one call.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `on` holds listeners, true and false set and omit an attribute, texts become text nodes. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") Object.entries(value).forEach(([event, listener]) => made.addEventListener(event, listener));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** An icon of the sprite in index.html; it says nothing, the button around it does. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows an icon and is called `label`. */
export function iconButton(name, label, listener, attributes = {}) {
  const given = { type: "button", class: "icon-button", "aria-label": label, title: label, ...attributes };
  return element("button", { ...given, on: { click: listener } }, icon(name));
}

/** An <img> of the gallery, 160 pixels wide and high until its box says otherwise; the button around it names it. */
export const thumbnail = () =>
  element("img", { alt: "", width: 160, height: 160, loading: "lazy", decoding: "async", draggable: "false" });

/** The element of index.html with this id. */
export const byId = (id) => document.getElementById(id);

/** A whole number as people read it. */
export const counted = (number) => number.toLocaleString("en");
