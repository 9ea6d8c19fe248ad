// Follows the list of the collections: an apply adds tables and columns while the page is open.

import { load } from './source.js';

/** The time between two requests while the page is visible, and the least between two that events cause, in milliseconds. */
const EVERY = 15_000;
const LEAST = 2000;

export class Refresh {
  #changed;
  #timer = 0;
  #requestedAt = 0;
  #isAsking = false;
  #isDue = false; // since the request was sent
  #run = new AbortController();

  /** `changed(collections)` is called with each answer. */
  constructor(changed) {
    this.#changed = changed;
    this.#run.abort();
    document.addEventListener('visibilitychange', () => document.hidden || this.soon());
  }

  /** Begins to follow, after the list was loaded. */
  start() {
    this.stop();
    this.#run = new AbortController();
    this.#requestedAt = Date.now();
    this.#wait(EVERY);
  }

  stop() {
    this.#run.abort();
    clearTimeout(this.#timer);
    this.#isAsking = this.#isDue = false;
  }

  /** Asks soon: something refers to a collection that the page does not know, or the server is another one. */
  soon() {
    if (this.#run.signal.aborted) return;
    if (this.#isAsking) this.#isDue = true; // the answer may be older
    else this.#wait(Math.max(0, this.#requestedAt + LEAST - Date.now()));
  }

  #wait(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ms);
  }

  async #ask() {
    const { signal } = this.#run;
    this.#requestedAt = Date.now();
    this.#isAsking = true;
    if (!document.hidden) {
      const answer = await load('api/collections', signal).catch(() => null); // an outage is the streams' news
      if (signal.aborted) return;
      if (answer) this.#changed(answer.collections);
      if (signal.aborted) return; // by what has changed
    }
    const isDue = this.#isDue;
    this.#isAsking = this.#isDue = false;
    if (isDue) this.soon();
    else this.#wait(EVERY);
  }
}
