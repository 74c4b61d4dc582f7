const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 120;
const HEIGHT = 28;
/** Room for half of the line's width, above and below. */
const MARGIN = 2;

/**
 * A line through values, the newest at the right edge. Where one is missing the line is broken; one that stands alone
 * is a dot.
 * @param {(number | null)[]} values oldest first
 * @param {number} places for how many values there is room
 * @param {number} [least] what reaches the top at least, so that a calm line is not blown up
 * @returns {string} an SVG path
 */
export function path(values, places, least = 0) {
  const top = Math.max(least, ...values.filter((value) => value !== null)) || 1;
  const x = (at) => round(WIDTH * (places - values.length + at) / Math.max(1, places - 1));
  const y = (value) => round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / top);
  let drawn = '';
  for (const [at, value] of values.entries()) {
    if (value === null) continue;
    const begins = at === 0 || values[at - 1] === null;
    const alone = begins && (values[at + 1] ?? null) === null;
    drawn += `${begins ? 'M' : 'L'}${x(at)} ${y(value)}${alone ? 'h0' : ''}`;
  }
  return drawn;
}

const round = (value) => Math.round(value * 10) / 10;

/** A small chart. What it shows is said in words beside it. */
export class Spark {
  #line = document.createElementNS(SVG, 'path');
  #least;

  /** @param {number} [least] see {@link path} */
  constructor(least = 0) {
    this.#least = least;
    this.node = document.createElementNS(SVG, 'svg');
    this.node.setAttribute('class', 'spark');
    this.node.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute('preserveAspectRatio', 'none');
    this.node.setAttribute('aria-hidden', 'true');
    this.node.append(this.#line);
  }

  /** @param {(number | null)[]} values oldest first @param {number} [places] */
  show(values, places = 60) {
    this.#line.setAttribute('d', path(values, places, this.#least));
  }
}
