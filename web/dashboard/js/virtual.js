// A list of rows of one height, of which only those in sight exist. Ten thousand rows cost what thirty cost.

/** How many rows beyond the edges exist, so that scrolling shows no holes. */
const BEYOND = 8;

/**
 * Options: `scroller` scrolls, `space` has the height of all rows, `height()` returns a row's in pixels, `key(item)`
 * names an item, `create(item)` makes its element and `fill(element, item, index)` shows it, every time it is drawn.
 */
export class VirtualList {
  items = [];
  #options;
  #elements = new Map(); // by key
  #frame = 0;
  #pinned = null; // the key of a row that exists also out of sight, since it has the focus

  constructor(options) {
    this.#options = options;
    options.scroller.addEventListener('scroll', () => this.#later(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(options.scroller);
  }

  /** Shows these items. With hold, what is in sight stays where it is, whatever comes above it. */
  show(items, { hold }) {
    const anchor = hold ? this.#anchor() : null;
    this.items = items;
    const height = this.#options.height();
    this.#options.space.style.height = `${items.length * height}px`;
    if (anchor) this.#restore(anchor, height);
    this.draw();
  }

  /** Remembers what is in sight: the keys, and how far the first of them is from the edge. */
  #anchor() {
    const { scroller, height, key } = this.#options;
    const first = Math.floor(scroller.scrollTop / height());
    return { keys: this.items.slice(first, first + 40).map(key), offset: scroller.scrollTop - first * height() };
  }

  #restore({ keys, offset }, height) {
    const { scroller, key } = this.#options;
    const wanted = new Map(keys.map((name, i) => [name, i]));
    let best = null;
    this.items.forEach((item, index) => {
      const place = wanted.get(key(item));
      if (place !== undefined && (best === null || place < best.place)) best = { place, index };
    });
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

  /** Scrolls just as far as is needed to see a row. */
  reveal(index) {
    const { scroller, height } = this.#options;
    const top = index * height();
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height() > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height() - scroller.clientHeight;
  }

  /** How many rows fit. */
  get page() {
    return Math.max(1, Math.floor(this.#options.scroller.clientHeight / this.#options.height()) - 1);
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  draw() {
    const { space, height, key, create, fill } = this.#options;
    const rows = this.#inSight(height());
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

  #inSight(height) {
    const { scroller, key } = this.#options;
    const from = Math.max(0, Math.floor(scroller.scrollTop / height) - BEYOND);
    const to = Math.min(this.items.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + BEYOND);
    const rows = [];
    for (let index = from; index < to; index++) rows.push(index);
    const pinned = this.#pinned === null ? -1 : this.items.findIndex((item) => key(item) === this.#pinned);
    if (pinned >= 0 && pinned < from) rows.unshift(pinned);
    if (pinned >= to) rows.push(pinned);
    return rows;
  }
}

/** Returns a function that gives a length of the style sheet in pixels, and asks for it once per size of the window. */
export function cssLength(name) {
  let pixels = 0;
  window.addEventListener('resize', () => (pixels = 0));
  return () => {
    if (pixels) return pixels;
    const style = getComputedStyle(document.documentElement);
    return (pixels = Math.round(parseFloat(style.getPropertyValue(name)) * parseFloat(style.fontSize)));
  };
}
