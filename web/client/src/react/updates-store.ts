import type { StreamError } from "../errors.js";
import type { EventTypes, PgheraldEvent } from "../events.js";
import { schedule } from "../schedule.js";
import type { StreamStatus } from "../source.js";
import { newStats, type StreamStats } from "../stats.js";
import { createEventStream, type EventStream, type EventStreamOptions } from "../stream.js";
import { Lifetime } from "./lifetime.js";

/** What a component sees of a stream. It is the same object until something changes. */
export interface Updates<Custom extends EventTypes = {}> {
  isConnected: boolean;
  status: StreamStatus;
  /** The last events, the newest at the end. */
  events: readonly PgheraldEvent<Custom>[];
  lastEvent: PgheraldEvent<Custom> | null;
  error: StreamError | null;
  stats: StreamStats;
}

/** It has no events, and so it is one of any types. */
export function noUpdates(status: StreamStatus): Updates<any> {
  return { isConnected: false, status, events: [], lastEvent: null, error: null, stats: newStats() };
}

/** A stream as React wants to have it. It connects when the first component listens. */
export class UpdatesStore<Custom extends EventTypes> {
  private snapshot: Updates<Custom>;
  private fresh: PgheraldEvent<Custom>[] = [];
  private stream: EventStream<Custom> | undefined;
  private cancel: (() => void) | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly lifetime: Lifetime;

  constructor(
    options: EventStreamOptions<Custom>,
    private readonly history: number,
    initial: Updates<Custom>,
  ) {
    this.snapshot = initial;
    this.lifetime = new Lifetime(
      () => {
        this.stream ??= this.open(options);
        this.stream.connect();
      },
      () => this.stream?.close(),
    );
  }

  readonly getSnapshot = (): Updates<Custom> => this.snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    const leave = this.lifetime.add();
    return () => {
      this.listeners.delete(listener);
      leave();
    };
  };

  readonly reconnect = (): void => this.stream?.reconnect();

  /** Empties the history. */
  readonly clear = (): void => {
    this.fresh = [];
    this.show([], this.snapshot.lastEvent);
  };

  private open(options: EventStreamOptions<Custom>): EventStream<Custom> {
    const stream = createEventStream<Custom>({ ...options, autoConnect: false });
    stream.on("*", (event) => {
      this.fresh.push(event as PgheraldEvent<Custom>);
      if (this.fresh.length > 2 * this.history + 1) this.fresh = this.fresh.slice(-Math.max(1, this.history));
      this.soon();
    });
    stream.onStatus(() => this.soon());
    stream.onError(() => this.soon());
    return stream;
  }

  /** A burst is one rendering. */
  private soon(): void {
    this.cancel ??= schedule(() => {
      this.cancel = undefined;
      const { fresh } = this;
      this.fresh = [];
      const kept = fresh.length === 0 ? this.snapshot.events : [...this.snapshot.events, ...fresh].slice(-this.history || Infinity);
      this.show(this.history === 0 ? [] : kept, fresh.at(-1) ?? this.snapshot.lastEvent);
    });
  }

  private show(events: readonly PgheraldEvent<Custom>[], last: PgheraldEvent<Custom> | null): void {
    const { stream } = this;
    if (!stream) return;
    const { status, error, stats } = stream;
    this.snapshot = { isConnected: status === "open", status, events, lastEvent: last, error, stats };
    for (const listener of [...this.listeners]) listener();
  }
}
