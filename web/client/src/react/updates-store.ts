import type { StreamError } from "../errors.js";
import type { EventTypes, PgheraldEvent } from "../events.js";
import { schedule } from "../schedule.js";
import type { StreamStatus } from "../source.js";
import { newStats, type StreamStats } from "../stats.js";
import { createEventStream, type EventStream, type EventStreamOptions } from "../stream.js";
import { Lifetime } from "./lifetime.js";

/** The state of a stream for a component. It is the same object until something changes. */
export interface Updates<Custom extends EventTypes = {}> {
  isConnected: boolean;
  status: StreamStatus;
  /** The last events, newest last. */
  events: readonly PgheraldEvent<Custom>[];
  lastEvent: PgheraldEvent<Custom> | null;
  error: StreamError | null;
  stats: StreamStats;
}

/** Returns a state without events, which fits any types. */
export function emptyUpdates(status: StreamStatus): Updates<any> {
  return { isConnected: false, status, events: [], lastEvent: null, error: null, stats: newStats() };
}

/** Adapts a stream to useSyncExternalStore. It connects with the first subscriber. */
export class UpdatesStore<Custom extends EventTypes> {
  private snapshot: Updates<Custom>;
  private arrived: PgheraldEvent<Custom>[] = [];
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
    const release = this.lifetime.add();
    return () => {
      this.listeners.delete(listener);
      release();
    };
  };

  readonly reconnect = (): void => this.stream?.reconnect();

  /** Empties the history. */
  readonly clear = (): void => {
    this.arrived = [];
    this.show([], this.snapshot.lastEvent);
  };

  private open(options: EventStreamOptions<Custom>): EventStream<Custom> {
    const stream = createEventStream<Custom>({ ...options, autoConnect: false });
    stream.on("*", (event) => {
      this.arrived.push(event as PgheraldEvent<Custom>);
      if (this.arrived.length > 2 * this.history + 1) this.arrived = this.arrived.slice(-Math.max(1, this.history));
      this.scheduleUpdate();
    });
    stream.onStatus(() => this.scheduleUpdate());
    stream.onError(() => this.scheduleUpdate());
    return stream;
  }

  /** Schedules an update for the next animation frame, so that a burst causes one render. */
  private scheduleUpdate(): void {
    this.cancel ??= schedule(() => {
      this.cancel = undefined;
      const { arrived } = this;
      this.arrived = [];
      const kept = arrived.length === 0 ? this.snapshot.events : [...this.snapshot.events, ...arrived].slice(-this.history || Infinity);
      this.show(this.history === 0 ? [] : kept, arrived.at(-1) ?? this.snapshot.lastEvent);
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
