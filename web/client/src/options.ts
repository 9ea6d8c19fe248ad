import type { BackoffOptions } from "./backoff.js";
import type { Debug } from "./debug.js";

/** The purpose of a token: to connect, to renew the one in use, or to replace one that the server rejected. */
export type TokenReason = "connect" | "renew" | "rejected";

/** Returns a bearer token, or null for none. If it throws, the stream retries with back-off. */
export type TokenCallback = (request: { reason: TokenReason }) => string | null | Promise<string | null>;

/** The filter and the other parameters of GET /api/events. Streams that differ in any of them share no connection. */
export interface Selection {
  /** Only events of these types. */
  types?: readonly string[];
  /** Only events about the rows with these keys. */
  key?: string | readonly string[];
  /** Only events whose payload has these values. All fields must match; one value of a field is enough. */
  where?: Readonly<Record<string, string | readonly string[]>>;
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
  /** "fetch" distinguishes errors and can send a token; "eventsource" uses the browser's EventSource. Default "auto": fetch. */
  transport?: "auto" | "fetch" | "eventsource";
  /**
   * One connection for all tabs of this browser that open the same stream. Default true where the
   * browser supports it and there is no token. With a token, name the group, for example with the
   * user's id: tabs of different users must not receive each other's events.
   */
  shared?: boolean | string;
  token?: TokenCallback;
  /** Further request headers; not with transport "eventsource". */
  headers?: Readonly<Record<string, string>>;
  credentials?: RequestCredentials;
  /** The silence after which the connection counts as dead, in milliseconds. The server sends a heartbeat every 30 s. Default 70000. */
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

/** Returns the stream's absolute URL with its filter, without a cursor. Streams with equal URLs can share a connection. */
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
    throw new TypeError(`url ${JSON.stringify(String(url))} is relative, and there is no page to resolve it against: give an absolute one`);
  }
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : [...value].sort();
}
