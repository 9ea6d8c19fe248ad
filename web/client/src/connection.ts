import { Backoff } from "./backoff.js";
import type { Debug } from "./debug.js";
import { StreamError } from "./errors.js";
import { streamURL, type ConnectionOptions } from "./options.js";
import { Position } from "./position.js";
import { Reader, type Delivery } from "./reader.js";
import { Renewal } from "./renewal.js";
import type { Sink, Source, StreamStatus } from "./source.js";
import { Tokens } from "./tokens.js";
import { eventSourceTransport } from "./transport-eventsource.js";
import { fetchTransport } from "./transport-fetch.js";
import type { Transport } from "./transport.js";
import { onWake, type Wake } from "./wake.js";
import { Watchdog } from "./watchdog.js";

/** A connection that ends sooner than this, in milliseconds, counts as one more failure. */
const provenAfter = 5000;

/**
 * One connection to the server that comes back by itself. States: closed → connecting → open →
 * reconnecting → open …, and closed again after close() or a fatal error.
 */
export class Connection implements Source {
  private readonly backoff: Backoff;
  private readonly transport: Transport;
  private readonly watchdog = new Watchdog((silence) => this.silent(silence));
  private readonly tokens: Tokens;
  private readonly renewal: Renewal | undefined;
  private status: StreamStatus = "closed";
  private wasOpen = false;
  private openedAt = 0;
  private skew: number | undefined;
  private notBefore = 0; // a Retry-After is not over until then
  private waiting = false; // for the timer of the next attempt
  private timer: ReturnType<typeof setTimeout> | undefined;
  private hangUp: (() => void) | undefined;
  private stopWaking: (() => void) | undefined;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly sink: Sink,
    private readonly debug: Debug,
    private readonly position = new Position(options.since ?? null),
  ) {
    this.backoff = new Backoff(options.backoff);
    this.transport = options.transport === "eventsource" ? eventSourceTransport : fetchTransport;
    this.tokens = new Tokens(options.token);
    if (options.token) {
      this.renewal = new Renewal(options.token, options, {
        clockSkew: () => this.skew ?? 0,
        giveUp: (why) => this.changeToken(why),
        debug,
      });
    }
  }

  get cursor(): string | null {
    return this.position.cursor;
  }

  connect(): void {
    if (this.status !== "closed") return;
    this.stopWaking = onWake((wake, cause) => this.wake(wake, cause));
    this.begin();
  }

  reconnect(): void {
    if (this.status === "closed") return this.connect();
    this.backoff.reset();
    this.begin();
  }

  restart(cursor: string | null): void {
    this.drop();
    this.position.move(cursor);
    this.debug(`continuing after the cursor ${cursor ?? "of now"}`);
    if (this.status !== "closed") this.begin();
  }

  close(): void {
    if (this.status === "closed") return;
    this.drop();
    this.stopWaking?.();
    this.debug("closed");
    this.become("closed", null);
  }

  /** Somebody looks: an attempt that waits for its turn is made now. */
  wakeUp(cause: string): void {
    if (this.status !== "closed") this.wake("visible", cause);
  }

  private become(status: StreamStatus, retryAt: number | null): void {
    this.status = status;
    this.sink.status(status, retryAt);
  }

  /** Ends what is under way: connection, timers and renewal. */
  private drop(): void {
    clearTimeout(this.timer);
    this.waiting = false;
    this.watchdog.stop();
    this.renewal?.stop();
    this.hangUp?.();
    this.hangUp = undefined;
    this.position.interrupt();
  }

  private begin(): void {
    this.drop();
    let current = true;
    this.hangUp = () => {
      current = false;
    };
    this.watchdog.watch(this.options.connectTimeout ?? 30_000);
    this.become(this.wasOpen ? "reconnecting" : "connecting", null);
    if (this.status === "closed" || !current) return; // a listener may have closed it
    this.tokens.next().then(
      (token) => current && this.open(token),
      (error: StreamError) => current && this.failed(error),
    );
  }

  private open(token: string | null): void {
    let url: URL;
    try {
      url = this.requestURL();
    } catch (cause) {
      return this.failed(new StreamError((cause as Error).message, { kind: "setup", fatal: true, cause }));
    }
    this.debug(`connecting to ${url.pathname}, ${this.cursor === null ? "beginning now" : `after the cursor ${this.cursor}`}`);
    const reader = new Reader(this.position, {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: (cursor, id) => this.sink.duplicate(cursor, id),
      error: (error) => this.sink.error(error),
    });
    const { headers = {}, credentials = "same-origin" } = this.options;
    this.hangUp = this.transport(
      { url, token, headers, credentials, wasOpen: this.wasOpen },
      {
        alive: () => this.watchdog.alive(),
        retry: (milliseconds) => {
          this.backoff.retry = milliseconds;
        },
        frame: (data, id) => reader.frame(data, id),
        ended: (error) => this.ended(error, token !== null),
      },
    );
  }

  /** A parameter rather than the header, which would need a preflight from another origin. */
  private requestURL(): URL {
    const url = streamURL(this.options);
    if (this.cursor !== null) url.searchParams.set(this.wasOpen ? "lastEventId" : "since", this.cursor);
    return url;
  }

  private deliver(delivery: Delivery): void {
    if (delivery.kind !== "event") {
      const ahead = delivery.meta.receivedAt - delivery.event.timestamp;
      this.skew = Math.min(this.skew ?? Infinity, ahead);
    }
    if (delivery.kind === "sync") this.synced(delivery);
    else this.sink.deliver(delivery);
  }

  private synced(delivery: Delivery & { kind: "sync" }): void {
    const { mode } = delivery.event.data;
    if (this.status !== "open" && mode !== "expired" && mode !== "draining") this.opened(delivery);
    this.sink.deliver(delivery);
    if (mode === "reset") this.debug(`the server cannot continue from our cursor (${delivery.event.data.reason}): everything must be fetched anew`);
    if (mode === "draining") {
      this.debug("the server shuts down");
      this.backoff.reset();
    }
    if (mode === "expired" && this.status !== "closed") this.changeToken("the token has expired");
  }

  /** Connects anew with a new token. */
  private changeToken(why: string): void {
    this.debug(why);
    this.tokens.expired();
    this.begin();
  }

  private opened(delivery: Delivery & { kind: "sync" }): void {
    this.wasOpen = true;
    this.openedAt = Date.now();
    this.tokens.settled();
    this.watchdog.watch(this.options.heartbeatTimeout ?? 70_000);
    this.renewal?.start(delivery.event.data);
    this.debug(`open: ${delivery.event.data.mode}`, delivery.event.data);
    this.become("open", null);
  }

  private ended(error: StreamError | null, hadToken: boolean): void {
    if (this.status === "open" && Date.now() - this.openedAt >= provenAfter) this.backoff.reset();
    if (error?.status === 401 && hadToken && this.tokens.refused()) {
      this.debug("the server refused the token: asking for another");
      return this.begin();
    }
    this.failed(error);
  }

  private failed(error: StreamError | null): void {
    this.drop();
    if (error?.fatal) {
      this.debug(`giving up: ${error.message}`, error);
      this.tokens.settled();
      this.stopWaking?.();
      this.sink.error(error);
      return this.become("closed", null);
    }
    const delay = this.backoff.next(error?.retryAfter);
    const retryAt = Date.now() + delay;
    this.notBefore = error?.retryAfter === undefined ? 0 : retryAt;
    this.debug(`${error?.message ?? "the server ended the stream"}: again in ${Math.round(delay)} ms`, error ?? undefined);
    this.waiting = true;
    this.timer = setTimeout(() => this.begin(), delay);
    if (error) {
      error.retryAt = retryAt;
      this.sink.error(error);
    }
    if (this.status !== "closed") this.become(this.wasOpen ? "reconnecting" : "connecting", retryAt);
  }

  private silent(silence: number): void {
    const message = this.status === "open" ? "nothing came, not even a heartbeat" : "the stream did not begin";
    this.failed(new StreamError(`${message}, for ${Math.round(silence / 1000)} s`, { kind: "silent" }));
  }

  private wake(wake: Wake, cause: string): void {
    if (wake === "visible" && !this.waiting) return this.watchdog.look();
    if (Date.now() < this.notBefore) return this.debug(`${cause}, but the server has asked us to wait`);
    this.debug(`${cause}: connecting now`);
    this.reconnect();
  }
}
