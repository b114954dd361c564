// Puts pictures of the gallery into <img>: straight from their addresses, or fetched where a token must go along.

import { blob, hasToken } from "./api.js";

const NEAR = "400px"; // fetched this early before they are scrolled into view

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    fetched(target, target.dataset.url);
  }
}, { rootMargin: NEAR });

/** Show the picture once it is near what is seen. One that cannot be had gets the class "missing", and fires it. */
export function show(image, url) {
  if (image.dataset.url === url) return;
  image.dataset.url = url;
  image.classList.remove("missing");
  image.onerror = () => missing(image);
  if (hasToken()) seen.observe(image);
  else image.src = url;
}

/** Show the picture now. */
export function showNow(image, url) {
  show(image, url);
  if (!hasToken()) return;
  seen.unobserve(image);
  fetched(image, url);
}

async function fetched(image, url) {
  let address = "";
  try {
    address = URL.createObjectURL(await blob(url));
    if (image.dataset.url !== url) return; // it shows something else by now
    image.src = address;
    await image.decode();
  } catch {
    if (image.dataset.url === url) missing(image);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function missing(image) {
  image.classList.add("missing");
  image.dispatchEvent(new Event("missing"));
}
