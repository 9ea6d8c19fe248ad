import type { StreamError } from "./errors.js";

/** What a transport tells of one connection. After `ended` it says nothing more. */
export interface TransportEvents {
  /** Bytes came, perhaps none that make an event. */
  alive(): void;
  /** The server's `retry:`, in milliseconds. */
  retry(milliseconds: number): void;
  /** An event. `id` is null if it had no id line of its own. */
  frame(data: string, id: string | null): void;
  /** The connection is over; null if the server ended it in good order. */
  ended(error: StreamError | null): void;
}

export interface TransportRequest {
  /** With selection and cursor. */
  url: URL;
  token: string | null;
  headers: Readonly<Record<string, string>>;
  credentials: RequestCredentials;
  /** The stream has been open before, so that what is there now may be a passing trouble. */
  wasOpen: boolean;
}

/** Opens a connection and returns what ends it without a further word. */
export type Transport = (request: TransportRequest, events: TransportEvents) => () => void;
