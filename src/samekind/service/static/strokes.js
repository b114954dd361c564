// Strokes of a pen as vectors: few points instead of many, smooth lines, and the picture that is sent.

/** The paper is GRID units wide and high; a stroke is {width, points: [[x, y], ...]} in whole units. */
export const GRID = 1024;

const TOLERANCE = 1; // units that a dropped point may lie beside the line
const LONGEST = 48; // units between points: keeps the curve through them near to what was drawn
const CORNER = Math.cos(Math.PI / 3); // sharper turns stay corners
const SENT = 256; // pixels of the picture that is sent
const MARGIN = 0.1; // of the drawing's longer side, left white around it
const SMALLEST = 0.35; // of the paper: a smaller drawing is not enlarged further

/** The point in whole units, on the paper. */
export const quantised = ([x, y]) => [x, y].map((value) => Math.min(GRID - 1, Math.max(0, Math.round(value))));

/** The same line with few points (Douglas and Peucker 1973), none of them further than LONGEST from the next. */
export function simplified(raw) {
  const points = raw.filter((point, at) => at === 0 || point[0] !== raw[at - 1][0] || point[1] !== raw[at - 1][1]);
  const kept = new Set([0, points.length - 1]);
  const spans = [[0, points.length - 1]];
  while (spans.length) {
    const [first, last] = spans.pop();
    let furthest = 0;
    let where = -1;
    for (let at = first + 1; at < last; at += 1) {
      const distance = distanceToSegment(points[at], points[first], points[last]);
      if (distance > furthest) [furthest, where] = [distance, at];
    }
    if (furthest > TOLERANCE) {
      kept.add(where);
      spans.push([first, where], [where, last]);
    }
  }
  const line = [];
  points.forEach((point, at) => {
    if (kept.has(at) || length(point, line[line.length - 1]) > LONGEST) line.push(point);
  });
  return line;
}

/** Draw strokes, in black unless the context says otherwise, in units of the grid. */
export function paint(context, strokes) {
  context.lineCap = context.lineJoin = "round";
  for (const { width, points } of strokes) {
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...points[0]);
    if (points.length === 1) context.lineTo(...points[0]); // a dot
    for (let at = 1; at < points.length; at += 1) curve(context, points, at);
    context.stroke();
  }
}

/** From a point to the next: a curve along both points' directions, so that only corners are sharp. */
function curve(context, points, at) {
  const [from, to] = [points[at - 1], points[at]];
  const reach = length(from, to) / 3;
  const [out, into] = [direction(points, at - 1), direction(points, at)];
  context.bezierCurveTo(
    from[0] + out[0] * reach, from[1] + out[1] * reach, to[0] - into[0] * reach, to[1] - into[1] * reach, ...to);
}

/** Where the line heads at a point, of length 1: the nearer neighbour counts more; nowhere at corners and ends. */
function direction(points, at) {
  if (at === 0 || at === points.length - 1) return [0, 0];
  const [before, here, after] = [points[at - 1], points[at], points[at + 1]];
  const [arriving, leaving] = [length(before, here), length(here, after)];
  const [a, b] = [[here[0] - before[0], here[1] - before[1]], [after[0] - here[0], after[1] - here[1]]];
  if (a[0] * b[0] + a[1] * b[1] <= CORNER * arriving * leaving) return [0, 0]; // a corner, or twice the same point
  const x = (a[0] / arriving) * leaving + (b[0] / leaving) * arriving;
  const y = (a[1] / arriving) * leaving + (b[1] / leaving) * arriving;
  const norm = Math.hypot(x, y);
  return [x / norm, y / norm];
}

/** The square of the paper that is sent, {x, y, side}: the drawing in its middle, with a margin. */
export function viewport(strokes) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { width, points } of strokes) {
    for (const [x, y] of points) {
      [left, right] = [Math.min(left, x - width / 2), Math.max(right, x + width / 2)];
      [top, bottom] = [Math.min(top, y - width / 2), Math.max(bottom, y + width / 2)];
    }
  }
  const side = Math.max(SMALLEST * GRID, (1 + 2 * MARGIN) * Math.max(right - left, bottom - top));
  return { x: (left + right - side) / 2, y: (top + bottom - side) / 2, side };
}

const drawn = new WeakMap(); // strokes are never changed in place, so one picture of them will do

/** The drawing as a data address of a PNG, black on white. */
export function png(strokes) {
  if (!drawn.has(strokes)) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SENT;
    const context = canvas.getContext("2d");
    const { x, y, side } = viewport(strokes);
    context.fillStyle = "white";
    context.fillRect(0, 0, SENT, SENT);
    context.scale(SENT / side, SENT / side);
    context.translate(-x, -y);
    paint(context, strokes);
    drawn.set(strokes, canvas.toDataURL("image/png"));
  }
  return drawn.get(strokes);
}

/** Whether the stroke passes within `reach` units of a point. */
export function touches({ width, points }, point, reach) {
  const near = reach + width / 2;
  if (points.length === 1) return length(points[0], point) <= near;
  return points.some((to, at) => at > 0 && distanceToSegment(point, points[at - 1], to) <= near);
}

const length = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

function distanceToSegment(point, from, to) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const whole = dx * dx + dy * dy;
  const along = whole && ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / whole;
  const share = Math.min(1, Math.max(0, along));
  return length(point, [from[0] + share * dx, from[1] + share * dy]);
}
