import type { Sync } from "./events.js";
import type { ConnectionOptions } from "./options.js";

/** What may delay a heartbeat on its way, in milliseconds. */
const heartbeatSlack = 2000;

/**
 * Returns how long nothing may arrive on a stream. At least two heartbeats are missing then, of a server that says how often they
 * come. An EventSource shows events, but not that a large one is on its way.
 */
export function silenceLimit({ heartbeatTimeout = 70_000, transport }: ConnectionOptions, { heartbeat = 0 }: Sync): number {
  return heartbeat > 0 && transport !== "eventsource" ? Math.min(heartbeatTimeout, 2.5 * heartbeat + heartbeatSlack) : heartbeatTimeout;
}

/** Detects that nothing arrives for too long. Timers of hidden pages run late, so `check` can be called as well. */
export class Watchdog {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastAt = 0;
  private limit = 0;

  constructor(private readonly onSilence: (silence: number) => void) {}

  /** Watches until `stop`. Reports a silence of `limit` milliseconds. */
  watch(limit: number): void {
    this.stop();
    this.limit = limit;
    this.lastAt = Date.now();
    this.timer = setTimeout(() => this.check(), limit);
  }

  /** Records that something arrived. */
  touch(): void {
    this.lastAt = Date.now();
  }

  /** Reports the silence if it has reached the limit. */
  check(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    const silence = Date.now() - this.lastAt;
    if (silence >= this.limit) {
      this.timer = undefined;
      this.onSilence(silence);
      return;
    }
    // Extending one timer is cheaper than a new timer for each event.
    this.timer = setTimeout(() => this.check(), this.limit - Math.max(0, silence));
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
