import type { StreamError } from "../errors.js";
import type { EventTypes, PgheraldEvent, RegisteredEvents } from "../events.js";
import { schedule } from "../schedule.js";
import type { StreamStatus } from "../source.js";
import { newStats, type StreamStats } from "../stats.js";
import type { EventStream } from "../stream.js";
import { Lifetime } from "./lifetime.js";
import type { Store } from "./store.js";

/** The state of a stream for a component. It is the same object until something changes. */
export interface Updates<Events extends EventTypes = RegisteredEvents> {
  isConnected: boolean;
  status: StreamStatus;
  /** The last events, newest last. */
  events: readonly PgheraldEvent<Events>[];
  lastEvent: PgheraldEvent<Events> | null;
  error: StreamError | null;
  stats: StreamStats;
}

/** The state of a stream, and what to do with it. */
export interface UseEvents<Events extends EventTypes = RegisteredEvents> extends Updates<Events> {
  /** Reconnects at once, without back-off. */
  reconnect: () => void;
  /** Empties `events`. */
  clear: () => void;
}

/** The last events of a stream. It connects with the first subscriber. */
export class UpdatesStore<Events extends EventTypes> implements Store<UseEvents<Events>> {
  readonly initial: UseEvents<Events>;
  /** The state of a stream that is not wanted. */
  readonly disabled: UseEvents<Events>;
  private snapshot: UseEvents<Events>;
  private arrived: PgheraldEvent<Events>[] = [];
  private stream: EventStream<Events> | undefined;
  private cancel: (() => void) | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly lifetime: Lifetime;

  /** `open` opens the stream, without connecting it. */
  constructor(
    open: () => EventStream<Events>,
    private readonly history: number,
  ) {
    const nothing = { isConnected: false, events: [], lastEvent: null, error: null, stats: newStats(), reconnect: this.reconnect, clear: this.clear };
    this.disabled = { ...nothing, status: "closed" };
    this.snapshot = this.initial = { ...nothing, status: "connecting" };
    this.lifetime = new Lifetime(
      () => {
        this.stream ??= this.follow(open());
        this.stream.connect();
      },
      () => this.stream?.close(),
    );
  }

  readonly getSnapshot = (): UseEvents<Events> => this.snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    const release = this.lifetime.add();
    return () => {
      this.listeners.delete(listener);
      release();
    };
  };

  private readonly reconnect = (): void => this.stream?.reconnect();

  private readonly clear = (): void => {
    this.arrived = [];
    this.show([], this.snapshot.lastEvent);
  };

  private follow(stream: EventStream<Events>): EventStream<Events> {
    stream.on("*", (event) => {
      this.arrived.push(event as PgheraldEvent<Events>);
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

  private show(events: readonly PgheraldEvent<Events>[], last: PgheraldEvent<Events> | null): void {
    const { stream } = this;
    if (!stream) return;
    const { status, error, stats } = stream;
    this.snapshot = { ...this.initial, isConnected: status === "open", status, events, lastEvent: last, error, stats };
    for (const listener of [...this.listeners]) listener();
  }
}
