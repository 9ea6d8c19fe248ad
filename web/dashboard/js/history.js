// Loads the events that the log has from before the page was opened, and their counts for the charts.

import { textsOf } from '../../shared/js/pgherald.js';
import { request } from '../../shared/js/server.js';

/** How many events a request loads. */
const PAGE = 200;

/** The width of the counts and how far back they go, in seconds. */
const STEP = 5;
const SPAN = 3600;

export class History {
  /** 'loading', 'ended' at the beginning of the log, 'failed', or '' if there is more. */
  state = 'loading';
  #before = null;
  #run = 0;
  #add;

  /** `add(events, texts)` takes events, the newest first, and the JSON of each as the server sent it. */
  constructor(add) {
    this.#add = add;
  }

  /** Loads the newest page. The stream must be open already, so that no event is between the two. */
  async start() {
    this.#before = null;
    this.state = 'loading';
    await this.#load(++this.#run);
  }

  /** Loads the next older page, if there is one and none is being loaded. */
  async more() {
    if (this.state !== '') return;
    this.state = 'loading';
    await this.#load(this.#run);
  }

  /** Loads no more: what the list dropped would be a gap. */
  stop() {
    this.#run++;
    this.state = 'ended';
  }

  async #load(run) {
    try {
      const text = await request('GET', `api/log?max=${PAGE}${this.#before ? `&before=${encodeURIComponent(this.#before)}` : ''}`, undefined, { as: 'text' });
      if (run !== this.#run) return;
      const { events, before = null } = JSON.parse(text);
      this.#before = before;
      this.state = before ? '' : 'ended';
      this.#add(events, textsOf(text, ['events'], events));
    } catch {
      if (run !== this.#run) return;
      this.state = 'failed';
      this.#add([], []);
    }
  }
}

/** Returns the counts of the last hour: {from, step, counts: [milliseconds, events][]}, or null if they cannot be had. */
export async function loadCounts(now = Date.now()) {
  const from = new Date((Math.floor(now / 1000 / STEP) * STEP - SPAN) * 1000).toISOString();
  try {
    const { counts, from: complete, step } = await request('GET', `api/log/counts?step=${STEP}s&from=${from}`);
    return { from: Date.parse(complete), step, counts: counts.map(({ from: at, types }) => [Date.parse(at), Object.values(types).reduce((sum, n) => sum + n, 0)]) };
  } catch {
    return null;
  }
}
