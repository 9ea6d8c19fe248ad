// Highlights changes for a moment, the less the more there are: at fifty a second everything would be highlighted.

/** How long a change is highlighted, in milliseconds: the length of the animation in css/table.css. */
const LENGTH = 2200;

/** Up to this rate, in changes per second, a highlight has its full strength. */
const FULL = 3;

/** Below this strength a change is not highlighted. */
const LEAST = 0.1;

/** The time over which the rate is measured, in milliseconds. */
const WINDOW = 2000;

/** Measures the rate of changes, and returns how strong their highlight is: 0 to 1. */
export class Strength {
  #rate = 0; // changes per second, an exponential average
  #at = -Infinity;

  add(changes, now = performance.now()) {
    this.#rate = this.#rate * Math.exp((this.#at - now) / WINDOW) + (changes * 1000) / WINDOW;
    this.#at = now;
    const strength = Math.min(1, FULL / this.#rate);
    return strength < LEAST ? 0 : strength;
  }
}

/** Keeps the highlights of rows, by key. */
export class Glow {
  #glowing = new Map(); // {at, fields, turn, strength}
  #strength = new Strength();
  #turn = 0;
  #space;

  constructor(space) {
    this.#space = space;
    endAnimations(space);
  }

  /** Adds changes: fields by key, null for a new row. A table that is out of sight highlights nothing, also not later. */
  add(changes) {
    const now = performance.now();
    for (const [key, { at }] of this.#glowing) if (now - at > LENGTH) this.#glowing.delete(key);
    if (!this.#space.checkVisibility()) this.#glowing.clear();
    if (changes.size === 0) return;
    const strength = this.#strength.add(changes.size, now);
    if (strength === 0 || !this.#space.checkVisibility()) return;
    for (const [key, fields] of changes) this.#glowing.set(key, { at: now, fields, strength, turn: ++this.#turn });
  }

  /** Starts the highlight of a row. Two classes with the same animation alternate, which restarts it without a forced layout. */
  show(row, key) {
    const glow = this.#glowing.get(key);
    if (!glow || row.glows === glow.turn || performance.now() - glow.at > LENGTH) return;
    row.glows = glow.turn;
    row.turned = row.turned === 'glow-a' ? 'glow-b' : 'glow-a';
    row.style.setProperty('--strength', glow.strength);
    row.classList.remove('glow-a', 'glow-b');
    if (glow.fields === null) row.classList.add(row.turned);
    for (const cell of row.children) {
      cell.classList.remove('glow-a', 'glow-b');
      if (glow.fields?.has(cell.dataset.field)) cell.classList.add(row.turned);
    }
  }
}

const CLASS = { 'settle-a': 'glow-a', 'settle-b': 'glow-b', wash: 'new' };

/** Removes the class of an animation that ended, or that ended with its view: it would play again when the view is shown again. */
export function endAnimations(space) {
  for (const type of ['animationend', 'animationcancel']) {
    space.addEventListener(type, ({ target, animationName }) => animationName in CLASS && target.classList.remove(CLASS[animationName]));
  }
}
