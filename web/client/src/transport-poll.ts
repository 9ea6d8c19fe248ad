import { errorOfResponse, StreamError } from "./errors.js";
import type { Envelope, Sync } from "./events.js";
import { textsOf } from "./texts.js";
import { fetchTransport } from "./transport-fetch.js";
import type { Transport, TransportEvents, TransportRequest } from "./transport.js";

/** How long the server waits for an event, in milliseconds. */
const longestWait = 25_000;

/** The least time between two requests that find nothing, in milliseconds: a server or proxy that does not wait must not make the client spin. */
const leastPause = 1000;

/** When to try a stream again, in milliseconds: at first, and at most. */
const firstProbe = 60_000;
const longestProbe = 30 * 60_000;

/** How long a stream may take until its first event, in milliseconds. */
const probeTimeout = 10_000;

/** A page of events, instead of a stream. */
interface EventPage {
  events: Envelope[];
  cursor: string;
  more: boolean;
  /** The transactions of the cursor, as in pg_snapshot, if no more events follow. */
  snapshot?: string;
  sync?: Sync;
}

/**
 * Asks for one page of events after another, where a proxy lets no stream through. Beside that it tries a stream from
 * time to time, and reports when one works.
 */
export const pollTransport: Transport = (request, events) => {
  const abort = new AbortController();
  const { signal } = abort;
  const url = new URL(request.url);
  const probe = new Probe(() => ({ ...request, url: streamURL(request.url, url) }), events);
  const close = () => {
    abort.abort();
    probe.stop();
  };
  const end = (error: StreamError | null) => {
    if (signal.aborted) return;
    close();
    events.ended(error);
  };
  poll(url, request, events, signal).then(end, (cause: unknown) =>
    end(cause instanceof StreamError ? cause : new StreamError("the connection failed or broke", { kind: "network", cause })),
  );
  return close;
};

async function poll(url: URL, request: TransportRequest, events: TransportEvents, signal: AbortSignal): Promise<StreamError | null> {
  const { fetch, credentials } = request;
  const headers: Record<string, string> = { ...request.headers, Accept: "application/json" };
  if (request.token !== null) headers.Authorization = `Bearer ${request.token}`;
  const wait = `${Math.floor(Math.min(longestWait, request.patience / 2))}ms`;
  url.searchParams.delete("batch");
  for (let mode: Sync["mode"] | undefined; ; ) {
    const began = Date.now();
    const { searchParams } = url;
    const [waited, cursor] = [searchParams.has("wait"), searchParams.get("since") ?? searchParams.get("lastEventId")];
    const response = await fetch(url, { headers, signal, credentials, cache: "no-store" });
    if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) return errorOfResponse(response, request.wasOpen, "JSON");
    const text = await response.text();
    const page = JSON.parse(text) as EventPage;
    if (signal.aborted) return null;
    events.bytesReceived();
    mode = deliver(page, text, mode, { ...events, frame: (data, id) => signal.aborted || events.frame(data, id) }); // a listener may close it
    if (page.snapshot !== undefined && !signal.aborted) events.page?.(page.snapshot);
    if (signal.aborted || mode === "draining") return null;
    searchParams.delete("lastEventId");
    searchParams.set("since", page.cursor);
    if (page.more) searchParams.delete("wait");
    else searchParams.set("wait", wait);
    const isIdle = page.events.length === 0 && (waited || (page.more && page.cursor === cursor));
    if (isIdle) await pause(began + leastPause - Date.now(), signal);
    if (signal.aborted) return null;
  }
}

/** Waits for so many milliseconds, or until `signal` is aborted. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> | void {
  if (milliseconds <= 0) return;
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}

/** Delivers a page as a stream would, and returns the mode after it. */
function deliver({ events: envelopes, cursor, sync }: EventPage, text: string, before: Sync["mode"] | undefined, events: TransportEvents): Sync["mode"] {
  const frame = (type: string, data: object, id: string | null) => events.frame(JSON.stringify({ type, data, timestamp: Date.now() }), id);
  const isEmpty = envelopes.length === 0;
  const now = sync ?? (before === undefined ? { mode: "resumed" as const } : before === "stale" ? { mode: "live" as const } : null);
  if (now) frame("sync", now, isEmpty ? cursor : null);
  textsOf(text, ["events"], envelopes).forEach((envelope, i) => events.frame(envelope, i === envelopes.length - 1 ? cursor : null));
  if (isEmpty && !sync) frame("heartbeat", {}, cursor);
  return sync?.mode ?? "live";
}

/** Returns the URL of a stream that continues where the pages are. */
function streamURL(original: URL, page: URL): URL {
  const url = new URL(original);
  const cursor = page.searchParams.get("since");
  if (cursor === null) return url;
  url.searchParams.delete("since");
  url.searchParams.set("lastEventId", cursor);
  return url;
}

/** Tries a stream now and then, and reports it when its first event comes. */
class Probe {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private close: (() => void) | undefined;
  private delay = firstProbe;

  constructor(
    private readonly request: () => TransportRequest,
    private readonly events: TransportEvents,
  ) {
    if (events.streams) this.schedule();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.close?.();
  }

  private schedule(): void {
    this.stop();
    this.timer = setTimeout(() => this.open(), this.delay);
    this.delay = Math.min(longestProbe, 2 * this.delay);
  }

  private open(): void {
    this.timer = setTimeout(() => this.schedule(), probeTimeout);
    this.close = fetchTransport(this.request(), {
      bytesReceived() {},
      retry() {},
      frame: () => {
        this.stop();
        this.events.streams?.();
      },
      ended: () => this.schedule(),
    });
  }
}
