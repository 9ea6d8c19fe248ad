import type { AreChanges, ChangeOf, Changes, EventsIn } from "./changes.js";
import { debugOf } from "./debug.js";
import { Emitter } from "./emitter.js";
import { reportUnheard, type StreamError } from "./errors.js";
import type { EventEnvelope, EventField, EventMeta, EventName, EventTypes, LogEvents, OversizedEvent, PgheraldEvent, RegisteredEvents, StreamEvents } from "./events.js";
import { checkOptions, type ConnectionOptions } from "./options.js";
import { iterate } from "./iterate.js";
import type { Delivery } from "./reader.js";
import type { SourceMaker } from "./loading-source.js";
import { groupOf } from "./shared/group.js";
import type { Sink, Source, StreamStatus } from "./source.js";
import { AbortWatch } from "./signal.js";
import { newStats, type StreamStats } from "./stats.js";

/** The reason why the client must fetch everything again: malformed, other_log, pruned or future; oversized without a listener for that. */
export interface Reset {
  reason: string;
}

export interface EventStreamOptions<Events extends EventTypes = RegisteredEvents> extends Omit<ConnectionOptions, "types" | "where" | "collection"> {
  /** Only changes of the rows of this collection, with their `collection`, `op`, `key` and `xid`; not with `types`. */
  collection?: Events extends Changes<any> ? string : undefined;
  /** Only events of these types. */
  types?: NoInfer<readonly EventName<Events>[]>;
  /** Only events whose payload has these values. All fields must match; one value of a field is enough. */
  where?: NoInfer<{ readonly [Field in EventField<Events>]?: string | readonly string[] }>;
  /** Called for every event but the control events and those without their data. */
  onEvent?: (event: PgheraldEvent<Events>, meta: EventMeta) => void;
  onStatus?: (status: StreamStatus) => void;
  /** Called when events may have been missed: fetch everything again. Events from here on are complete. */
  onReset?: (reset: Reset) => void;
  /** Called for an event that is too large and arrived without its data: fetch the row. No other listener receives it; without this one, onReset is called. */
  onOversized?: (event: OversizedEvent, meta: EventMeta) => void;
  /** Called when an attempt fails. Unless `error.fatal`, the stream reconnects by itself. */
  onError?: (error: StreamError) => void;
  /** Closes the stream when it is aborted. */
  signal?: AbortSignal;
  /** False waits for connect(). Default true. */
  autoConnect?: boolean;
}

/** The event of a type; for "*" any event of the log. */
export type EventFor<Events extends EventTypes, Type> = Type extends "*"
  ? PgheraldEvent<Events>
  : Type extends keyof StreamEvents
    ? EventEnvelope<Type, StreamEvents[Type]>
    : Type extends keyof (LogEvents & EventsIn<Events>) & string
      ? EventAs<Events, Type, Type extends keyof LogEvents ? LogEvents[Type] : EventsIn<Events>[Type & keyof EventsIn<Events>]>
      : never;

type EventAs<Events, Type extends string, Data> = AreChanges<Events> extends true ? ChangeOf<Type, Data> : EventEnvelope<Type, Data>;

/** The options of a stream of what changes the rows of a collection. */
export type ChangeStreamOptions<Events extends EventTypes = RegisteredEvents> = EventStreamOptions<Changes<Events>> & { collection: string };

/** The types to listen to. */
export type EventType<Events extends EventTypes> = "*" | (keyof (LogEvents & EventsIn<Events> & StreamEvents) & string);

/**
 * A stream of events that reconnects by itself and delivers each event once. `for await` gives its events until it is
 * closed; it throws the fatal error of the stream, and on a reset, unless a listener takes that.
 */
export interface EventStream<Events extends EventTypes = RegisteredEvents> extends AsyncIterable<PgheraldEvent<Events>> {
  readonly status: StreamStatus;
  /** The cursor after the last complete transaction that was delivered. */
  readonly lastEventId: string | null;
  /** The last error; null once the stream is open again. */
  readonly error: StreamError | null;
  /** The current counters; a new object each time. */
  readonly stats: StreamStats;
  /** Adds a listener for a type, or "*" for all but the control events. Returns a function that removes it. */
  on<Type extends EventType<Events>>(type: Type, listener: (event: EventFor<Events, Type>, meta: EventMeta) => void): () => void;
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

export class Stream<Events extends EventTypes> implements EventStream<Events> {
  private readonly source: Source;
  // Each listener takes the event of its type, which the type of a map cannot express.
  private readonly events = new Emitter<[event: any, meta: EventMeta]>();
  private readonly signals = new Emitter<[value: any]>();
  private readonly duplicates = new Emitter<[cursor: string | null, id: number | undefined]>();
  private readonly oversized = new Emitter<[event: OversizedEvent, meta: EventMeta]>();
  private readonly counters = newStats();
  private currentStatus: StreamStatus = "closed";
  private lastError: StreamError | null = null;
  private readonly slowReaders = new Set<object>();
  private readonly abort: AbortWatch;
  /** From connect() until close(), also after a fatal error or while it is paused. */
  isRunning = false;

  constructor(options: EventStreamOptions<Events>, makeSource: SourceMaker) {
    checkOptions(options);
    groupOf(options); // throws as well
    if (options.onEvent) this.on("*", options.onEvent as never);
    if (options.onStatus) this.onStatus(options.onStatus);
    if (options.onReset) this.onReset(options.onReset);
    if (options.onOversized) this.onOversized(options.onOversized);
    if (options.onError) this.onError(options.onError);
    const sink: Sink = {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: (cursor, id) => {
        this.counters.duplicates++;
        this.duplicates.emit("", cursor, id);
      },
      status: (status, retryAt) => this.setStatus(status, retryAt),
      error: (error) => this.onFailure(error),
      role: (role) => {
        this.counters.role = role;
      },
    };
    this.abort = new AbortWatch(options.signal, () => this.close());
    this.source = makeSource(options, sink, debugOf(options.debug));
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

  on<Type extends EventType<Events>>(type: Type, listener: (event: EventFor<Events, Type>, meta: EventMeta) => void): () => void {
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

  /** Calls the listener for each event that came again and was dropped. */
  onDuplicate(listener: (cursor: string | null, id: number | undefined) => void): () => void {
    return this.duplicates.on("", listener);
  }

  onError(listener: (error: StreamError) => void): () => void {
    return this.signals.on("error", listener);
  }

  /** Calls the listener after the status, the error or `isRunning` has changed. It does not count as a listener of errors. */
  onChange(listener: () => void): () => void {
    return this.signals.on("change", listener);
  }

  /** Calls the listener for each reset that no listener of onReset takes. */
  onLoss(listener: (reset: Reset) => void): () => void {
    return this.signals.on("loss", listener);
  }

  [Symbol.asyncIterator](): AsyncGenerator<PgheraldEvent<Events>, void, void> {
    return iterate(this);
  }

  connect(): void {
    this.run();
    this.source.connect();
  }

  reconnect(): void {
    this.run();
    this.source.reconnect();
  }

  restart(cursor: string | null): void {
    this.source.restart(cursor);
  }

  close(): void {
    this.isRunning = false;
    this.abort.stop();
    this.slowReaders.clear();
    this.source.close();
    this.emit("closed"); // a stream with a fatal error was closed before
  }

  /** Whether the stream is closed only until slow readers have caught up. */
  get isPaused(): boolean {
    return this.slowReaders.size > 0;
  }

  /** Closes the stream until `reader` has caught up. */
  pause(reader: object): void {
    this.slowReaders.add(reader);
    this.source.close();
  }

  /** Records that `reader` has caught up. The stream goes on with the last one. */
  resume(reader: object): void {
    if (this.slowReaders.delete(reader) && !this.isPaused) this.source.connect();
  }

  private run(): void {
    this.isRunning = true;
    this.abort.start();
  }

  private deliver({ kind, event, meta }: Delivery): void {
    if (kind !== "event") this.measureSkew(meta.receivedAt - event.timestamp);
    if (kind === "event") this.count(meta);
    if (kind === "heartbeat") this.counters.heartbeats++;
    if (kind === "sync") this.counters.staleSince = event.data.mode === "stale" ? Date.parse(event.data.since ?? "") || event.timestamp : null;
    // A listener of the type relies on the data.
    if (kind === "event" && event.oversized === true) return this.deliverOversized(event as unknown as OversizedEvent, meta);
    this.events.emit(event.type, event, meta);
    if (kind === "event") this.events.emit("*", event, meta);
    if (kind === "sync" && event.data.mode === "reset") this.reset(event.data.reason ?? "unknown");
  }

  /** Delivers an event without its data. A reset replaces it if nothing listens, so that no loss is silent. */
  private deliverOversized(event: OversizedEvent, meta: EventMeta): void {
    if (this.oversized.has("oversized")) return this.oversized.emit("oversized", event, meta);
    this.reset("oversized");
  }

  private reset(reason: string): void {
    this.counters.resets++;
    this.signals.emit(this.signals.has("reset") ? "reset" : "loss", { reason } satisfies Reset);
  }

  private setStatus(status: StreamStatus, retryAt: number | null): void {
    this.counters.retryAt = retryAt;
    if (status === this.currentStatus && status !== "open") return;
    const isOpen = status === "open" || status === "stale";
    if (isOpen && this.currentStatus !== "stale" && !(this.currentStatus === "open" && status === "stale")) this.onOpen();
    this.currentStatus = status;
    if (status === "closed" && !this.isPaused) this.abort.stop(); // also after a fatal error
    this.emit("status", status);
  }

  private onFailure(error: StreamError): void {
    if (error.fatal) reportUnheard(error, this.lastError, this.signals.has("error"));
    this.lastError = error;
    this.emit("error", error);
  }

  private emit(signal: string, value?: unknown): void {
    this.signals.emit(signal, value);
    this.signals.emit("change", value);
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
