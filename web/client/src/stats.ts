/** What role this stream has among those that share a connection. */
export type Role =
  | "own" // shares nothing
  | "leader" // holds the connection, and passes on what comes
  | "follower" // hears the leader
  | "catching-up"; // on its own connection until it is where the leader is

/** Figures since the stream was made. Times are this machine's, in Unix milliseconds. */
export interface StreamStats {
  /** How often the stream was opened. */
  opens: number;
  /** How often it was opened again. */
  reconnects: number;
  resets: number;
  /** Events delivered, without sync and heartbeat. */
  events: number;
  /** Events that came a second time after a broken connection, and were left out. */
  duplicates: number;
  heartbeats: number;
  openedAt: number | null;
  lastEventAt: number | null;
  /** When the next attempt is due. */
  retryAt: number | null;
  /** How far this clock is ahead of the server's, in milliseconds: the smallest difference seen. */
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
    retryAt: null,
    clockSkew: null,
    role: "own",
  };
}
