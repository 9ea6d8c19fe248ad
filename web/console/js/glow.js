// Highlights changes. The highlight fades as their rate rises, so that a busy table does not turn yellow.

/** How long a change is highlighted, in milliseconds: the length of the animation in css/grid.css. */
export const GLOW = 2000;

/** The changes a second up to which the highlight is full, and from which there is none. */
const FULL = 4;
const NONE = 60;

/** A weaker highlight is not seen, and not drawn. */
const LEAST = 0.04;

export class Glow {
  #marks = new Map(); // by key: {at, what, turn}
  #turn = 0;
  #times = [];

  /** Remembers changes by key. */
  add(changes) {
    const now = performance.now();
    for (const [key, { at }] of this.#marks) if (now - at > GLOW) this.#marks.delete(key);
    for (const [key, what] of changes) this.#marks.set(key, { at: now, what, turn: ++this.#turn });
    if (changes.size) this.#times.push([now, changes.size]);
    while (this.#times.length && now - this.#times[0][0] > 1000) this.#times.shift();
  }

  clear() {
    this.#marks.clear();
    this.#times = [];
  }

  /** Returns how strong the highlight is, from 0 to 1. */
  get strength() {
    const rate = this.#times.reduce((sum, [, n]) => sum + n, 0);
    return rate <= FULL ? 1 : Math.max(0, 1 - (rate - FULL) / (NONE - FULL)) ** 2;
  }

  /** Alternates between two classes with the same animation, which restarts it without a forced layout. `fieldOf(cell)` names its column. */
  mark(row, key) {
    const mark = this.#marks.get(key);
    if (!mark || row.glows === mark.turn || performance.now() - mark.at > GLOW / 2 || this.strength < LEAST) return;
    row.glows = mark.turn;
    row.turned = row.turned === 'glow-a' ? 'glow-b' : 'glow-a';
    row.classList.remove('glow-a', 'glow-b');
    const { fields } = mark.what;
    if (!fields) row.classList.add(row.turned);
    for (const cell of row.children) {
      cell.classList.remove('glow-a', 'glow-b');
      if (fields?.has(cell.dataset.field)) cell.classList.add(row.turned);
    }
  }
}
