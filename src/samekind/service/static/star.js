// The star that the empty paper draws when it is asked to: five points, by a hand that is not quite steady.

import { GRID } from "./strokes.js";

const TIPS = 5;
const OUTER = 0.38; // of the paper
const INNER = 0.16;
const STEPS = 7; // points on each edge
const UNSTEADY = 7; // units

/** The star as raw points of one stroke. */
export function star() {
  const corners = Array.from({ length: 2 * TIPS + 1 }, (_, at) => {
    const angle = (at * Math.PI) / TIPS;
    const radius = GRID * (at % 2 ? INNER : OUTER);
    return [GRID / 2 + radius * Math.sin(angle), GRID * 0.52 - radius * Math.cos(angle)];
  });
  const points = [corners[0]];
  for (let at = 1; at < corners.length; at += 1) {
    const [[x, y], [toX, toY]] = [corners[at - 1], corners[at]];
    for (let step = 1; step <= STEPS; step += 1) {
      const share = step / STEPS;
      const bow = UNSTEADY * Math.sin(Math.PI * share) * Math.sin(at * 2.4);
      points.push([x + (toX - x) * share + bow, y + (toY - y) * share + bow * Math.cos(at)]);
    }
  }
  return points;
}
