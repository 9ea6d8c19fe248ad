import type { Delivery } from "../reader.js";

/** What a hub says while we are not yet where it is: whole transactions, and the one under way. */
export class Backlog {
  private units: { deliveries: Delivery[]; cursor: string }[] = [];
  private open: Delivery[] = [];
  private start: string | null;
  /** The first transaction is cut off at its beginning: it is only good for its cursor. */
  private headless: boolean;

  constructor(
    /** Where the hub was before it. */
    private readonly before: string | null,
    whole: boolean,
  ) {
    this.headless = !whole;
    this.start = whole ? before : null;
  }

  add(delivery: Delivery): void {
    const { cursor } = delivery.meta;
    if (delivery.kind === "sync" && delivery.event.data.mode === "reset" && cursor !== null) return this.restart(cursor);
    this.open.push(delivery);
    if (cursor !== null) this.complete(cursor);
  }

  complete(cursor: string): void {
    if (cursor === (this.headless ? this.before : this.newest)) return; // of a heartbeat, perhaps within a transaction
    if (this.headless) return this.restart(cursor);
    this.units.push({ deliveries: this.open, cursor });
    this.open = [];
    if (this.units.length > 2000) this.start = this.units.shift()!.cursor;
  }

  /** Where the hub is now. */
  get newest(): string | null {
    return this.units.at(-1)?.cursor ?? this.start;
  }

  /** What came after the hub was at this cursor; undefined if it is not known to have been there. */
  after(cursor: string | null): Delivery[] | undefined {
    if (cursor === null || this.headless) return undefined;
    const i = this.units.findLastIndex((unit) => unit.cursor === cursor);
    if (i < 0 && cursor !== this.start) return undefined;
    return [...this.units.slice(i + 1).flatMap((unit) => unit.deliveries), ...this.open];
  }

  private restart(cursor: string): void {
    this.headless = false;
    this.start = cursor;
    this.units = [];
    this.open = [];
  }
}
