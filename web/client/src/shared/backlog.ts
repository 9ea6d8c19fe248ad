import type { Delivery } from "../reader.js";

const maxTransactions = 2000;

/** Buffers what a hub delivers while the member catches up: complete transactions and the incomplete one. */
export class Backlog {
  private transactions: { deliveries: Delivery[]; cursor: string }[] = [];
  private incomplete: Delivery[] = [];
  private start: string | null;
  /** The first transaction lacks its beginning, so that only its cursor is usable. */
  private isPartial: boolean;

  constructor(
    /** The hub's cursor before the first delivery. */
    private readonly before: string | null,
    isAtBoundary: boolean,
  ) {
    this.isPartial = !isAtBoundary;
    this.start = isAtBoundary ? before : null;
  }

  add(delivery: Delivery): void {
    const { cursor } = delivery.meta;
    if (delivery.kind === "sync" && delivery.event.data.mode === "reset" && cursor !== null) return this.restart(cursor);
    this.incomplete.push(delivery);
    if (cursor !== null) this.complete(cursor);
  }

  complete(cursor: string): void {
    if (cursor === (this.isPartial ? this.before : this.newest)) return; // a heartbeat repeats it, perhaps within a transaction
    if (this.isPartial) return this.restart(cursor);
    this.transactions.push({ deliveries: this.incomplete, cursor });
    this.incomplete = [];
    if (this.transactions.length > maxTransactions) this.start = this.transactions.shift()!.cursor;
  }

  /** The hub's cursor. */
  get newest(): string | null {
    return this.transactions.at(-1)?.cursor ?? this.start;
  }

  /** Returns what the hub delivered after a cursor; undefined if the backlog does not reach back to it. */
  after(cursor: string | null): Delivery[] | undefined {
    if (cursor === null || this.isPartial) return undefined;
    const i = this.transactions.findLastIndex((transaction) => transaction.cursor === cursor);
    if (i < 0 && cursor !== this.start) return undefined;
    return [...this.transactions.slice(i + 1).flatMap((transaction) => transaction.deliveries), ...this.incomplete];
  }

  private restart(cursor: string): void {
    this.isPartial = false;
    this.start = cursor;
    this.transactions = [];
    this.incomplete = [];
  }
}
