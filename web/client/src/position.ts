/**
 * Where we are in the stream: the cursor after the last whole transaction, and which events of the
 * one under way have come. If the connection breaks within a transaction, the server sends all of
 * it again; this is what tells the events that were already delivered.
 */
export class Position {
  cursor: string | null;
  private readonly underWay = new Set<number>();
  private readonly interrupted = new Set<number>();

  constructor(cursor: string | null) {
    this.cursor = cursor;
  }

  /** Takes an event's id in the log; returns false if the event was delivered before. */
  take(id: number | undefined): boolean {
    if (id === undefined) return true;
    if (this.interrupted.delete(id) || this.underWay.has(id)) {
      this.underWay.add(id);
      return false;
    }
    this.underWay.add(id);
    return true;
  }

  /** All that came so far is whole, and the cursor is after it. */
  complete(cursor: string): void {
    if (cursor === this.cursor) return; // of a heartbeat, perhaps within a transaction
    this.cursor = cursor;
    this.underWay.clear();
  }

  /** The connection is over: what is under way will come again. */
  interrupt(): void {
    for (const id of this.underWay) this.interrupted.add(id);
    this.underWay.clear();
  }

  /** Not within a transaction. */
  get whole(): boolean {
    return this.underWay.size === 0;
  }

  /** Goes back to a cursor after which these events were delivered already. */
  ahead(cursor: string | null, ids: readonly number[]): void {
    this.cursor = cursor;
    this.underWay.clear();
    for (const id of ids) this.interrupted.add(id);
  }

  /** Goes elsewhere: nothing that was delivered has a meaning there. */
  move(cursor: string | null): void {
    this.cursor = cursor;
    this.underWay.clear();
    this.interrupted.clear();
  }
}

/** That of a connection which passes on whatever comes: each of its hearers knows what it has had. */
export class HubPosition extends Position {
  override take(id: number | undefined): boolean {
    super.take(id);
    return true;
  }
}
