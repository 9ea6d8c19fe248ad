import { Connection } from "./connection.js";
import { debugOf } from "./debug.js";
import { Emitter } from "./emitter.js";
import type { StreamError } from "./errors.js";
import type { EventMeta, EventOf, EventTypes, LogEvents, PgheraldEvent, StreamEvents } from "./events.js";
import { checkOptions, type ConnectionOptions } from "./options.js";
import type { Delivery } from "./reader.js";
import { groupOf, SharedSource } from "./shared/shared.js";
import type { Sink, Source, StreamStatus } from "./source.js";
import { newStats, type StreamStats } from "./stats.js";

/** Why everything must be fetched anew: malformed, other_log, pruned or future. */
export interface Reset {
  reason: string;
}

export interface EventStreamOptions<Custom extends EventTypes = {}> extends ConnectionOptions {
  /** Hears every event but sync and heartbeat. */
  onEvent?: (event: PgheraldEvent<Custom>, meta: EventMeta) => void;
  onStatus?: (status: StreamStatus) => void;
  /** What you have may miss something: fetch everything anew. What comes from here on is complete. */
  onReset?: (reset: Reset) => void;
  /** An attempt failed. Unless `error.fatal`, the stream comes back by itself. */
  onError?: (error: StreamError) => void;
  /** False: wait for connect(). Default true. */
  autoConnect?: boolean;
}

/** The event of a type, of the log or of the stream itself; of "*" any of the log. */
export type EventFor<Custom extends EventTypes, Type> = Type extends "*"
  ? PgheraldEvent<Custom>
  : Extract<EventOf<LogEvents & Custom & StreamEvents>, { type: Type }>;

/** The types to listen to. */
export type EventType<Custom extends EventTypes> = "*" | (keyof (LogEvents & Custom & StreamEvents) & string);

/** A live stream of events, which reconnects by itself and delivers each event once. */
export interface EventStream<Custom extends EventTypes = {}> {
  readonly status: StreamStatus;
  /** The cursor after the last whole transaction that was delivered. */
  readonly lastEventId: string | null;
  /** The last error; null once the stream is open again. */
  readonly error: StreamError | null;
  /** Figures at this moment; a new object each time. */
  readonly stats: StreamStats;
  /** Adds a listener for a type, or "*" for all but sync and heartbeat. Returns its off function. */
  on<Type extends EventType<Custom>>(type: Type, listener: (event: EventFor<Custom, Type>, meta: EventMeta) => void): () => void;
  onStatus(listener: (status: StreamStatus) => void): () => void;
  onReset(listener: (reset: Reset) => void): () => void;
  onError(listener: (error: StreamError) => void): () => void;
  /** Connects if closed. */
  connect(): void;
  /** Connects anew at once, without waiting for the back-off. */
  reconnect(): void;
  /** Continues after this cursor, wherever the stream is now. */
  restart(cursor: string | null): void;
  /** Ends the stream. connect() takes it up again where it was. */
  close(): void;
}

/** Opens a stream. Throws a TypeError for options that cannot work. */
export function createEventStream<Custom extends EventTypes = {}>(options: EventStreamOptions<Custom> = {}): EventStream<Custom> {
  checkOptions(options);
  const stream = new Stream<Custom>(options);
  if (options.autoConnect ?? true) stream.connect();
  return stream;
}

class Stream<Custom extends EventTypes> implements EventStream<Custom> {
  private readonly source: Source;
  // A listener takes the event of its type, which a map cannot say.
  private readonly events = new Emitter<[event: any, meta: EventMeta]>();
  private readonly signals = new Emitter<[value: any]>();
  private readonly figures = newStats();
  private now: StreamStatus = "closed";
  private lastError: StreamError | null = null;

  constructor(options: EventStreamOptions<Custom>) {
    if (options.onEvent) this.on("*", options.onEvent as never);
    if (options.onStatus) this.onStatus(options.onStatus);
    if (options.onReset) this.onReset(options.onReset);
    if (options.onError) this.onError(options.onError);
    const sink: Sink = {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: () => this.figures.duplicates++,
      status: (status, retryAt) => this.become(status, retryAt),
      error: (error) => this.failed(error),
      role: (role) => {
        this.figures.role = role;
      },
    };
    const group = groupOf(options);
    const debug = debugOf(options.debug);
    this.source = group === null ? new Connection(options, sink, debug) : new SharedSource(options, group, sink, debug);
  }

  get status(): StreamStatus {
    return this.now;
  }

  get lastEventId(): string | null {
    return this.source.cursor;
  }

  get error(): StreamError | null {
    return this.lastError;
  }

  get stats(): StreamStats {
    return { ...this.figures };
  }

  on<Type extends EventType<Custom>>(type: Type, listener: (event: EventFor<Custom, Type>, meta: EventMeta) => void): () => void {
    return this.events.on(type, listener);
  }

  onStatus(listener: (status: StreamStatus) => void): () => void {
    return this.signals.on("status", listener);
  }

  onReset(listener: (reset: Reset) => void): () => void {
    return this.signals.on("reset", listener);
  }

  onError(listener: (error: StreamError) => void): () => void {
    return this.signals.on("error", listener);
  }

  connect(): void {
    this.source.connect();
  }

  reconnect(): void {
    this.source.reconnect();
  }

  restart(cursor: string | null): void {
    this.source.restart(cursor);
  }

  close(): void {
    this.source.close();
  }

  private deliver({ kind, event, meta }: Delivery): void {
    if (kind !== "event") this.measure(meta.receivedAt - event.timestamp);
    if (kind === "event") this.count(meta);
    if (kind === "heartbeat") this.figures.heartbeats++;
    this.events.emit(event.type, event, meta);
    if (kind === "event") this.events.emit("*", event, meta);
    if (kind === "sync" && event.data.mode === "reset") {
      this.figures.resets++;
      this.signals.emit("reset", { reason: event.data.reason ?? "unknown" } satisfies Reset);
    }
  }

  private become(status: StreamStatus, retryAt: number | null): void {
    this.figures.retryAt = retryAt;
    if (status === this.now && status !== "open") return;
    if (status === "open") this.opened();
    this.now = status;
    this.signals.emit("status", status);
  }

  private failed(error: StreamError): void {
    this.lastError = error;
    this.signals.emit("error", error);
  }

  private opened(): void {
    if (this.figures.opens++ > 0) this.figures.reconnects++;
    this.figures.openedAt = Date.now();
    this.lastError = null;
  }

  private count(meta: EventMeta): void {
    this.figures.events++;
    this.figures.lastEventAt = meta.receivedAt;
  }

  private measure(ahead: number): void {
    this.figures.clockSkew = Math.min(this.figures.clockSkew ?? Infinity, ahead);
  }
}
