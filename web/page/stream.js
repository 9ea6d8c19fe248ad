// Follows GET /api/events with EventSource, which reconnects by itself, and covers what that does
// not: a connection that is dead but was never closed, an answer that makes EventSource give up,
// and a transaction that broke off and is sent again.

/** Nothing for this long, which is 2.5 heartbeats, and the connection counts as dead. */
const SILENCE_MS = 75_000;

/** How long to wait before attempt n, with full jitter: clients must not return in one wave. */
export function backoff(n) {
  return Math.random() * Math.min(30_000, 1000 * 2 ** Math.min(n, 10));
}

/** Keeps an event from being shown twice. */
class Once {
  #open = new Set(); // shown, of the transaction that is arriving
  #torn = new Set(); // shown, of transactions that broke off and did not come again yet

  /** True if the event has not been shown. */
  fresh(id) {
    const shown = this.#torn.delete(id);
    this.#open.add(id); // also if shown: the transaction may break off again
    return !shown;
  }

  /** The last event of a transaction has arrived: it never comes again. */
  whole() {
    this.#open.clear();
  }

  /** The connection has broken: what is open comes again, possibly after other transactions. */
  broken() {
    for (const id of this.#open) this.#torn.add(id);
    this.#open.clear();
  }

  /** The server does not go on where it was: nothing comes again. */
  forget() {
    this.#open.clear();
    this.#torn.clear();
  }
}

/**
 * One stream, over as many connections as it takes. Handlers: event(envelope, raw), sync(data)
 * and state(name), where name is connecting, live, reconnecting or draining.
 */
export class Stream {
  #url;
  #handlers;
  #source = null;
  #once = new Once();
  #cursor = ''; // after the last transaction that arrived whole
  #heard = 0; // when something last arrived
  #failures = 0;
  #timer = 0;
  #watchdog = 0;

  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
  }

  /** Starts after the cursor, or from now if there is none. */
  open(cursor) {
    this.close();
    this.#once.forget();
    this.#cursor = cursor ?? '';
    this.#connect();
    this.#watchdog = setInterval(() => this.#watch(), 5000);
  }

  close() {
    clearTimeout(this.#timer);
    clearInterval(this.#watchdog);
    this.#source?.close();
    this.#source = null;
  }

  #connect() {
    const url = new URL(this.#url);
    if (this.#cursor) url.searchParams.set('since', this.#cursor);
    this.#heard = Date.now();
    const source = new EventSource(url);
    this.#source = source;
    source.onmessage = (message) => this.#message(source, message);
    source.onerror = () => this.#broken(source);
  }

  #message(source, message) {
    if (source !== this.#source) return;
    this.#heard = Date.now();
    this.#failures = 0;
    this.#deliver(message.data);
    // The id stands on the last event of a transaction; until the next one it stays the same.
    if (source === this.#source && message.lastEventId && message.lastEventId !== this.#cursor) {
      this.#cursor = message.lastEventId;
      this.#once.whole();
    }
  }

  #deliver(raw) {
    let envelope;
    try {
      envelope = JSON.parse(raw);
    } catch {
      return; // not one of ours
    }
    const { id, type, data } = envelope;
    if (id === undefined && type === 'heartbeat') return;
    if (id === undefined && type === 'sync') {
      this.#sync(data);
    } else if (id === undefined || this.#once.fresh(id)) {
      this.#handlers.event(envelope, raw);
    }
  }

  #sync(data) {
    if (data.mode === 'live' || data.mode === 'reset') this.#once.forget();
    this.#handlers.state(data.mode === 'draining' ? 'draining' : 'live');
    this.#handlers.sync(data);
  }

  #broken(source) {
    if (source !== this.#source) return;
    this.#once.broken();
    this.#heard = Date.now();
    this.#handlers.state('reconnecting');
    // After a status other than 200, EventSource never returns: it must be replaced.
    if (source.readyState === EventSource.CLOSED) {
      this.#source = null;
      this.#timer = setTimeout(() => this.#connect(), backoff(this.#failures++));
    }
  }

  #watch() {
    if (!this.#source || Date.now() - this.#heard < SILENCE_MS) return;
    this.#source.close();
    this.#once.broken();
    this.#handlers.state('reconnecting');
    this.#connect();
  }
}
