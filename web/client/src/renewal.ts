import type { Debug } from "./debug.js";
import type { Sync } from "./events.js";
import type { ConnectionOptions, TokenCallback } from "./options.js";
import { streamURL } from "./stream-url.js";

/** The connection that a renewal serves. */
export interface RenewalHost {
  /** Returns by how much this clock is ahead of the server's, in milliseconds. */
  clockSkew(): number;
  /** Reconnects with a new token, since the stream cannot be renewed in place. */
  reconnect(why: string): void;
  debug: Debug;
}

/** The longest delay of a timer, in milliseconds. */
const maxDelay = 2 ** 31 - 1;

/** The delay before another attempt to renew, in milliseconds. */
const retryDelay = 5000;

/** Renews the token of an open stream before it expires. */
export class Renewal {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;

  constructor(
    private readonly token: TokenCallback,
    private readonly options: ConnectionOptions,
    private readonly host: RenewalHost,
  ) {}

  /** Starts with the first sync event of a stream. Without a token that expires it does nothing. */
  start({ connection, expires }: Sync): void {
    this.stop();
    if (connection === undefined || expires === undefined) return;
    this.schedule(connection, expires);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
  }

  private remaining(expires: number): number {
    return expires - (Date.now() - this.host.clockSkew());
  }

  /** Schedules the renewal for when a fifth of the time is left, or a minute if that is more, but at most half of it. */
  private schedule(connection: string, expires: number): void {
    const remaining = this.remaining(expires);
    const delay = Math.max(0, remaining - Math.max(remaining / 5, Math.min(60_000, remaining / 2)));
    this.host.debug(`the token expires in ${Math.round(remaining / 1000)} s, renewing in ${Math.round(delay / 1000)} s`);
    if (delay > maxDelay) this.timer = setTimeout(() => this.schedule(connection, expires), maxDelay);
    else this.timer = setTimeout(() => void this.renew(connection, expires), delay);
  }

  private async renew(connection: string, expires: number): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    try {
      const token = await this.token({ reason: "renew" });
      if (abort.signal.aborted) return;
      const url = this.url(connection);
      const headers: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
      const { fetch = globalThis.fetch } = this.options;
      const response = await fetch(url, { method: "POST", headers, credentials: this.options.credentials ?? "same-origin", signal: abort.signal });
      const body = response.ok ? ((await response.json()) as { expires?: number }) : {};
      if (abort.signal.aborted) return;
      if (response.status === 404) return this.host.reconnect("the server no longer has this stream");
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      this.host.debug("the token was renewed in place");
      if (body.expires !== undefined) this.schedule(connection, body.expires);
    } catch (error) {
      if (!abort.signal.aborted) this.retry(connection, expires, error);
    }
  }

  private url(connection: string): URL {
    const url = streamURL(this.options);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${encodeURIComponent(connection)}/token`;
    url.search = "";
    return url;
  }

  private retry(connection: string, expires: number, error: unknown): void {
    if (this.remaining(expires) <= retryDelay) return this.host.reconnect("the token could not be renewed in time");
    this.host.debug("the token could not be renewed, retrying", error);
    this.timer = setTimeout(() => void this.renew(connection, expires), retryDelay);
  }
}
