import { Backoff } from "./backoff.js";
import { lazyTransport } from "./lazy.js";
import type { Debug } from "./debug.js";
import { StreamError } from "./errors.js";
import type { Sync } from "./events.js";
import type { ConnectionOptions } from "./options.js";
import { streamURL } from "./stream-url.js";
import { Position } from "./position.js";
import { Reader, type Delivery } from "./reader.js";
import type { Renewal } from "./renewal.js";
import type { Sink, Source, StreamStatus } from "./source.js";
import { Tokens } from "./tokens.js";
import { fetchTransport } from "./transport-fetch.js";
import type { Transport } from "./transport.js";
import { onPageReturn, type PageReturn } from "./page-return.js";
import { silenceLimit, Watchdog } from "./watchdog.js";

/** A connection that ends sooner than this, in milliseconds, counts as another failure. */
const minUptime = 5000;

/** The longest time between the beginning of a response and its first event, in milliseconds. */
const maxMute = 10_000;

const eventSource = lazyTransport(async () => (await import("./transport-eventsource.js")).eventSourceTransport);
const poll = lazyTransport(async () => (await import("./transport-poll.js")).pollTransport);

/**
 * A connection to the server that reconnects by itself.
 *
 *               connect()              first sync         connection ends
 *     closed ─────────────▶ connecting ──────────▶ open ◀─────────────────▶ reconnecting
 *        ▲                                                 first sync
 *        └──── close() or a fatal error, from every state
 *
 * Between open and stale the connection stays: the server says that it cannot read the database, or can again.
 */
export class Connection implements Source {
  private readonly backoff: Backoff;
  private readonly transport: Transport;
  private isMuted = false; // a proxy lets no stream through
  private hasAnswer = false; // the current attempt
  private readonly watchdog = new Watchdog((silence) => this.onSilence(silence));
  private readonly tokens: Tokens;
  private renewal: Renewal | undefined;
  private status: StreamStatus = "closed";
  private wasOpen = false;
  private openedAt = 0;
  private skew: number | undefined;
  private notBefore = 0; // the end of a Retry-After
  private isWaiting = false; // for the timer of the next attempt
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abortAttempt: (() => void) | undefined;
  private stopWatchingPage: (() => void) | undefined;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly sink: Sink,
    private readonly debug: Debug,
    private readonly position = new Position(options.since ?? null),
  ) {
    this.backoff = new Backoff(options.backoff);
    this.transport = options.transport === "eventsource" ? eventSource : options.transport === "poll" ? poll : fetchTransport;
    this.tokens = new Tokens(options.token);
  }

  get cursor(): string | null {
    return this.position.cursor;
  }

  connect(): void {
    if (this.status !== "closed") return;
    this.stopWatchingPage = onPageReturn((how, cause) => this.onReturn(how, cause));
    this.attempt();
  }

  reconnect(): void {
    if (this.status === "closed") return this.connect();
    this.backoff.reset();
    this.attempt();
  }

  restart(cursor: string | null): void {
    this.abort();
    this.position.move(cursor);
    this.debug(cursor === null ? "continuing with new events" : `continuing after the cursor ${cursor}`);
    if (this.status !== "closed") this.attempt();
  }

  close(): void {
    if (this.status === "closed") return;
    this.abort();
    this.stopWatchingPage?.();
    this.debug("closed");
    this.setStatus("closed", null);
  }

  /** Makes a delayed attempt now, since the user looks at a page. `cause` is for the debug log. */
  retryNow(cause: string): void {
    if (this.status !== "closed") this.onReturn("visible", cause);
  }

  private setStatus(status: StreamStatus, retryAt: number | null): void {
    this.status = status;
    this.sink.status(status, retryAt);
  }

  /** Ends the current connection or attempt, with its timers and its renewal. */
  private abort(): void {
    clearTimeout(this.timer);
    this.isWaiting = false;
    this.watchdog.stop();
    this.renewal?.stop();
    this.abortAttempt?.();
    this.abortAttempt = undefined;
    this.position.interrupt();
  }

  /** Makes an attempt to connect, and ends the previous one. */
  private attempt(): void {
    this.abort();
    let isCurrent = true;
    this.hasAnswer = false;
    this.abortAttempt = () => {
      isCurrent = false;
    };
    this.watchdog.watch(this.options.connectTimeout ?? 30_000);
    this.setStatus(this.wasOpen ? "reconnecting" : "connecting", null);
    if (this.status === "closed" || !isCurrent) return; // a status listener may have closed the stream
    this.tokens.next().then(
      (token) => isCurrent && this.open(token),
      (error: StreamError) => isCurrent && this.onFailure(error),
    );
  }

  private open(token: string | null): void {
    let url: URL;
    try {
      url = this.requestURL();
    } catch (cause) {
      return this.onFailure(new StreamError((cause as Error).message, { kind: "setup", fatal: true, cause }));
    }
    this.debug(`connecting to ${url.pathname}, ${this.cursor === null ? "for new events" : `after the cursor ${this.cursor}`}`);
    const reader = new Reader(this.position, {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: (cursor, id) => this.sink.duplicate(cursor, id),
      error: (error) => this.sink.error(error),
    });
    const { headers = {}, credentials = "same-origin", fetch = globalThis.fetch } = this.options;
    const { isMuted } = this;
    const patience = this.options.heartbeatTimeout ?? 70_000;
    const close = (isMuted ? poll : this.transport)(
      { url, token, headers, credentials, fetch, patience, wasOpen: this.wasOpen },
      {
        bytesReceived: () => this.onBytes(),
        ...(isMuted && { streams: () => this.onStreams() }),
        retry: (milliseconds) => {
          this.backoff.retry = milliseconds;
        },
        frame: (data, id) => reader.frame(data, id),
        ...(this.sink.page && { page: (snapshot) => this.sink.page!(snapshot) }),
        ended: (error) => this.onEnd(error, token !== null),
      },
    );
    this.abortAttempt = () => {
      reader.stop();
      close();
    };
  }

  /** Waits for the first event after the beginning of a response for a shorter time: the server sends both at once. */
  private onBytes(): void {
    if (this.hasAnswer) return this.watchdog.touch();
    this.hasAnswer = true;
    this.watchdog.watch(Math.min(maxMute, this.options.connectTimeout ?? 30_000));
  }

  private onStreams(): void {
    this.debug("streams come through again");
    this.isMuted = false;
    this.attempt();
  }

  /** Returns the URL with the cursor as a parameter: the header Last-Event-ID would need a CORS preflight. */
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
    if (delivery.kind === "sync") this.onSync(delivery);
    else this.sink.deliver(delivery);
  }

  private onSync(delivery: Delivery & { kind: "sync" }): void {
    const { mode, since } = delivery.event.data;
    const isOpen = this.status === "open" || this.status === "stale";
    if (!isOpen && mode !== "expired" && mode !== "draining") this.onOpen(delivery);
    this.sink.deliver(delivery);
    if (mode === "stale" && this.status === "open") {
      this.debug(`stale: the server has not read the database since ${since}`);
      this.setStatus("stale", null);
    }
    if (this.status === "stale" && (mode === "live" || mode === "resumed" || mode === "reset")) {
      this.debug("the server reads the database again");
      this.setStatus("open", null);
    }
    if (mode === "reset") this.debug(`reset (${delivery.event.data.reason}): the server cannot resume at this cursor, everything must be fetched again`);
    if (mode === "draining") {
      this.debug("the server is draining");
      this.backoff.reset();
    }
    if (mode === "expired" && this.status !== "closed") this.changeToken("the token has expired");
  }

  /** Reconnects with a new token. */
  private changeToken(why: string): void {
    this.debug(why);
    this.tokens.markExpired();
    this.attempt();
  }

  private onOpen(delivery: Delivery & { kind: "sync" }): void {
    this.wasOpen = true;
    this.openedAt = Date.now();
    this.tokens.reset();
    this.watchdog.watch(silenceLimit(this.options, delivery.event.data));
    if (this.options.token && delivery.event.data.expires !== undefined) {
      this.renew(delivery.event.data, this.abortAttempt).catch((error) => this.debug("the code that renews tokens could not be loaded", error));
    }
    this.debug(`open: ${delivery.event.data.mode}`, delivery.event.data);
    this.setStatus(delivery.event.data.mode === "stale" ? "stale" : "open", null);
  }

  /** Renews the token before it expires. If the code for that cannot be loaded, the stream expires, and reconnects. */
  private async renew(sync: Sync, attempt: unknown): Promise<void> {
    const { Renewal } = await import("./renewal.js");
    if (this.abortAttempt !== attempt) return; // it has ended meanwhile
    this.renewal ??= new Renewal(this.options.token!, this.options, {
      clockSkew: () => this.skew ?? 0,
      reconnect: (why) => this.changeToken(why),
      debug: this.debug,
    });
    this.renewal.start(sync);
  }

  private onEnd(error: StreamError | null, hadToken: boolean): void {
    if ((this.status === "open" || this.status === "stale") && Date.now() - this.openedAt >= minUptime) this.backoff.reset();
    if (error?.status === 401 && hadToken && this.tokens.markRejected()) {
      this.debug("the server rejected the token: getting another");
      return this.attempt();
    }
    this.onFailure(error);
  }

  private onFailure(error: StreamError | null): void {
    this.abort();
    if (error?.fatal) {
      this.debug(`giving up: ${error.message}`, error);
      this.tokens.reset();
      this.stopWatchingPage?.();
      this.sink.error(error);
      return this.setStatus("closed", null);
    }
    const delay = this.backoff.next(error?.retryAfter);
    const retryAt = Date.now() + delay;
    this.notBefore = error?.retryAfter === undefined ? 0 : retryAt;
    this.debug(`${error?.message ?? "the server ended the stream"}: retrying in ${Math.round(delay)} ms`, error ?? undefined);
    this.isWaiting = true;
    this.timer = setTimeout(() => this.attempt(), delay);
    if (error) {
      error.retryAt = retryAt;
      this.sink.error(error);
    }
    if (this.status !== "closed") this.setStatus(this.wasOpen ? "reconnecting" : "connecting", retryAt);
  }

  private onSilence(silence: number): void {
    const isOpen = this.status === "open" || this.status === "stale";
    const canPoll = !isOpen && !this.isMuted && (this.options.transport ?? "auto") === "auto";
    if (!isOpen) this.isMuted = canPoll; // in turns, since the server may be the reason
    if (canPoll) {
      this.debug("the stream did not open: asking for pages instead");
      return this.attempt();
    }
    const message = isOpen ? "no event or heartbeat arrived" : "the stream did not open";
    this.onFailure(new StreamError(`${message} within ${Math.round(silence / 1000)} s`, { kind: "silent" }));
  }

  private onReturn(how: PageReturn, cause: string): void {
    if (how === "visible" && !this.isWaiting) return this.watchdog.check();
    if (Date.now() < this.notBefore) return this.debug(`${cause}, but Retry-After is not over`);
    this.debug(`${cause}: connecting now`);
    this.reconnect();
  }
}
