import { Memory } from "./memory.js";

/**
 * Tracks the position in the stream: the cursor after the last complete transaction, and the ids
 * received of an incomplete one. If the connection breaks within a transaction, the server sends
 * the whole transaction again; the ids identify the events that were delivered before.
 */
export class Position {
  cursor: string | null;
  private readonly partial = new Set<number>();
  private readonly resent = new Set<number>(); // delivered, and sent again after a reconnect
  private readonly received = new Memory();

  constructor(cursor: string | null) {
    this.cursor = cursor;
  }

  /** Records an event's id in the log. Returns false if the event was delivered before. */
  record(id: number | undefined): boolean {
    if (id === undefined) return true;
    this.received.add(id);
    if (this.resent.delete(id) || this.partial.has(id)) {
      this.partial.add(id);
      return false;
    }
    this.partial.add(id);
    return true;
  }

  /** Moves to the cursor after a complete transaction. */
  complete(cursor: string): void {
    if (cursor === this.cursor) return; // a heartbeat repeats it, perhaps within a transaction
    this.cursor = cursor;
    this.partial.clear();
  }

  /** Ends a connection: the server sends the incomplete transaction again. */
  interrupt(): void {
    for (const id of this.partial) this.resent.add(id);
    this.partial.clear();
  }

  /** Expects events from before the cursor again. Returns false if it cannot recognize all of them. */
  expectRepeats(): boolean {
    for (const id of this.received) this.resent.add(id);
    return !this.received.hasForgotten;
  }

  /** Whether no transaction is incomplete. */
  get isAtBoundary(): boolean {
    return this.partial.size === 0;
  }

  /** Goes back to an older cursor. `ids` are the events after it that were already delivered. */
  rewind(cursor: string | null, ids: readonly number[]): void {
    this.cursor = cursor;
    this.partial.clear();
    for (const id of ids) this.resent.add(id);
  }

  /** Goes to an unrelated cursor and forgets what was delivered. */
  move(cursor: string | null): void {
    this.cursor = cursor;
    for (const ids of [this.partial, this.resent, this.received]) ids.clear();
  }
}

/** The position of a shared connection. It passes every event on, since each member detects its own duplicates. */
export class HubPosition extends Position {
  override record(id: number | undefined): boolean {
    super.record(id);
    return true;
  }
}
