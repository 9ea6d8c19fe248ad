import { Snapshot } from "../collection/snapshot.js";
import { Connection } from "../connection.js";
import type { Debug } from "../debug.js";
import { errorOfResponse } from "../errors.js";
import type { ConnectionOptions } from "../options.js";
import type { Position } from "../position.js";
import type { Sink } from "../source.js";
import { streamURL } from "../stream-url.js";
import { withToken } from "../tokens.js";

/** The most events of a page, and the most pages: what came since a stream's last heartbeat, which is little. */
const pageSize = "1000";
const mostPages = 20;

/** How long to wait for all of them, in milliseconds. */
const longestRead = 10_000;

/** The events that came after a cursor. */
export interface Past {
  ids: Set<number>;
  /** What the cursor and the events are: the transactions, and as a cursor. */
  snapshot: Snapshot;
  cursor: string;
}

/** Finds out which events came after a cursor until now. Rejects if they are too many, or if that takes too long. */
export async function readPast(options: ConnectionOptions, since: string, signal: AbortSignal): Promise<Past> {
  const limit = new AbortController();
  const stop = () => {
    clearTimeout(timer);
    limit.abort();
  };
  const timer = setTimeout(stop, longestRead);
  signal.addEventListener("abort", stop);
  try {
    return await readPages(options, since, limit.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

async function readPages(options: ConnectionOptions, since: string, signal: AbortSignal): Promise<Past> {
  const { credentials = "same-origin", fetch = globalThis.fetch } = options;
  const url = streamURL(options);
  const { searchParams } = url;
  searchParams.set("max", pageSize);
  const ids = new Set<number>();
  for (let pages = 0, cursor = since; pages < mostPages; pages++) {
    searchParams.set("since", cursor);
    const send = (token: object) => fetch(url, { headers: { ...options.headers, Accept: "application/json", ...token }, credentials, signal, cache: "no-store" });
    const response = await withToken(options.token, send);
    if (!response.ok) throw await errorOfResponse(response, true, "JSON");
    const page = (await response.json()) as { events: { id?: number }[]; cursor: string; snapshot?: string };
    for (const { id } of page.events) if (id !== undefined) ids.add(id);
    if (page.snapshot !== undefined) return { ids, snapshot: new Snapshot(page.snapshot), cursor: page.cursor };
    cursor = page.cursor;
  }
  throw new Error("too many events");
}

/** Returns a connection that reads pages. What it brings goes to the sink, with a snapshot after each last page, as long as `ifCurrent` acts. */
export function pagesOf(
  options: ConnectionOptions,
  position: Position,
  sink: Sink,
  ifCurrent: (action: () => void) => unknown,
  onPage: (snapshot: Snapshot) => void,
  debug: Debug,
): Connection {
  const events: Sink = {
    deliver: (delivery) => ifCurrent(() => sink.deliver(delivery)),
    duplicate: (cursor, id) => ifCurrent(() => sink.duplicate(cursor, id)),
    status: (status, retryAt) => ifCurrent(() => sink.status(status, retryAt)),
    error: (error) => ifCurrent(() => sink.error(error)),
    role: () => {},
    page: (text) => ifCurrent(() => onPage(new Snapshot(text))),
  };
  return new Connection({ ...options, transport: "poll" }, events, debug, position);
}
