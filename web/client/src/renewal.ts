import type { Debug } from "./debug.js";
import type { Sync } from "./events.js";
import { streamURL, type ConnectionOptions, type TokenCallback } from "./options.js";

/** What a renewal needs of its connection. */
export interface RenewalHost {
  /** How far this clock is ahead of the server's, in milliseconds. */
  clockSkew(): number;
  /** The stream cannot be renewed in place: connect anew with a new token. */
  giveUp(why: string): void;
  debug: Debug;
}

const longest = 2 ** 31 - 1; // of a timer, in milliseconds
const pause = 5000;

/** Gives an open stream a new token before the one it has expires. */
export class Renewal {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;

  constructor(
    private readonly token: TokenCallback,
    private readonly options: ConnectionOptions,
    private readonly host: RenewalHost,
  ) {}

  /** Takes the sync event with which a stream began. */
  start({ connection, expires }: Sync): void {
    this.stop();
    if (connection === undefined || expires === undefined) return;
    this.plan(connection, expires);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
  }

  private remaining(expires: number): number {
    return expires - (Date.now() - this.host.clockSkew());
  }

  /** Renews when a fifth of the time is left, and at least a minute before the end if there is one. */
  private plan(connection: string, expires: number): void {
    const remaining = this.remaining(expires);
    const delay = Math.max(0, remaining - Math.max(remaining / 5, Math.min(60_000, remaining / 2)));
    this.host.debug(`the token expires in ${Math.round(remaining / 1000)} s, renewing in ${Math.round(delay / 1000)} s`);
    if (delay > longest) this.timer = setTimeout(() => this.plan(connection, expires), longest);
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
      const response = await fetch(url, { method: "POST", headers, credentials: this.options.credentials ?? "same-origin", signal: abort.signal });
      const body = response.ok ? ((await response.json()) as { expires?: number }) : {};
      if (abort.signal.aborted) return;
      if (response.status === 404) return this.host.giveUp("no server holds this stream any more");
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      this.host.debug("the token was renewed in place");
      if (body.expires !== undefined) this.plan(connection, body.expires);
    } catch (error) {
      if (!abort.signal.aborted) this.again(connection, expires, error);
    }
  }

  private url(connection: string): URL {
    const url = streamURL(this.options);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${encodeURIComponent(connection)}/token`;
    url.search = "";
    return url;
  }

  private again(connection: string, expires: number, error: unknown): void {
    if (this.remaining(expires) <= pause) return this.host.giveUp("the token could not be renewed in time");
    this.host.debug("the token could not be renewed, trying again", error);
    this.timer = setTimeout(() => void this.renew(connection, expires), pause);
  }
}
