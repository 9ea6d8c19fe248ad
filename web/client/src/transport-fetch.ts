import { createParser } from "eventsource-parser";
import { errorOfResponse, StreamError } from "./errors.js";
import type { Transport, TransportEvents, TransportRequest } from "./transport.js";

/** Reads the stream with fetch, which can send a token and sees why a server refuses. */
export const fetchTransport: Transport = (request, events) => {
  const abort = new AbortController();
  let isEnded = false;
  const end = (error: StreamError | null) => {
    if (isEnded) return;
    isEnded = true;
    events.ended(error);
  };
  read(request, events, abort.signal, () => isEnded).then(
    end,
    (cause: unknown) =>
      end(cause instanceof StreamError ? cause : new StreamError("the connection failed or broke", { kind: "network", cause })),
  );
  return () => {
    isEnded = true;
    abort.abort();
  };
};

async function read(request: TransportRequest, events: TransportEvents, signal: AbortSignal, isEnded: () => boolean): Promise<StreamError | null> {
  const { fetch } = request; // a method call would give the browser's function another `this`
  const headers: Record<string, string> = { ...request.headers, Accept: "text/event-stream, application/problem+json" };
  if (request.token !== null) headers.Authorization = `Bearer ${request.token}`;
  const response = await fetch(request.url, { headers, signal, credentials: request.credentials, cache: "no-store" });
  if (isEnded()) return null;
  const isStream = response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream");
  if (!isStream || !response.body) return errorOfResponse(response, request.wasOpen);
  events.bytesReceived();
  const parser = createParser({
    onEvent: ({ data, id }) => isEnded() || events.frame(data, id ?? null),
    onRetry: (milliseconds) => isEnded() || events.retry(milliseconds),
  });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (isEnded() || done) return null;
    events.bytesReceived();
    parser.feed(decoder.decode(value, { stream: true }));
  }
}
