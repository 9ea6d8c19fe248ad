import { StreamError, type StreamErrorDetails } from "../errors.js";
import type { Delivery } from "../reader.js";
import type { StreamStatus } from "../source.js";

/** A message of the leading tab's hub to the members. */
export type HubMessage =
  /** The hub's position, to all members or to the one that requested it. `isAtBoundary` is false within a transaction. */
  | { kind: "state"; hub: string; to?: string; status: StreamStatus; retryAt: number | null; cursor: string | null; isAtBoundary: boolean }
  | { kind: "deliver"; hub: string; delivery: Delivery }
  /** The cursor moved without a delivery. */
  | { kind: "position"; hub: string; cursor: string }
  /** The leader is alive. */
  | { kind: "beat"; hub: string }
  | { kind: "status"; hub: string; status: StreamStatus; retryAt: number | null }
  | { kind: "error"; hub: string; message: string; details: StreamErrorDetails };

/** A request of a member to the hub. */
export type MemberMessage =
  | { kind: "query-state"; from: string }
  /** Is the leader alive? */
  | { kind: "ask"; from: string }
  /** The user looks at the member's page again: make a delayed attempt now. */
  | { kind: "retry-now"; from: string }
  | { kind: "reconnect"; from: string };

export type Message = HubMessage | MemberMessage;

/** Converts an error to plain values: postMessage drops its class and its own members. */
export function packError(error: StreamError): { message: string; details: StreamErrorDetails } {
  const { message, kind, fatal, status, code, problem, retryAfter } = error;
  return { message, details: { kind, fatal, status, code, problem, retryAfter } };
}

export function unpackError({ message, details }: { message: string; details: StreamErrorDetails }): StreamError {
  return new StreamError(message, details);
}
