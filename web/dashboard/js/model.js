// What the page knows: the activities, kept up by the client, and how the connection fares. It draws nothing.

import { activities, createEventStream, createLiveQuery } from './pgherald.js';
import { authorization, base, request, session } from './server.js';

/** How many activities are loaded: the newest. */
export const MAX = 10_000;

/** How long events wait for those that come with them: people do not see less, and drawing is the dear part. */
const FLUSH = 50;

/**
 * Follows the server. Handlers: `data(activities, {loading, error, stale})`, with null for a server that watches other
 * tables; `events(events, metas)`; `sync(data)`; `status(status)`; `error(error)`. Each is called as often as it happens.
 */
export class Model {
  stream = null;
  query = null;
  #handlers;
  #name = '';
  #run = 0;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Starts, or starts anew as somebody else. */
  async start(name) {
    this.close();
    const run = ++this.#run;
    this.#name = name;
    this.#handlers.status('connecting');
    const served = await this.#served(() => run === this.#run);
    if (run !== this.#run || served === 'locked') return;
    if (served === 'activities') this.#follow();
    else this.#listen();
  }

  close() {
    this.query?.close();
    if (!this.query) this.stream?.close();
    this.query = this.stream = null;
  }

  /** Finds out what this server has, for as long as somebody wants to know. */
  async #served(wanted) {
    for (let attempt = 0; wanted(); attempt++) {
      try {
        await request('GET', 'api/activities?limit=1');
        return 'activities';
      } catch (error) {
        if (error.status === 404) return 'other tables';
        this.#handlers.error(error);
        if (error.status === 401 || error.status === 403) return 'locked';
        this.#handlers.data(undefined, { loading: false, error, stale: false });
        await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(10_000, 1000 * 2 ** attempt) + 200));
      }
    }
    return 'nobody asks';
  }

  #options() {
    const token = session.token ? { token: async () => session.token, shared: false } : {};
    return { url: new URL('api/events', base).href, ...(this.#name && !session.token ? { user: this.#name } : {}), ...token };
  }

  /** The list, and the stream from exactly there on. */
  #follow() {
    const list = activities({ url: new URL('api/activities', base).href, max: MAX, request: () => ({ cache: 'no-store', headers: authorization() }) });
    this.query = createLiveQuery({
      ...list,
      stream: this.#options(),
      onEvents: (events, metas) => this.#handlers.events(events, metas),
    });
    this.stream = this.query.stream;
    this.#hear();
    const tell = () => {
      const { data, loading, error, stale } = this.query.getSnapshot();
      this.#handlers.data(data, { loading, error, stale });
    };
    this.query.subscribe(tell);
    tell();
  }

  /** Another spec's tables: there is no list, only what happens. */
  #listen() {
    let events = [];
    let metas = [];
    let timer = 0;
    const flush = () => {
      timer = 0;
      this.#handlers.events(events, metas);
      events = [];
      metas = [];
    };
    this.stream = createEventStream({
      ...this.#options(),
      onEvent: (event, meta) => {
        events.push(event);
        metas.push(meta);
        timer ||= setTimeout(flush, FLUSH);
      },
    });
    this.#hear();
    this.#handlers.data(null, { loading: false, error: null, stale: false });
  }

  #hear() {
    const stream = this.stream;
    stream.on('sync', (event) => this.#handlers.sync(event.data));
    stream.onStatus((status) => this.#handlers.status(status));
    stream.onError((error) => this.#failed(error));
    this.#handlers.status(stream.status);
  }

  /** A server that checks tokens takes names from them, and refuses those that people give themselves. */
  #failed(error) {
    if (error.fatal && error.status === 400 && this.#name) {
      this.start('');
      return;
    }
    this.#handlers.error(error);
  }
}
