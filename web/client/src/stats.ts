/** The role of this stream among those that share a connection. */
export type Role =
  | "own" // has a connection of its own
  | "leader" // has the shared connection and broadcasts what arrives
  | "follower" // receives from the leader
  | "catching-up"; // has a connection of its own until it reaches the leader's position

/** Counters since the stream was created. Times are by this machine's clock, in Unix milliseconds. */
export interface StreamStats {
  /** How often the stream became open. */
  opens: number;
  /** How often the stream became open again. */
  reconnects: number;
  resets: number;
  /** Events delivered, without control events. */
  events: number;
  /** Events that arrived a second time after a reconnect, and were dropped. */
  duplicates: number;
  heartbeats: number;
  openedAt: number | null;
  lastEventAt: number | null;
  /** While the status is "stale": when the server last read the database, by the server's clock. Otherwise null. */
  staleSince: number | null;
  /** The time of the next attempt. */
  retryAt: number | null;
  /** By how much this clock is ahead of the server's, in milliseconds: the smallest difference seen. */
  clockSkew: number | null;
  role: Role;
}

export function newStats(): StreamStats {
  return {
    opens: 0,
    reconnects: 0,
    resets: 0,
    events: 0,
    duplicates: 0,
    heartbeats: 0,
    openedAt: null,
    lastEventAt: null,
    staleSince: null,
    retryAt: null,
    clockSkew: null,
    role: "own",
  };
}
