// Opens the streams of the page, one for each view, and reports their state to the connection card.

import { createEventStream } from '../../shared/js/pgherald.js';
import { base, denial, Refused, request, session } from '../../shared/js/server.js';
import { parse } from './exact.js';

/** How long events are collected before they are handed on, in milliseconds: the first one after a pause, and further ones. */
const FLUSH_FIRST = 20;
const FLUSH = 120;

/** Events of so many characters are handed on at once: the timers of a hidden page are slow. */
const FLUSH_SIZE = 8 << 20;

/** A flush hands on so many events at once, and others in a task of their own after so many milliseconds: a page that is seen stays responsive. */
const SLICE = 250;
const BUDGET = 8;

/**
 * How long a hidden page keeps its streams, in milliseconds. A browser opens six connections to a server of HTTP/1.1, for all tabs
 * together: those of tabs that are not seen would keep the others from loading at all.
 */
const KEEP = 5000;

/** The streams that are open; the first one is the page's. */
const open = [];
let handlers = { status() {}, sync() {}, error() {} };

/** Connects the streams with the connection card: `status(status)`, `sync(data)`, `error(error)`. */
export function watchStreams(watching) {
  handlers = watching;
}

/** The stream of the view, or null. */
export const stream = () => open[0] ?? null;

/**
 * Follows a selection of events after a cursor. `on.events([{event, meta}])` receives them, usually at most eight times a second, parsed without loss;
 * `on.reset()` says to load again; `on.failed(error)` that the stream has given up. Returns a function that closes it.
 */
export function follow(selection, since, on, { isMain = true } = {}) {
  let arrived = [];
  let size = 0;
  let timer = 0;
  let flushedAt = 0;
  const flush = (budget = document.hidden ? Infinity : BUDGET) => {
    timer = size = 0;
    flushedAt = performance.now();
    do on.events(arrived.splice(0, SLICE)); // it may close the stream, which drops the others
    while (arrived.length && performance.now() - flushedAt < budget);
    if (arrived.length) timer = setTimeout(() => flush());
  };
  const add = (event, meta) => {
    arrived.push({ event: parse(meta.raw), meta });
    size += meta.raw.length;
    if (size > FLUSH_SIZE) {
      clearTimeout(timer);
      flush(Infinity); // or what remains would grow without a bound
    } else timer ||= setTimeout(() => flush(), performance.now() - flushedAt > 2 * FLUSH ? FLUSH_FIRST : FLUSH);
  };
  const drop = () => {
    clearTimeout(timer);
    timer = 0;
    arrived = [];
    size = 0;
  };
  let state = ''; // or "hidden" while the page is, and "resuming" after that
  const source = createEventStream({
    ...selection,
    url: new URL('api/events', base).href,
    since,
    ...(session.token ? { token: async () => session.token, shared: false } : {}),
    onEvent: add,
    onOversized: add,
    onReset: () => {
      drop();
      on.reset();
    },
    onError: (error) => {
      if (isMain) handlers.error(error);
      if (error.fatal) on.failed(error);
    },
    onStatus: (status) => {
      if (state === 'resuming' && status === 'open') state = '';
      if (isMain && state !== 'hidden') handlers.status(state && status === 'reconnecting' ? 'connecting' : status); // nothing was lost
    },
  });
  const endWatch = whenHidden(() => {
    if (source.status === 'closed') return;
    state = 'hidden';
    source.close();
  }, () => {
    if (state !== 'hidden') return;
    state = 'resuming';
    source.connect();
  });
  if (isMain) {
    open.unshift(source);
    source.on('sync', ({ data }) => handlers.sync(data));
    handlers.status(source.status);
  }
  return () => {
    drop();
    endWatch();
    source.close();
    if (isMain) open.splice(open.indexOf(source), 1);
  };
}

/** Calls `leave()` when the page has been hidden for a while, and `goOn()` when it is seen. Returns a function that ends that. */
function whenHidden(leave, goOn) {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(leave, KEEP);
    else goOn();
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
}

/** Requests JSON of the API and parses it without loss. A rejected one throws Refused. */
export async function load(path, signal) {
  return parse(await request('GET', path, undefined, { signal, as: 'text' }));
}

/** Calls `attempt()` until it succeeds, or fails in a way that no retry changes. `failing(error)` is called before each wait. */
export async function persist(attempt, signal, failing) {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || !isTransient(error)) throw error;
      failing(error);
      await wait(Math.random() * Math.min(10_000, 500 * 2 ** tries) + 300, signal);
    }
  }
}

const isTransient = (error) => !(error instanceof Refused) || error.status >= 500 || error.status === 429 || error.status === 408;

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

export { denial };
