// Shows a list of rows of equal height. Only visible rows have elements, so ten thousand rows cost as much as thirty.

/** How many rows beyond each edge have elements, so that scrolling shows no gaps. */
const OVERSCAN = 8;

/**
 * Options: `scroller` scrolls, `space` gets the height of all rows, `height()` returns the height of a row in pixels,
 * `key(item)` identifies an item, `create(item)` returns its element, and `fill(element, item, index)` updates it in each draw.
 */
export class VirtualList {
  items = [];
  #options;
  #elements = new Map(); // by key
  #frame = 0;
  #pinned = null; // the key of the focused row, which keeps its element out of sight
  #height = 0; // of a row, in the positions that are shown

  constructor(options) {
    this.#options = options;
    options.scroller.addEventListener('scroll', () => this.#scheduleDraw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(options.scroller);
    window.addEventListener('resize', () => this.show(this.items, { hold: options.scroller.scrollTop > 0 })); // the height of a row may be another
  }

  /** Shows the items. With `hold`, visible rows keep their positions when rows are added above them. */
  show(items, { hold }) {
    const anchor = hold ? this.#anchor() : null;
    this.items = items;
    const height = (this.#height = this.#options.height());
    this.#options.space.style.height = `${items.length * height}px`;
    if (anchor) this.#restore(anchor, height);
    this.draw();
  }

  /** Returns the keys of the visible rows, and the offset of the first one from the edge. */
  #anchor() {
    const { scroller, height, key } = this.#options;
    const high = this.#height || height();
    const first = Math.floor(scroller.scrollTop / high);
    return { keys: this.items.slice(first, first + 40).map(key), offset: scroller.scrollTop - first * high };
  }

  #restore({ keys, offset }, height) {
    const { scroller, key } = this.#options;
    const wanted = new Map(keys.map((name, i) => [name, i]));
    let best = null;
    for (const [index, item] of this.items.entries()) {
      const place = wanted.get(key(item));
      if (place !== undefined && (best === null || place < best.place)) best = { place, index };
      if (place === 0) break;
    }
    if (!best) return;
    const top = (best.index - best.place) * height + offset;
    if (Math.abs(top - scroller.scrollTop) > 0.5) scroller.scrollTop = top;
  }

  pin(key) {
    this.#pinned = key;
    this.draw();
    return this.#elements.get(key) ?? null;
  }

  element(key) {
    return this.#elements.get(key) ?? null;
  }

  /** Scrolls by the smallest distance that makes a row visible. */
  reveal(index) {
    const { scroller, height } = this.#options;
    const top = index * height();
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height() > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height() - scroller.clientHeight;
  }

  /** The number of rows of a page, for Page Up and Page Down. */
  get page() {
    return Math.max(1, Math.floor(this.#options.scroller.clientHeight / this.#options.height()) - 1);
  }

  #scheduleDraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  draw() {
    const { space, height, key, create, fill } = this.#options;
    const rows = this.#visibleRows(height());
    const wanted = new Set(rows.map((index) => key(this.items[index])));
    for (const [name, element] of this.#elements) {
      if (wanted.has(name)) continue;
      element.remove();
      this.#elements.delete(name);
    }
    let next = space.firstElementChild;
    for (const index of rows) {
      const item = this.items[index];
      let element = this.#elements.get(key(item));
      if (!element) this.#elements.set(key(item), (element = create(item)));
      fill(element, item, index);
      const place = `translateY(${index * height()}px)`;
      if (element.style.transform !== place) element.style.transform = place;
      if (element === next) next = next.nextElementSibling;
      else space.insertBefore(element, next);
    }
  }

  #visibleRows(height) {
    const { scroller, key } = this.#options;
    const from = Math.max(0, Math.floor(scroller.scrollTop / height) - OVERSCAN);
    const to = Math.min(this.items.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + OVERSCAN);
    const rows = [];
    for (let index = from; index < to; index++) rows.push(index);
    const pinned = this.#pinned === null ? -1 : this.items.findIndex((item) => key(item) === this.#pinned);
    if (pinned >= 0 && pinned < from) rows.unshift(pinned);
    if (pinned >= to) rows.push(pinned);
    return rows;
  }
}

/** Returns a function that returns a length of the style sheet in pixels. The result is cached until the window is resized. */
export function cssLength(name) {
  let pixels = 0;
  window.addEventListener('resize', () => (pixels = 0));
  return () => {
    if (pixels) return pixels;
    const style = getComputedStyle(document.documentElement);
    return (pixels = Math.round(parseFloat(style.getPropertyValue(name)) * parseFloat(style.fontSize)));
  };
}
