import type { StreamError } from "./errors.js";
import type { Delivery } from "./reader.js";
import type { Role } from "./stats.js";

/** Where a stream stands. */
export type StreamStatus = "connecting" | "open" | "reconnecting" | "closed";

/** What a source tells its stream. */
export interface Sink {
  deliver(delivery: Delivery): void;
  duplicate(): void;
  status(status: StreamStatus, retryAt: number | null): void;
  error(error: StreamError): void;
  role(role: Role): void;
}

/** Something that events come from: a connection of one's own, or a shared one. */
export interface Source {
  /** The cursor after the last whole transaction that was delivered. */
  readonly cursor: string | null;
  connect(): void;
  /** Connects now, whatever the state. */
  reconnect(): void;
  /** Continues after this cursor. */
  restart(cursor: string | null): void;
  close(): void;
}
