import type { RowEvent } from "../collection/row-event.js";
import type { StreamError } from "../errors.js";
import type { Envelope, EventMeta } from "../events.js";
import type { Delivery } from "../reader.js";
import type { Stream } from "../stream.js";
import { eventFor } from "./event-for.js";
import type { EventSelection } from "./event-selection.js";

/** Where a selection has begun to take what comes: the line's cursor, null until that is known. */
interface Beginning {
  cursor: string | null;
  /** Whether all that comes from there on is new. */
  isNow: boolean;
}

/** The selections of events that a line has, which follow its stream. */
export class LineEvents {
  private readonly all = new Map<EventSelection, Beginning | null>(); // null until it has begun
  private stream: Stream<any> | undefined;
  private contents: readonly string[] = [];
  private isAtBoundary = true; // between two transactions
  private isReplaying = false;
  private isLive = false; // the stream has begun with new events
  private hasBegunBefore = false;

  get size(): number {
    return this.all.size;
  }

  get isWaiting(): boolean {
    return [...this.all.values()].includes(null);
  }

  /** The cursor at which a stream for these alone begins: that of all of them, or null for now. */
  get since(): string | null {
    const [first, ...others] = new Set([...this.all.keys()].map(({ cursor }) => cursor));
    return others.length === 0 ? (first ?? null) : null;
  }

  [Symbol.iterator](): Iterator<EventSelection> {
    return [...this.all.keys()].values(); // a copy, since they may leave
  }

  add(selection: EventSelection): void {
    this.all.set(selection, null);
  }

  delete(selection: EventSelection): boolean {
    return this.all.delete(selection);
  }

  /** Follows another stream of the line, which begins at a cursor, or with new events. */
  follow(stream: Stream<any>, contents: readonly string[], since: string | null): void {
    this.stream = stream;
    this.contents = contents;
    this.isAtBoundary = true;
    this.isReplaying = this.isLive = false;
    for (const [selection, beginning] of this.all) {
      if (beginning) selection.interrupt();
      else if (contents.includes(selection.content)) this.begin(selection, { cursor: since, isNow: since !== null && !this.hasBegunBefore });
    }
    this.hasBegunBefore = true;
    const add = (event: RowEvent, meta: EventMeta) => this.stream === stream && this.receive(event as RowEvent & Envelope, meta);
    stream.on("*", add);
    stream.onOversized(add);
    stream.onDuplicate((cursor) => this.stream === stream && cursor !== null && this.pass({ cursor } as EventMeta));
    stream.on("heartbeat", (event, meta) => this.stream === stream && this.control({ kind: "heartbeat", event, meta }));
    stream.on("sync", (event, meta) => this.stream === stream && this.control({ kind: "sync", event, meta }));
    stream.onStatus((status) => {
      if (this.stream !== stream || (status !== "open" && status !== "stale")) return;
      const cursor = stream.lastEventId;
      queueMicrotask(() => this.stream === stream && this.opened(cursor ?? stream.lastEventId)); // the first sync comes with it
    });
  }

  /** Lets those begin that the stream has already. */
  joinRunning(): void {
    const { stream } = this;
    if (!stream || !this.isAtBoundary) return; // they begin with the next transaction
    const isOpen = stream.status === "open" || stream.status === "stale";
    for (const [selection, beginning] of this.all) {
      if (!beginning && this.contents.includes(selection.content)) this.begin(selection, { cursor: stream.lastEventId, isNow: isOpen && !this.isReplaying });
    }
    if (isOpen) this.opened(stream.lastEventId);
  }

  close(): void {
    this.stream = undefined;
  }

  /** Lets all show the state of the line. */
  changed(): void {
    for (const selection of this) selection.changed();
  }

  failed(error: StreamError): void {
    for (const selection of this) selection.failed(error);
  }

  /** Returns those that the server may refuse: the named ones, or if it names none those that were never open, or all. */
  doubtful(named: readonly string[]): EventSelection[] {
    const all = [...this];
    if (named.length > 0) return all.filter(({ content }) => named.includes(content));
    const fresh = all.filter(({ wasOpen }) => !wasOpen);
    return fresh.length > 0 ? fresh : all;
  }

  private begin(selection: EventSelection, beginning: Beginning): void {
    this.all.set(selection, beginning);
    selection.begin();
  }

  private opened(cursor: string | null): void {
    for (const selection of this) {
      const beginning = this.all.get(selection);
      const at = beginning?.cursor ?? cursor;
      if (beginning && at !== null) selection.opened(at, beginning.isNow || (this.isLive && beginning.cursor === null));
    }
  }

  private receive(event: RowEvent & Envelope, meta: EventMeta): void {
    this.isAtBoundary = false;
    this.isReplaying = meta.replayed;
    for (const selection of this) {
      const name = String(this.contents.indexOf(selection.content));
      if (event.q && !event.q.includes(name)) selection.receive(null, meta);
      else selection.receive({ kind: "event", event: eventFor(event, name, selection.isOfRows), meta }, meta);
    }
    this.onCursor(meta.cursor);
  }

  /** Passes on the end of a transaction alone. */
  private pass(meta: EventMeta): void {
    for (const selection of this) selection.receive(null, meta);
    this.onCursor(meta.cursor);
  }

  private control(delivery: Delivery & { kind: "sync" | "heartbeat" }): void {
    const { kind, event, meta } = delivery;
    if (event.id !== undefined) return; // an event of the log that is called so
    if (kind === "sync" && event.data.mode === "live") this.isLive = true;
    if (kind === "sync" && event.data.mode === "reset") this.isAtBoundary = true;
    for (const selection of this) selection.receive(delivery, meta);
    if (this.isAtBoundary) this.joinRunning();
  }

  private onCursor(cursor: string | null): void {
    if (cursor === null) return;
    this.isAtBoundary = true;
    if (this.isWaiting) this.joinRunning();
  }
}
