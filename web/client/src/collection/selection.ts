import type { EventMeta } from "../events.js";
import type { Loaded, Query, QuerySource } from "../query.js";
import type { StreamStatus } from "../source.js";
import type { LazyRowStreams } from "./lazy-row-streams.js";
import type { RowEvent } from "./row-event.js";
import type { RowStream } from "./row-stream.js";
import type { Snapshot } from "./snapshot.js";

/** A list, and what it contains. */
export interface LoadedRows<T> extends Loaded<T> {
  snapshot: Snapshot;
  /** What rows contain that were read later, by key. */
  later: ReadonlyMap<string, Snapshot>;
}

/** The most events that are kept during a load. With more, the list is loaded again, with back-off. */
const mostHeld = 10_000;

/** The rows that a collection selects of a stream that it shares with others: the part of their query. */
export class Selection<T> implements QuerySource<LoadedRows<T>> {
  private line: RowStream | undefined; // once its code is there
  private loaded: string | undefined; // the cursor of the list, before that
  private held: (() => void)[] | undefined; // during a load
  private load: (() => void) | undefined; // until the stream has the selection
  /** What the list contains that was loaded last. */
  snapshot: Snapshot | undefined;
  private later: ReadonlyMap<string, Snapshot> | undefined;
  /** Whether the list that is being loaded may lack events from before the stream. */
  isEarly = false;

  constructor(
    private readonly streams: LazyRowStreams,
    /** The collection and its filter, as a stream's parameter has them. */
    readonly content: string,
    private readonly query: Query<T, RowEvent, LoadedRows<T>>,
    private readonly heartbeat: () => void,
  ) {}

  get status(): StreamStatus {
    return this.line?.status ?? (this.isJoining ? "connecting" : "closed");
  }

  get error(): Error | null {
    return this.line?.error ?? (this.isJoining ? this.streams.error : null);
  }

  /** Whether it waits for the code of its stream. */
  private get isJoining(): boolean {
    return !this.line && (this.held !== undefined || this.loaded !== undefined);
  }

  prepare(load: () => void): void {
    this.held = [];
    this.load = load;
    if (this.line) this.line.prepare(this);
    else this.streams.join(this);
  }

  /** Takes the rows of a stream, which begins at the cursor of the list if that was loaded before. */
  follow(line: RowStream): void {
    const { loaded } = this;
    this.line = line;
    this.loaded = undefined;
    if (loaded !== undefined) line.onLoaded(this, loaded);
  }

  /** Begins the load: the stream has the selection, or begins at the first list. */
  begin(isEarly: boolean): void {
    const { load } = this;
    this.isEarly = isEarly;
    this.load = undefined;
    load?.();
  }

  get isWaiting(): boolean {
    return this.load !== undefined;
  }

  take({ cursor, snapshot, later }: LoadedRows<T>): (() => void) | "now" | "later" {
    const { held = [] } = this;
    this.held = undefined;
    if (held.length > mostHeld) return "later"; // at once, it would likely be too many again
    if (this.line && !this.line.accepts(this, snapshot)) return "now";
    this.snapshot = snapshot;
    this.later = later;
    this.isEarly = false;
    return () => {
      if (this.line) this.line.onLoaded(this, cursor);
      else this.loaded = cursor;
      for (const receive of held) receive();
    };
  }

  close(): void {
    this.line?.leave(this);
    this.streams.leave(this);
    this.line = this.loaded = this.load = this.held = this.snapshot = this.later = undefined;
  }

  /** Moves to another stream, and loads again. */
  move(line: RowStream): void {
    this.line = line;
    this.query.reset(true); // the other stream may never let the load begin
  }

  /** Takes an event of a whole transaction. What the list contains already is skipped: it would undo what is newer. */
  receive(event: RowEvent, meta: EventMeta): void {
    const receive = () => this.isContained(event) || this.query.receive(event, meta);
    if (this.held && this.held.length <= mostHeld) this.held.push(receive);
    receive();
  }

  private isContained({ xid, key }: RowEvent): boolean {
    const number = Number(xid);
    return (this.snapshot?.has(number) || (key !== undefined && this.later?.get(key)?.has(number))) ?? false;
  }

  onHeartbeat(): void {
    this.heartbeat();
  }

  reset(): void {
    this.query.reset();
  }

  changed(): void {
    this.query.changed();
  }
}
