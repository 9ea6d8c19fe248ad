import type { BackoffOptions } from "./backoff.js";
import type { Debug } from "./debug.js";

/** Why a token is asked for: to connect, to renew the one in use, or because the last was refused. */
export type TokenReason = "connect" | "renew" | "rejected";

/** Returns a bearer token; null for none. What it throws is retried with back-off. */
export type TokenCallback = (request: { reason: TokenReason }) => string | null | Promise<string | null>;

/** What events to hear: the parameters of GET /api/events. A change of any of them is another stream. */
export interface Selection {
  /** Only events of these types. */
  types?: readonly string[];
  /** Only events about these rows. */
  key?: string | readonly string[];
  /** Only events whose payload has these values: fields are ANDed, the values of one are ORed. */
  where?: Readonly<Record<string, string | readonly string[]>>;
  /** The name for presence, on a server without authentication. */
  user?: string;
  /** Ask the server to send the events of a window together, as in "250ms". */
  batch?: string;
  /** Ask the server to send only the newest event of each row when we are behind. */
  conflate?: boolean;
}

/** Where the stream is and how to reach it. */
export interface ConnectionOptions extends Selection {
  /** The stream's URL, absolute or relative to the page. Default "/api/events". */
  url?: string | URL;
  /** Begin after this cursor: the one that came with a list. Without it the stream begins now. */
  since?: string | null;
  /** "fetch" tells errors apart and can send a token; "eventsource" is the browser's own. Default "auto": fetch. */
  transport?: "auto" | "fetch" | "eventsource";
  /**
   * One connection for all tabs of this browser that ask for the same stream. Default true where the
   * browser can and there is no token. With a token give a name, such as the user's id: tabs of
   * different users must not hear each other's events.
   */
  shared?: boolean | string;
  token?: TokenCallback;
  /** Further request headers; not with transport "eventsource". */
  headers?: Readonly<Record<string, string>>;
  credentials?: RequestCredentials;
  /** How long nothing may come, in milliseconds, before the connection counts as dead. The server's heartbeats come every 30 s. Default 70000. */
  heartbeatTimeout?: number;
  /** How long the beginning of the stream may take, in milliseconds. Default 30000. */
  connectTimeout?: number;
  backoff?: BackoffOptions;
  /** Say what happens and why: true for console.debug, or a function. */
  debug?: boolean | Debug;
}

const batchWindow = /^\d+(\.\d+)?(ms|s)$/;

/** Throws a TypeError that says what to do about options that cannot work. */
export function checkOptions(options: ConnectionOptions): void {
  const { transport = "auto", headers, batch, heartbeatTimeout } = options;
  if (!["auto", "fetch", "eventsource"].includes(transport)) {
    throw new TypeError(`transport must be "auto", "fetch" or "eventsource", not ${JSON.stringify(transport)}`);
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

/** The stream's absolute URL with its selection, without a cursor. It says which streams are the same. */
export function streamURL(options: ConnectionOptions): URL {
  const url = new URL(resolve(options.url ?? "/api/events"));
  const { searchParams } = url;
  if (options.types?.length) searchParams.set("types", [...options.types].sort().join(","));
  for (const key of list(options.key)) searchParams.append("key", key);
  for (const [field, values] of Object.entries(options.where ?? {}).sort()) {
    for (const value of list(values)) searchParams.append(`where.${field}`, value);
  }
  if (options.user !== undefined) searchParams.set("user", options.user);
  if (options.batch !== undefined) searchParams.set("batch", options.batch);
  if (options.conflate) searchParams.set("conflate", "1");
  return url;
}

function resolve(url: string | URL): URL {
  const base = typeof document === "undefined" ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(url, base);
  } catch {
    throw new TypeError(`url ${JSON.stringify(String(url))} is relative, and there is no page that it could be relative to: give an absolute one`);
  }
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : [...value].sort();
}
