// Keeps the rows of a list in their places while the pointer is over them, so that a click opens the row that one sees.

/** After this time without a movement, in milliseconds, the pointer holds no rows: the user looks elsewhere. */
const STILL = 30_000;

/** The time between the end of a touch and its click, in milliseconds: until then the rows stay. */
const TAP = 500;

const NONE = new Set();

export class Held {
  #isOver = false;
  #isPaused = false;
  #held = null; // the rows in their places, while they are held
  #shown = null; // the rows of the last drawing
  #keyOf;
  #isOpen;
  #released;
  #timer = 0;

  /**
   * Holds the rows of an element. `keyOf(row)` names a row, `isOpen()` reports whether a card of a row is open, which holds too,
   * and `released()` is called when the rows may move again.
   */
  constructor(element, { keyOf, isOpen = () => false, released }) {
    this.#keyOf = keyOf;
    this.#isOpen = isOpen;
    this.#released = released;
    for (const type of ['pointerenter', 'pointermove', 'pointerdown']) element.addEventListener(type, () => this.#enter(), { passive: true });
    for (const type of ['pointerleave', 'pointercancel']) element.addEventListener(type, ({ pointerType }) => this.#leave(pointerType === 'touch' ? TAP : 0));
    window.addEventListener('blur', () => this.#leave());
    document.addEventListener('visibilitychange', () => document.hidden && this.#leave());
  }

  #enter() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#leave(), STILL);
  }

  #leave(after = 0) {
    clearTimeout(this.#timer);
    if (!this.#isOver) return;
    if (after > 0) {
      this.#timer = setTimeout(() => this.#leave(), after);
      return;
    }
    this.#isOver = false;
    if (!this.#isPaused && !this.#isOpen()) this.release();
  }

  /** Holds the rows wherever the pointer is, or ends that. */
  pause(isPaused) {
    this.#isPaused = isPaused;
    if (!isPaused) this.release();
  }

  /** Shows the present rows once, although the pointer stays. */
  release() {
    if (!this.#held) return;
    this.forget();
    this.#released();
  }

  /** Begins anew, with other rows. */
  forget() {
    this.#held = null;
    this.#shown = null;
  }

  /**
   * Returns the rows to show: the present ones, or the held ones in their present state, with what comes after the last of them.
   * `find(key)` returns the present state of a row. `gone` has the keys of held rows that there are no more; `waiting` counts the
   * rows that are not shown.
   */
  apply(rows, find) {
    if (!this.#isOver && !this.#isPaused && !this.#isOpen()) {
      this.#held = null;
      this.#shown = rows.slice();
      return { rows, waiting: 0, gone: NONE };
    }
    this.#held ??= (this.#shown ?? rows).slice(); // what the pointer came to, not what has changed since
    const keys = new Set(this.#held.map(this.#keyOf));
    for (const row of this.#tail(rows, keys)) {
      this.#held.push(row);
      keys.add(this.#keyOf(row));
    }
    return this.#present(rows, keys, find);
  }

  /** Returns the rows after the last held one: they move none. */
  #tail(rows, keys) {
    if (keys.size === 0) return rows;
    const last = rows.findLastIndex((row) => keys.has(this.#keyOf(row)));
    return last < 0 ? [] : rows.slice(last + 1);
  }

  #present(rows, keys, find) {
    const gone = new Set();
    this.#held = this.#held.map((row) => {
      const now = find(this.#keyOf(row));
      if (!now) gone.add(this.#keyOf(row));
      return now ?? row;
    });
    return { rows: this.#held, waiting: rows.reduce((n, row) => n + Number(!keys.has(this.#keyOf(row))), 0), gone };
  }
}
