import type { EventMeta } from "./events.js";
import { schedule } from "./schedule.js";

/** Collects the events of an animation frame and flushes them together, so that a burst is one change of the data. */
export class Inbox<Event> {
  private events: Event[] = [];
  private metas: EventMeta[] = [];
  private cancel: (() => void) | undefined;

  constructor(private readonly flush: (events: readonly Event[], metas: readonly EventMeta[]) => void) {}

  add(event: Event, meta: EventMeta): void {
    this.events.push(event);
    this.metas.push(meta);
    this.scheduleFlush();
  }

  get isEmpty(): boolean {
    return this.events.length === 0;
  }

  /** Flushes in the next animation frame, even if no event arrives. */
  scheduleFlush(): void {
    this.cancel ??= schedule(() => this.flushNow());
  }

  flushNow(): void {
    this.cancel?.();
    this.cancel = undefined;
    const { events, metas } = this;
    this.clear();
    this.flush(events, metas);
  }

  /** Drops the collected events. A scheduled flush still runs. */
  clear(): void {
    this.events = [];
    this.metas = [];
  }

  /** Drops the collected events and cancels the flush. */
  close(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.clear();
  }
}
