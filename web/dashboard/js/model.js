// Holds the data of the page: the activities, which the client keeps up to date, and the stream. It draws nothing.

import { activities, createEventStream, createLiveQuery } from '../../shared/js/pgherald.js';
import { authorization, base, session } from '../../shared/js/server.js';
import { probe } from './requests.js';

/** How many activities are loaded; the newest. */
export const MAX = 10_000;

/** How long events are collected before they are drawn, in milliseconds. */
const FLUSH = 50;

/**
 * Follows the server. Handlers: `data(activities, {loading, error, stale})`, with null for a server that watches other
 * tables; `events(events, metas)`; `sync(data)`; `status(status)`; `error(error)`. They are called without a limit on the rate.
 */
export class Model {
  stream = null;
  query = null;
  /** Whether this user may change activities, as far as the server has said. */
  mayWrite = true;
  #handlers;
  #name = '';
  #run = 0;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Starts, or starts again under another name. */
  async start(name) {
    this.close();
    const run = ++this.#run;
    this.#name = name;
    this.#handlers.status('connecting');
    const served = await this.#detect(() => run === this.#run);
    if (run !== this.#run || served === 'locked') return;
    if (served === 'activities') this.#followList();
    else this.#followEvents();
  }

  close() {
    this.query?.close();
    if (!this.query) this.stream?.close();
    this.query = this.stream = null;
  }

  /** Detects what this server serves. It retries until it gets a response or `isWanted()` is false. */
  async #detect(isWanted) {
    if (document.documentElement.dataset.activities) return 'other tables';
    for (let attempt = 0; isWanted(); attempt++) {
      try {
        await probe((allowed) => (this.mayWrite = allowed));
        return 'activities';
      } catch (error) {
        if (error.status === 404) return 'other tables';
        this.#handlers.error(error);
        if (error.status === 401 || error.status === 403) {
          this.#handlers.status('closed');
          return 'locked';
        }
        this.#handlers.data(undefined, { loading: false, error, stale: false });
        await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(10_000, 1000 * 2 ** attempt) + 200));
      }
    }
    return 'superseded';
  }

  #options() {
    const token = session.token ? { token: async () => session.token, shared: false } : {};
    return { url: new URL('api/events', base).href, ...(this.#name && !session.token ? { user: this.#name } : {}), ...token };
  }

  /** Loads the list and opens the stream at its cursor. */
  #followList() {
    const list = activities({ url: new URL('api/activities', base).href, max: MAX, request: () => ({ cache: 'no-store', headers: authorization() }) });
    this.query = createLiveQuery({
      ...list,
      stream: this.#options(),
      onEvents: (events, metas) => this.#handlers.events(events, metas),
    });
    this.stream = this.query.stream;
    this.#subscribe();
    const publish = () => {
      const { data, loading, error, stale } = this.query.getSnapshot();
      this.#handlers.data(data, { loading, error, stale });
    };
    this.query.subscribe(publish);
    publish();
  }

  /** Opens the stream of a server that watches other tables, without a list. */
  #followEvents() {
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
    this.#subscribe();
    this.#handlers.data(null, { loading: false, error: null, stale: false });
  }

  #subscribe() {
    const stream = this.stream;
    stream.on('sync', (event) => this.#handlers.sync(event.data));
    stream.onOversized((event, meta) => this.#handlers.events([event], [meta]));
    stream.onStatus((status) => this.#handlers.status(status));
    stream.onError((error) => this.#onFailure(error));
    this.#handlers.status(stream.status);
  }

  /** Restarts without a name if the server rejects it: a server that checks tokens takes the name from the token. */
  #onFailure(error) {
    if (error.fatal && error.status === 400 && this.#name) {
      this.start('');
      return;
    }
    this.#handlers.error(error);
  }
}
