import { errorOfResponse, StreamError } from "./errors.js";
import type { Transport, TransportEvents, TransportRequest } from "./transport.js";

/**
 * Reads the stream with the browser's EventSource. An EventSource cannot send a token, so the
 * transport exchanges the token for a single-use ticket. It does not expose why a server refused,
 * so the transport repeats the request with fetch. Every error ends the connection: the Connection
 * alone reconnects.
 */
export const eventSourceTransport: Transport = (request, events) => {
  const abort = new AbortController();
  let source: EventSource | undefined;
  const end = (error: StreamError | null) => {
    if (abort.signal.aborted) return;
    abort.abort();
    source?.close();
    events.ended(error);
  };
  const open = async () => {
    if (typeof EventSource === "undefined") throw new StreamError('there is no EventSource here: leave out transport: "eventsource"', { kind: "setup", fatal: true });
    const url = request.token === null ? request.url : await withTicket(request, request.token, abort.signal);
    if (abort.signal.aborted) return;
    source = listen(url, request, events, (opened) => {
      if (opened) return end(new StreamError("the connection broke", { kind: "network" }));
      void explain(request, url, abort.signal).then(end);
    });
  };
  open().catch((cause: unknown) =>
    end(cause instanceof StreamError ? cause : new StreamError("fetch a ticket: no response", { kind: "network", cause })),
  );
  return () => {
    abort.abort();
    source?.close();
  };
};

function listen(url: URL, request: TransportRequest, events: TransportEvents, failed: (opened: boolean) => void): EventSource {
  const source = new EventSource(url, { withCredentials: request.credentials === "include" });
  let opened = false;
  let last = "";
  source.onopen = () => events.bytesReceived();
  source.onmessage = (message: MessageEvent<string>) => {
    opened = true; // not at onopen: a refusal that will pass is a stream that ends before its first event
    events.bytesReceived();
    // An EventSource repeats the last id on events without one. Each transaction has a new id.
    const id = message.lastEventId === last ? null : message.lastEventId;
    last = message.lastEventId;
    events.frame(message.data, id);
  };
  source.onerror = () => {
    source.close();
    failed(opened);
  };
  return source;
}

async function withTicket(request: TransportRequest, token: string, signal: AbortSignal): Promise<URL> {
  const url = new URL(request.url);
  url.pathname = url.pathname.replace(/\/[^/]*\/?$/, "/tickets");
  url.search = "";
  const { fetch } = request;
  const headers = { Authorization: `Bearer ${token}`, Accept: "application/json" };
  const response = await fetch(url, { method: "POST", headers, signal, credentials: request.credentials });
  if (!response.ok) throw await errorOfResponse(response, request.wasOpen);
  const { ticket } = (await response.json()) as { ticket: string };
  const ticketed = new URL(request.url);
  ticketed.searchParams.set("ticket", ticket);
  return ticketed;
}

/** Repeats the request with fetch to learn why the stream did not open. */
async function explain(request: TransportRequest, url: URL, signal: AbortSignal): Promise<StreamError> {
  const unknown = (cause?: unknown) => new StreamError("the connection failed", { kind: "network", cause });
  if (url.searchParams.has("ticket")) return unknown();
  const { fetch } = request;
  try {
    const response = await fetch(url, { signal, credentials: request.credentials, cache: "no-store", headers: { Accept: "text/event-stream, application/problem+json" } });
    if (response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      void response.body?.cancel().catch(() => {});
      return unknown();
    }
    return await errorOfResponse(response, request.wasOpen);
  } catch (cause) {
    return unknown(cause);
  }
}
