// The drawing paper: mouse, touch, pen and keyboard draw strokes on it, which can be undone, rubbed out and read.

import { GRID, paint, quantised, simplified, touches } from "./strokes.js";

const ERASER = 14; // units around the pointer
const STEP = 24; // units that an arrow key moves the cursor
const FINE = 4;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Paper {
  /**
   * Listeners: `drawn(strokes)` after each stroke, undo, redo and clear; `drawing(strokes)` while a stroke grows;
   * `said(text)` for what cannot be seen.
   */
  constructor(canvas, { drawn, drawing, said }) {
    Object.assign(this, { canvas, drawn, drawing, said });
    this.width = 20; // of the pen, in units; 0 is the eraser
    this.strokes = [];
    this.past = [];
    this.future = [];
    this.live = null; // the raw points of the stroke that grows
    this.pointer = null; // the one that draws; others are ignored meanwhile
    this.cursor = { at: [GRID / 2, GRID / 2], seen: false };
    this.#listen();
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  /** Put strokes from elsewhere on the paper; each of them can be undone, and so can that there are none. */
  show(strokes) {
    if (strokes === this.strokes) return;
    if (strokes.length) this.past = strokes.map((_, count) => strokes.slice(0, count));
    else if (this.strokes.length) this.past.push(this.strokes);
    this.strokes = strokes;
    this.future = [];
    this.live = null;
    this.#soon();
  }

  undo() {
    this.#travel(this.past, this.future, "Undone");
  }

  redo() {
    this.#travel(this.future, this.past, "Redone");
  }

  clear() {
    if (this.strokes.length) this.#become([], "The paper is empty");
  }

  /** Draw a line by itself, point after point, at once where nothing shall move. */
  async play(points) {
    if (this.pointer !== null) return;
    this.pointer = "itself";
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const point of points) {
      this.#grow([quantised(point)]);
      if (!still) await new Promise(requestAnimationFrame);
    }
    this.pointer = null;
    this.#finish();
  }

  #become(strokes, said) {
    this.past.push(this.strokes);
    this.future = [];
    this.#set(strokes, said);
  }

  #travel(from, to, said) {
    if (!from.length || this.live) return;
    to.push(this.strokes);
    this.#set(from.pop(), said);
  }

  #set(strokes, said) {
    this.strokes = strokes;
    this.#soon();
    if (said) this.said(said);
    this.drawn(strokes);
  }

  #listen() {
    const listen = (event, listener) => this.canvas.addEventListener(event, listener);
    listen("pointerdown", (event) => this.#down(event));
    listen("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) listen(end, (event) => this.#up(event));
    listen("keydown", (event) => this.#key(event));
    listen("focus", () => this.#point(this.canvas.matches(":focus-visible")));
    listen("blur", () => {
      this.#point(false);
      if (this.pointer === null) this.#finish();
    });
  }

  #down(event) {
    if (this.pointer !== null || event.button > 0) return;
    this.#finish();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.#point(false);
    if (this.width) this.#grow([this.#place(event)]);
    else this.#erase(this.#place(event));
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    const points = (events.length ? events : [event]).map((each) => this.#place(each));
    if (this.width) this.#grow(points);
    else points.forEach((point) => this.#erase(point));
  }

  #up(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.#finish();
  }

  #grow(points) {
    this.live ??= [];
    this.live.push(...points);
    this.#soon();
    this.drawing([...this.strokes, { width: this.width, points: this.live }]);
  }

  #finish() {
    if (!this.live) return;
    const stroke = { width: this.width, points: simplified(this.live) };
    this.live = null;
    this.#become([...this.strokes, stroke]);
  }

  #erase(point) {
    const left = this.strokes.filter((stroke) => !touches(stroke, point, ERASER));
    if (left.length < this.strokes.length) this.#become(left);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === " ") this.#toggle();
    else if (event.key in KEYS) this.#walk(KEYS[event.key], event.shiftKey ? FINE : STEP);
    else return;
    event.preventDefault(); // the page does not scroll
  }

  /** The pen goes down, or up again; the eraser rubs out what lies under it. */
  #toggle() {
    this.#point(true);
    if (!this.width) {
      this.#erase(this.cursor.at);
    } else if (this.live) {
      this.#finish();
      this.said("Pen up");
    } else {
      this.#grow([this.cursor.at]);
      this.said("Pen down");
    }
  }

  #walk([x, y], step) {
    this.cursor.at = quantised([this.cursor.at[0] + x * step, this.cursor.at[1] + y * step]);
    this.#point(true);
    if (this.live) this.#grow([this.cursor.at]);
  }

  #point(seen) {
    this.cursor.seen = seen;
    this.#soon();
  }

  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return quantised([((clientX - box.left) / box.width) * GRID, ((clientY - box.top) / box.height) * GRID]);
  }

  /** As many pixels as the screen has. */
  #fit() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side || side === this.canvas.width) return;
    this.canvas.width = this.canvas.height = side;
    this.#draw();
  }

  #soon() {
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.frame = null;
    const context = this.canvas.getContext("2d");
    const scale = this.canvas.width / GRID;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, GRID, GRID);
    context.strokeStyle = "black";
    const growing = this.live ? [{ width: this.width, points: this.live }] : [];
    paint(context, [...this.strokes, ...growing]);
    if (this.cursor.seen) this.#drawCursor(context);
  }

  /** A cross; a ring around it where the pen is down. */
  #drawCursor(context) {
    const [x, y] = this.cursor.at;
    context.strokeStyle = getComputedStyle(this.canvas).getPropertyValue("--cursor");
    context.lineWidth = 5;
    context.beginPath();
    for (const [dx, dy] of Object.values(KEYS)) {
      context.moveTo(x + dx * 10, y + dy * 10);
      context.lineTo(x + dx * 32, y + dy * 32);
    }
    if (this.live) {
      context.moveTo(x + 20, y);
      context.arc(x, y, 20, 0, 2 * Math.PI);
    }
    context.stroke();
  }
}
