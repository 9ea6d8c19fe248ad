// Draws events over time as bars, stacked by operation.

import { count } from '../../shared/js/format.js';

const STACK = ['insert', 'update', 'delete', 'reset', 'other'];
const COLOURS = { insert: '--op-insert', update: '--op-update', delete: '--op-delete', reset: '--op-reset', other: '--op-other' };

export class Chart {
  #canvas;
  #draws = () => {};
  #colours = new Map(); // of the present theme, by name

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draws()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#recolour());
    new MutationObserver(() => this.#recolour()).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }

  /**
   * Shows buckets: Map of start time to counts by operation. `from` and `to` are times, `step` the length of a bucket, all in
   * milliseconds; before `knownFrom` nothing is known.
   */
  show(buckets, { from, to, step, knownFrom }) {
    this.#draws = () => this.#draw(buckets, { from, to, step, knownFrom });
    this.#draws();
  }

  #recolour() {
    this.#colours.clear();
    this.#draws();
  }

  /** Returns a colour of the style sheet, which a canvas cannot read. Each look at one makes the browser compute styles. */
  #colour(name) {
    let found = this.#colours.get(name);
    if (found === undefined) {
      this.#canvas.style.color = `var(${name})`;
      this.#colours.set(name, (found = getComputedStyle(this.#canvas).color));
    }
    return found;
  }

  #draw(buckets, { from, to, step, knownFrom }) {
    const canvas = this.#canvas;
    const { width, height } = canvas.getBoundingClientRect();
    if (!width || !height) return;
    const ratio = devicePixelRatio;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext('2d');
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => this.#colour(name);
    const base = height - 16;
    const top = Math.max(1, ...[...buckets].filter(([at]) => at >= from && at < to).map(([, ops]) => total(ops)));
    const x = (at) => ((at - from) / (to - from)) * width;
    context.font = `11px ${style.fontFamily || 'sans-serif'}`;
    if (knownFrom > from) {
      context.fillStyle = colour('--sunken');
      context.fillRect(0, 0, Math.min(width, x(knownFrom)), base);
    }
    grid(context, { width, base, top, line: colour('--line'), text: colour('--quiet') });
    const bar = Math.max(1, x(from + step) - 1);
    for (const [at, ops] of buckets) {
      if (at < from || at >= to) continue;
      let y = base;
      for (const op of STACK) {
        if (!ops[op]) continue;
        const tall = (ops[op] / top) * (base - 14);
        context.fillStyle = colour(COLOURS[op]);
        context.fillRect(x(at), y - tall, bar, Math.max(tall, 1));
        y -= tall;
      }
    }
    labels(context, { from, to, width, height, x, text: colour('--quiet') });
  }
}

export const total = (ops) => STACK.reduce((sum, op) => sum + (ops[op] ?? 0), 0);

function grid(context, { width, base, top, line, text }) {
  context.strokeStyle = line;
  context.lineWidth = 1;
  context.beginPath();
  for (const y of [13.5, base + 0.5]) {
    context.moveTo(0, y);
    context.lineTo(width, y);
  }
  context.stroke();
  context.fillStyle = text;
  context.textAlign = 'left';
  context.textBaseline = 'bottom';
  context.fillText(count(top), 2, 12);
}

function labels(context, { from, to, width, height, x, text }) {
  const length = to - from;
  const every = [60_000, 300_000, 900_000, 3_600_000, 4 * 3_600_000, 86_400_000].find((one) => length / one <= Math.max(2, width / 90)) ?? 86_400_000;
  context.fillStyle = text;
  context.textBaseline = 'bottom';
  context.textAlign = 'center';
  for (let at = Math.ceil(from / every) * every; at < to; at += every) {
    const place = x(at);
    if (place > 24 && place < width - 24) context.fillText(new Date(at).toTimeString().slice(0, 5), place, height);
  }
}
