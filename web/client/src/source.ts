import type { StreamError } from "./errors.js";
import type { Delivery } from "./reader.js";
import type { Role } from "./stats.js";

/** The state of a stream. "stale": connected, but the server cannot read the database at present; nothing will be lost. */
export type StreamStatus = "connecting" | "open" | "stale" | "reconnecting" | "closed";

/** Receives everything that a source produces. */
export interface Sink {
  deliver(delivery: Delivery): void;
  /** Reports an event that was dropped because it was delivered before. `cursor` is the new cursor, if it has moved. */
  duplicate(cursor: string | null, id: number | undefined): void;
  status(status: StreamStatus, retryAt: number | null): void;
  error(error: StreamError): void;
  role(role: Role): void;
  /** Takes which transactions everything contains that was delivered, as in pg_snapshot, where pages say so. */
  page?(snapshot: string): void;
}

/** A source of events: the tab's own connection, or a shared one. */
export interface Source {
  /** The cursor after the last complete transaction that was delivered. */
  readonly cursor: string | null;
  connect(): void;
  /** Connects at once, in any state. */
  reconnect(): void;
  /** Continues after this cursor. */
  restart(cursor: string | null): void;
  close(): void;
}
