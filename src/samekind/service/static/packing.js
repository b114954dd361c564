// Strokes and pictures as short texts for the address: varints of differences, in base64url.

import { GRID } from "./strokes.js";

const FORMAT = 1; // the first byte of packed strokes
const MOST_POINTS = 50_000;
const WIDEST = 256;
const MOST_BYTES = 96 * 1024; // of a picture

/** Strokes as text: a point costs about three letters. */
export function packStrokes(strokes) {
  const bytes = [FORMAT];
  number(bytes, strokes.length);
  for (const { width, points } of strokes) {
    number(bytes, width);
    number(bytes, points.length);
    let [x, y] = [0, 0];
    for (const point of points) {
      number(bytes, zigzag(point[0] - x));
      number(bytes, zigzag(point[1] - y));
      [x, y] = point;
    }
  }
  return toText(bytes);
}

/** The inverse of `packStrokes`. Throws RangeError for a text that it did not write. */
export function unpackStrokes(text) {
  const read = reader(toBytes(text));
  if (read() !== FORMAT) throw new RangeError("strokes of another format");
  const strokes = [];
  let points = 0;
  for (let left = read(); left > 0; left -= 1) {
    const stroke = { width: within(read(), 1, WIDEST), points: [] };
    const length = read();
    points += within(length, 1, MOST_POINTS);
    if (points > MOST_POINTS) throw new RangeError("too many points");
    let [x, y] = [0, 0];
    for (let at = 0; at < length; at += 1) {
      x = within(x + unzigzag(read()), 0, GRID - 1);
      y = within(y + unzigzag(read()), 0, GRID - 1);
      stroke.points.push([x, y]);
    }
    strokes.push(stroke);
  }
  if (!read.done()) throw new RangeError("more than strokes");
  return strokes;
}

/** A picture's data address as text, without its type. */
export const packPicture = (address) =>
  address.slice(address.indexOf(",") + 1).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The inverse of `packPicture`; the type is read from the bytes. Throws RangeError for what is no small picture. */
export function unpackPicture(text) {
  const bytes = toBytes(text);
  const type = bytes.length <= MOST_BYTES && typeOf(bytes);
  if (!type) throw new RangeError("no picture");
  return `data:${type};base64,${btoa(binary(bytes))}`;
}

function typeOf(bytes) {
  const begins = (at, mark) => [...mark].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));
  if (begins(0, "RIFF") && begins(8, "WEBP")) return "image/webp";
  if (begins(0, "\xff\xd8\xff")) return "image/jpeg";
  return begins(0, "\x89PNG") ? "image/png" : "";
}

function number(bytes, value) {
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  bytes.push(value);
}

/** A function that reads one number after the other; throws RangeError behind the end. */
function reader(bytes) {
  let at = 0;
  const read = () => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= bytes.length) throw new RangeError("cut off");
      const byte = bytes[at];
      at += 1;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new RangeError("a number that is too large");
  };
  read.done = () => at === bytes.length;
  return read;
}

const zigzag = (value) => (value << 1) ^ (value >> 31);
const unzigzag = (value) => (value >>> 1) ^ -(value & 1);

function within(value, least, most) {
  if (value < least || value > most) throw new RangeError(`${value} is not between ${least} and ${most}`);
  return value;
}

function binary(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

const toText = (bytes) => packPicture(`,${btoa(binary(bytes))}`);

function toBytes(text) {
  if (!/^[\w-]*$/.test(text)) throw new RangeError("no base64url");
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  } catch {
    throw new RangeError("no base64url");
  }
}
