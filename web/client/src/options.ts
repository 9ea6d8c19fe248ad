import type { BackoffOptions } from "./backoff.js";
import type { Debug } from "./debug.js";

/** The purpose of a token: to connect, to renew the one in use, or to replace one that the server rejected. */
export type TokenReason = "connect" | "renew" | "rejected";

/** Returns a bearer token, or null for none. If it throws, the stream retries with back-off. */
export type TokenCallback = (request: { reason: TokenReason }) => string | null | Promise<string | null>;

/** The filter and the other parameters of GET /api/events. Streams that differ in any of them share no connection. */
export interface Selection {
  /** Only changes of the rows of this collection, with their `collection`, `op`, `key` and `xid`; not with `types`. */
  collection?: string;
  /** Several of these at once, each as in "collection:orders;where.status=open", encoded; their names are their numbers. */
  selections?: readonly string[];
  /** Only events of these types. */
  types?: readonly string[];
  /** Only events about the rows with these keys. */
  key?: string | readonly string[];
  /** Only events whose payload has these values. All fields must match; one value of a field is enough. */
  where?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** With `collection`: groups of which one condition must hold, as in "(status.eq.open,total.gt.100)". */
  any?: string | readonly string[];
  /** The name for presence, on a server without authentication. */
  user?: string;
  /** The window in which the server collects events and sends them as one, as in "250ms". */
  batch?: string;
  /** Lets the server send only the newest event of each type and key to a client that lags behind. */
  conflate?: boolean;
}

/** The address of the stream and how to connect to it. */
export interface ConnectionOptions extends Selection {
  /** The stream's URL, absolute or relative to the page. Default "/api/events". */
  url?: string | URL;
  /** Start after this cursor, such as the one of a list. Without it the stream starts with new events. */
  since?: string | null;
  /**
   * "fetch" distinguishes errors and can send a token; "eventsource" uses the browser's EventSource; "poll" asks for one
   * page of events after another. Default "auto": fetch, and poll while a proxy lets no stream through.
   */
  transport?: "auto" | "fetch" | "eventsource" | "poll";
  /**
   * One connection for all tabs of this browser that open the same stream. Default true where the
   * browser supports it and there is neither a token nor headers. With a token, name the group, for example with the
   * user's id: tabs of different users must not receive each other's events.
   */
  shared?: boolean | string;
  token?: TokenCallback;
  /** Further request headers; not with transport "eventsource". */
  headers?: Readonly<Record<string, string>>;
  credentials?: RequestCredentials;
  /** Replaces the global fetch. */
  fetch?: typeof globalThis.fetch;
  /** The silence after which the connection counts as dead, in milliseconds. Default 70000. It is 2.5 times the server's heartbeat and 2 s if that is shorter. */
  heartbeatTimeout?: number;
  /** The longest time until the stream is open, in milliseconds. Default 30000. */
  connectTimeout?: number;
  backoff?: BackoffOptions;
  /** Log what the client does and why: true for console.debug, or a function. */
  debug?: boolean | Debug;
}

const batchWindow = /^\d+(\.\d+)?(ms|s)$/;

/** Throws a TypeError if the options cannot work. Its message says how to correct them. */
export function checkOptions(options: ConnectionOptions): void {
  const { transport = "auto", headers, batch, heartbeatTimeout } = options;
  if (!["auto", "fetch", "eventsource", "poll"].includes(transport)) {
    throw new TypeError(`transport must be "auto", "fetch", "eventsource" or "poll", not ${JSON.stringify(transport)}`);
  }
  if (transport === "eventsource" && headers && Object.keys(headers).length > 0) {
    throw new TypeError('an EventSource cannot send headers: leave them out, or use transport: "fetch"');
  }
  if (options.token !== undefined && typeof options.token !== "function") {
    throw new TypeError("token must be a function that returns the token, so that it can be renewed");
  }
  if (batch !== undefined && !batchWindow.test(batch)) {
    throw new TypeError(`batch must be a duration such as "250ms", not ${JSON.stringify(batch)}`);
  }
  if (heartbeatTimeout !== undefined && !(heartbeatTimeout > 0)) {
    throw new TypeError("heartbeatTimeout must be a positive number of milliseconds");
  }
}

/** Returns the absolute URL. Throws a TypeError if there is no page to resolve a relative one against. */
export function resolve(url: string | URL): URL {
  const base = typeof document === "undefined" ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(url, base);
  } catch {
    throw new TypeError(`url ${JSON.stringify(String(url))} is relative, and there is no page to resolve it against: give an absolute one`);
  }
}
