import type { EventMeta } from "./events.js";

/** An event of the log and how it arrived. */
interface Arrival<Event> {
  event: Event;
  meta: EventMeta;
}

/**
 * Holds back the events of a transaction until it is complete. A transaction that a lost connection
 * interrupted is completed by the next one: its events come again, and those held are dropped as
 * duplicates. Even the last of them may be one. All are delivered with the cursor after the transaction.
 */
export class Transactions<Event extends { id?: number }> {
  private held: Arrival<Event>[] = [];

  constructor(private readonly deliver: (event: Event, meta: EventMeta) => void) {}

  /** Whether no transaction is incomplete. */
  get isEmpty(): boolean {
    return this.held.length === 0;
  }

  add(event: Event, meta: EventMeta): void {
    this.held.push({ event, meta });
    if (meta.cursor !== null) this.complete();
  }

  /** Records that an event came again, with the cursor after it if it is the last one of its transaction. */
  repeat(cursor: string | null, id: number | undefined): void {
    const last = this.held.at(-1);
    if (cursor === null || !last || !this.held.some(({ event }) => event.id === id)) return;
    last.meta = { ...last.meta, cursor };
    this.complete();
  }

  clear(): void {
    this.held = [];
  }

  private complete(): void {
    const { held } = this;
    this.held = [];
    const cursor = held.at(-1)!.meta.cursor;
    for (const { event, meta } of held) this.deliver(event, { ...meta, cursor });
  }
}
