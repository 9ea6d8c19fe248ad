import { Connection } from "./connection.js";
import { debugOf } from "./debug.js";
import { Emitter } from "./emitter.js";
import type { StreamError } from "./errors.js";
import type { EventMeta, EventOf, EventTypes, LogEvents, OversizedEvent, PgheraldEvent, StreamEvents } from "./events.js";
import { checkOptions, type ConnectionOptions } from "./options.js";
import type { Delivery } from "./reader.js";
import { groupOf, SharedSource } from "./shared/shared.js";
import type { Sink, Source, StreamStatus } from "./source.js";
import { newStats, type StreamStats } from "./stats.js";

/** The reason why the client must fetch everything again: malformed, other_log, pruned or future; oversized without a listener for that. */
export interface Reset {
  reason: string;
}

export interface EventStreamOptions<Custom extends EventTypes = {}> extends ConnectionOptions {
  /** Called for every event but the control events and those without their data. */
  onEvent?: (event: PgheraldEvent<Custom>, meta: EventMeta) => void;
  onStatus?: (status: StreamStatus) => void;
  /** Called when events may have been missed: fetch everything again. Events from here on are complete. */
  onReset?: (reset: Reset) => void;
  /** Called for an event that is too large and arrived without its data: fetch the row. No other listener receives it; without this one, onReset is called. */
  onOversized?: (event: OversizedEvent, meta: EventMeta) => void;
  /** Called when an attempt fails. Unless `error.fatal`, the stream reconnects by itself. */
  onError?: (error: StreamError) => void;
  /** False waits for connect(). Default true. */
  autoConnect?: boolean;
}

/** The event of a type; for "*" any event of the log. */
export type EventFor<Custom extends EventTypes, Type> = Type extends "*"
  ? PgheraldEvent<Custom>
  : Extract<EventOf<LogEvents & Custom & StreamEvents>, { type: Type }>;

/** The types to listen to. */
export type EventType<Custom extends EventTypes> = "*" | (keyof (LogEvents & Custom & StreamEvents) & string);

/** A stream of events that reconnects by itself and delivers each event once. */
export interface EventStream<Custom extends EventTypes = {}> {
  readonly status: StreamStatus;
  /** The cursor after the last complete transaction that was delivered. */
  readonly lastEventId: string | null;
  /** The last error; null once the stream is open again. */
  readonly error: StreamError | null;
  /** The current counters; a new object each time. */
  readonly stats: StreamStats;
  /** Adds a listener for a type, or "*" for all but the control events. Returns a function that removes it. */
  on<Type extends EventType<Custom>>(type: Type, listener: (event: EventFor<Custom, Type>, meta: EventMeta) => void): () => void;
  onStatus(listener: (status: StreamStatus) => void): () => void;
  onReset(listener: (reset: Reset) => void): () => void;
  onOversized(listener: (event: OversizedEvent, meta: EventMeta) => void): () => void;
  onError(listener: (error: StreamError) => void): () => void;
  /** Connects if the stream is closed. */
  connect(): void;
  /** Reconnects at once, without back-off. */
  reconnect(): void;
  /** Continues after another cursor. */
  restart(cursor: string | null): void;
  /** Closes the stream. connect() resumes it at its cursor. */
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
  // Each listener takes the event of its type, which the type of a map cannot express.
  private readonly events = new Emitter<[event: any, meta: EventMeta]>();
  private readonly signals = new Emitter<[value: any]>();
  private readonly oversized = new Emitter<[event: OversizedEvent, meta: EventMeta]>();
  private readonly counters = newStats();
  private currentStatus: StreamStatus = "closed";
  private lastError: StreamError | null = null;

  constructor(options: EventStreamOptions<Custom>) {
    if (options.onEvent) this.on("*", options.onEvent as never);
    if (options.onStatus) this.onStatus(options.onStatus);
    if (options.onReset) this.onReset(options.onReset);
    if (options.onOversized) this.onOversized(options.onOversized);
    if (options.onError) this.onError(options.onError);
    const sink: Sink = {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: () => this.counters.duplicates++,
      status: (status, retryAt) => this.setStatus(status, retryAt),
      error: (error) => this.onFailure(error),
      role: (role) => {
        this.counters.role = role;
      },
    };
    const group = groupOf(options);
    const debug = debugOf(options.debug);
    this.source = group === null ? new Connection(options, sink, debug) : new SharedSource(options, group, sink, debug);
  }

  get status(): StreamStatus {
    return this.currentStatus;
  }

  get lastEventId(): string | null {
    return this.source.cursor;
  }

  get error(): StreamError | null {
    return this.lastError;
  }

  get stats(): StreamStats {
    return { ...this.counters };
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

  onOversized(listener: (event: OversizedEvent, meta: EventMeta) => void): () => void {
    return this.oversized.on("oversized", listener);
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
    if (kind !== "event") this.measureSkew(meta.receivedAt - event.timestamp);
    if (kind === "event") this.count(meta);
    if (kind === "heartbeat") this.counters.heartbeats++;
    // A listener of the type relies on the data.
    if (kind === "event" && event.oversized === true) return this.deliverOversized(event as unknown as OversizedEvent, meta);
    this.events.emit(event.type, event, meta);
    if (kind === "event") this.events.emit("*", event, meta);
    if (kind === "sync" && event.data.mode === "reset") {
      this.counters.resets++;
      this.signals.emit("reset", { reason: event.data.reason ?? "unknown" } satisfies Reset);
    }
  }

  /** Delivers an event without its data. A reset replaces it if nothing listens, so that no loss is silent. */
  private deliverOversized(event: OversizedEvent, meta: EventMeta): void {
    if (this.oversized.has("oversized")) return this.oversized.emit("oversized", event, meta);
    this.counters.resets++;
    this.signals.emit("reset", { reason: "oversized" } satisfies Reset);
  }

  private setStatus(status: StreamStatus, retryAt: number | null): void {
    this.counters.retryAt = retryAt;
    if (status === this.currentStatus && status !== "open") return;
    if (status === "open") this.onOpen();
    this.currentStatus = status;
    this.signals.emit("status", status);
  }

  private onFailure(error: StreamError): void {
    this.lastError = error;
    this.signals.emit("error", error);
  }

  private onOpen(): void {
    if (this.counters.opens++ > 0) this.counters.reconnects++;
    this.counters.openedAt = Date.now();
    this.lastError = null;
  }

  private count(meta: EventMeta): void {
    this.counters.events++;
    this.counters.lastEventAt = meta.receivedAt;
  }

  private measureSkew(ahead: number): void {
    this.counters.clockSkew = Math.min(this.counters.clockSkew ?? Infinity, ahead);
  }
}
