import { createParser } from "eventsource-parser";
import { errorOfResponse, StreamError } from "./errors.js";
import type { Transport, TransportEvents, TransportRequest } from "./transport.js";

/** Reads the stream with fetch: it can send a token and sees why a server refuses. */
export const fetchTransport: Transport = (request, events) => {
  const abort = new AbortController();
  let over = false;
  const end = (error: StreamError | null) => {
    if (over) return;
    over = true;
    events.ended(error);
  };
  read(request, events, abort.signal, () => over).then(
    end,
    (cause: unknown) =>
      end(cause instanceof StreamError ? cause : new StreamError("the connection failed or broke", { kind: "network", cause })),
  );
  return () => {
    over = true;
    abort.abort();
  };
};

async function read(request: TransportRequest, events: TransportEvents, signal: AbortSignal, over: () => boolean): Promise<StreamError | null> {
  const headers: Record<string, string> = { ...request.headers, Accept: "text/event-stream" };
  if (request.token !== null) headers.Authorization = `Bearer ${request.token}`;
  const response = await fetch(request.url, { headers, signal, credentials: request.credentials, cache: "no-store" });
  if (over()) return null;
  const isStream = response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream");
  if (!isStream || !response.body) return errorOfResponse(response, request.wasOpen);
  events.alive();
  const parser = createParser({
    onEvent: ({ data, id }) => over() || events.frame(data, id ?? null),
    onRetry: (milliseconds) => over() || events.retry(milliseconds),
  });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (over() || done) return null;
    events.alive();
    parser.feed(decoder.decode(value, { stream: true }));
  }
}
