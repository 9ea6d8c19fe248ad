import { errorOfResponse, StreamError } from "./errors.js";
import type { Transport, TransportEvents, TransportRequest } from "./transport.js";

/**
 * Reads the stream with the browser's own EventSource. It cannot send a token, so it trades it for
 * a single-use ticket; and it does not say why a server refused, so that is asked separately.
 * Reconnecting is ours alone: every error ends the connection.
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
    const url = request.token === null ? request.url : await withTicket(request, request.token, abort.signal);
    if (abort.signal.aborted) return;
    source = listen(url, request, events, (opened) => {
      if (opened) return end(new StreamError("the connection broke", { kind: "network" }));
      void explain(request, url, abort.signal).then(end);
    });
  };
  open().catch((cause: unknown) =>
    end(cause instanceof StreamError ? cause : new StreamError("the ticket could not be fetched", { kind: "network", cause })),
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
  source.onopen = () => {
    opened = true;
    events.alive();
  };
  source.onmessage = (message: MessageEvent<string>) => {
    events.alive();
    // It repeats the last id on events that had none. A transaction always has a new one.
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
  const headers = { Authorization: `Bearer ${token}`, Accept: "application/json" };
  const response = await fetch(url, { method: "POST", headers, signal, credentials: request.credentials });
  if (!response.ok) throw await errorOfResponse(response, request.wasOpen);
  const { ticket } = (await response.json()) as { ticket: string };
  const ticketed = new URL(request.url);
  ticketed.searchParams.set("ticket", ticket);
  return ticketed;
}

/** Asks once more, with fetch, why the stream did not open. */
async function explain(request: TransportRequest, url: URL, signal: AbortSignal): Promise<StreamError> {
  const unknown = (cause?: unknown) => new StreamError("the connection failed", { kind: "network", cause });
  if (url.searchParams.has("ticket")) return unknown();
  try {
    const response = await fetch(url, { signal, credentials: request.credentials, cache: "no-store", headers: { Accept: "text/event-stream" } });
    if (response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      void response.body?.cancel().catch(() => {});
      return unknown();
    }
    return await errorOfResponse(response, request.wasOpen);
  } catch (cause) {
    return unknown(cause);
  }
}
