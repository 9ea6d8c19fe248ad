import type { EventMeta } from "./events.js";
import { schedule } from "./schedule.js";

/** Gathers the events of a frame, and hands them on together: a burst is one change of the data. */
export class Inbox<Event> {
  private events: Event[] = [];
  private metas: EventMeta[] = [];
  private cancel: (() => void) | undefined;

  constructor(private readonly flush: (events: readonly Event[], metas: readonly EventMeta[]) => void) {}

  add(event: Event, meta: EventMeta): void {
    this.events.push(event);
    this.metas.push(meta);
    this.flushSoon();
  }

  /** Flushes with the next frame, also if nothing has come by then. */
  flushSoon(): void {
    this.cancel ??= schedule(() => {
      this.cancel = undefined;
      const { events, metas } = this;
      this.clear();
      this.flush(events, metas);
    });
  }

  /** Forgets what has come. A flush that is due comes all the same. */
  clear(): void {
    this.events = [];
    this.metas = [];
  }

  /** Forgets everything, the flush too. */
  close(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.clear();
  }
}
