// Draws columns and lines on a canvas. A chart of sixty numbers needs no library.

const PADDING = { top: 6, right: 2, bottom: 15, left: 34 };

/** The space between a label of the axis and the axis, in pixels. */
const GAP = 5;

/** Where the axis has labels. */
const SHARES = [0, 0.5, 1];

export class Chart {
  #canvas;
  #columns = [];
  #options;
  #hovered = -1;
  #left = PADDING.left; // room for the widest label of the axis

  /**
   * Options: `lines` names the members drawn as lines and `bars` the one drawn as bars; `least` is the smallest upper
   * end of the axis; `label(n)` formats a number and `since()` returns the label of the left end; `hovered(column)` is
   * called with the column under the pointer, or null.
   */
  constructor(canvas, options) {
    this.#canvas = canvas;
    this.#options = options;
    canvas.addEventListener('pointermove', (event) => this.#point(event.offsetX));
    canvas.addEventListener('pointerleave', () => this.#point(-1));
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  show(columns) {
    this.#columns = columns;
    this.#draw();
    if (this.#hovered >= 0) this.#options.hovered(this.#columns[this.#hovered]);
  }

  #point(x) {
    const width = this.#canvas.clientWidth - this.#left - PADDING.right;
    const at = Math.floor(((x - this.#left) / width) * this.#columns.length);
    this.#hovered = x >= this.#left && at < this.#columns.length ? at : -1;
    this.#options.hovered(this.#columns[this.#hovered] ?? null);
    this.#draw();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0 || height === 0) return;
    const scale = devicePixelRatio || 1;
    if (this.#canvas.width !== Math.round(width * scale)) this.#canvas.width = Math.round(width * scale);
    if (this.#canvas.height !== Math.round(height * scale)) this.#canvas.height = Math.round(height * scale);
    const pen = this.#canvas.getContext('2d');
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const colours = this.#colours();
    const top = roundUp(Math.max(...this.#columns.flatMap((column) => this.#members().map((name) => column[name] ?? 0)), this.#options.least));
    pen.font = colours.font;
    this.#left = Math.ceil(Math.max(PADDING.left, ...SHARES.map((share) => pen.measureText(this.#options.label(top * share)).width + GAP + 1)));
    const area = { x: this.#left, y: PADDING.top, width: width - this.#left - PADDING.right, height: height - PADDING.top - PADDING.bottom };
    this.#axes(pen, area, top, colours);
    if (this.#options.bars) this.#bars(pen, area, top, colours);
    this.#options.lines?.forEach((name, i) => this.#line(pen, area, top, name, i === 0 ? colours.accent : colours.second));
  }

  #members() {
    return [...(this.#options.lines ?? []), ...(this.#options.bars ? [this.#options.bars] : [])];
  }

  #colours() {
    const style = getComputedStyle(this.#canvas);
    const text = getComputedStyle(this.#canvas.parentElement.querySelector('h2')).color;
    return { accent: style.color, second: style.outlineColor, grid: style.borderColor, text, font: `${10 * (parseFloat(style.fontSize) / 14)}px ${style.fontFamily}` };
  }

  #axes(pen, area, top, { grid, text }) {
    pen.fillStyle = text;
    pen.strokeStyle = grid;
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (const share of SHARES) {
      const y = Math.round(area.y + area.height * (1 - share)) + 0.5;
      pen.beginPath();
      pen.moveTo(area.x, y);
      pen.lineTo(area.x + area.width, y);
      pen.stroke();
      pen.fillText(this.#options.label(top * share), area.x - GAP, y);
    }
    pen.textBaseline = 'alphabetic';
    const bottom = area.y + area.height + 12;
    pen.textAlign = 'left';
    pen.fillText(this.#options.since(), area.x, bottom);
    pen.textAlign = 'right';
    pen.fillText('now', area.x + area.width, bottom);
  }

  #bars(pen, area, top, { accent }) {
    const step = area.width / this.#columns.length;
    pen.fillStyle = accent;
    this.#columns.forEach((column, i) => {
      const height = (column[this.#options.bars] / top) * area.height;
      if (height <= 0) return;
      pen.globalAlpha = this.#hovered < 0 || this.#hovered === i ? 0.9 : 0.4;
      pen.beginPath();
      pen.roundRect(area.x + i * step + step * 0.12, area.y + area.height - Math.max(1.5, height), step * 0.76, Math.max(1.5, height), [Math.min(2, step / 4), Math.min(2, step / 4), 0, 0]);
      pen.fill();
    });
    pen.globalAlpha = 1;
  }

  /** Draws a line between adjacent values, and a dot for a value without neighbours. */
  #line(pen, area, top, name, colour) {
    const step = area.width / this.#columns.length;
    const y = (value) => area.y + area.height * (1 - Math.max(0, value) / top);
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 1.6;
    pen.lineJoin = 'round';
    pen.beginPath();
    let joined = false;
    this.#columns.forEach((column, i) => {
      const value = column[name];
      if (value === null) {
        joined = false;
        return;
      }
      const x = area.x + (i + 0.5) * step;
      if (joined) pen.lineTo(x, y(value));
      else pen.moveTo(x, y(value));
      joined = true;
    });
    pen.stroke();
    this.#columns.forEach((column, i) => {
      if (column[name] === null) return;
      const alone = (this.#columns[i - 1]?.[name] ?? null) === null && (this.#columns[i + 1]?.[name] ?? null) === null;
      if (!alone && this.#hovered !== i) return;
      pen.beginPath();
      pen.arc(area.x + (i + 0.5) * step, y(column[name]), this.#hovered === i ? 3 : 1.8, 0, 7);
      pen.fill();
    });
  }
}

/** Returns the next larger round number. */
function roundUp(n) {
  const unit = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 4, 5, 6, 8, 10].map((step) => step * unit).find((step) => step >= n - 1e-9);
}
