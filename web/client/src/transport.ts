import type { StreamError } from "./errors.js";

/** Receives what happens on one connection. A transport calls nothing after `ended`. */
export interface TransportEvents {
  /** Reports that bytes arrived, even if they complete no event. */
  bytesReceived(): void;
  /** Reports the server's `retry:`, in milliseconds. */
  retry(milliseconds: number): void;
  /** Delivers the data of one event. `id` is null if the event has no id line. */
  frame(data: string, id: string | null): void;
  /** Reports which transactions everything contains that was delivered, as in pg_snapshot. */
  page?(snapshot: string): void;
  /** Reports that a stream would work. Absent if there is none to go back to. */
  streams?(): void;
  /** Reports the end of the connection; null if the server ended it normally. */
  ended(error: StreamError | null): void;
}

export interface TransportRequest {
  /** The URL with filter and cursor. */
  url: URL;
  token: string | null;
  headers: Readonly<Record<string, string>>;
  credentials: RequestCredentials;
  fetch: typeof globalThis.fetch;
  /** The longest silence, in milliseconds. */
  patience: number;
  /** Whether the stream was open before: then an unexpected response may be temporary. */
  wasOpen: boolean;
}

/** Opens a connection. Returns a function that closes it without calling `ended`. */
export type Transport = (request: TransportRequest, events: TransportEvents) => () => void;
