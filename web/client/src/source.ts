import type { StreamError } from "./errors.js";
import type { Delivery } from "./reader.js";
import type { Role } from "./stats.js";

/** Where a stream stands. */
export type StreamStatus = "connecting" | "open" | "reconnecting" | "closed";

/** What a source tells its stream. */
export interface Sink {
  deliver(delivery: Delivery): void;
  /** An event came again, and was left out. With it the cursor may have moved. */
  duplicate(cursor: string | null, id: number | undefined): void;
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
