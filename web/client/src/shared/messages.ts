import { StreamError, type StreamErrorDetails } from "../errors.js";
import type { Delivery } from "../reader.js";
import type { StreamStatus } from "../source.js";

/** What the leader's hub says to all members. */
export type HubMessage =
  /** Where the hub is. `whole`: it is not within a transaction. To one member that asked, or to all when the hub is new. */
  | { kind: "state"; hub: string; to?: string; status: StreamStatus; retryAt: number | null; cursor: string | null; whole: boolean }
  | { kind: "deliver"; hub: string; delivery: Delivery }
  /** The cursor has moved without a delivery. */
  | { kind: "position"; hub: string; cursor: string }
  | { kind: "status"; hub: string; status: StreamStatus; retryAt: number | null }
  | { kind: "error"; hub: string; message: string; details: StreamErrorDetails };

/** What members ask of the hub. */
export type MemberMessage =
  | { kind: "hello"; from: string }
  /** A page that somebody looks at has come back: connect now rather than later. */
  | { kind: "wake"; from: string }
  | { kind: "reconnect"; from: string };

export type Message = HubMessage | MemberMessage;

/** Errors lose their class and their own members on the way to another tab. */
export function packError(error: StreamError): { message: string; details: StreamErrorDetails } {
  const { message, kind, fatal, status, code, problem, retryAfter } = error;
  return { message, details: { kind, fatal, status, code, problem, retryAfter } };
}

export function unpackError({ message, details }: { message: string; details: StreamErrorDetails }): StreamError {
  return new StreamError(message, details);
}
