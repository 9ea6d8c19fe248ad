import { StreamError } from "./errors.js";
import type { Envelope, EventMeta, Heartbeat, Sync } from "./events.js";
import type { Position } from "./position.js";
import { textsOf } from "./texts.js";

/** One item that was read from a stream. */
export type Delivery =
  | { kind: "event"; event: Envelope; meta: EventMeta }
  | { kind: "sync"; event: Envelope & { data: Sync }; meta: EventMeta }
  | { kind: "heartbeat"; event: Envelope & { data: Heartbeat }; meta: EventMeta };

/** Receives what the reader finds, in the order of the stream. */
export interface ReaderEvents {
  deliver(delivery: Delivery): void;
  duplicate(cursor: string | null, id: number | undefined): void;
  error(error: StreamError): void;
}

/** Converts the frames of one connection to deliveries and drops duplicates. */
export class Reader {
  private isSynced = false;
  private replaysLeft = 0; // replayed events that have yet to arrive
  private replayedUntil = -Infinity; // older events are replayed, where the server gave no number
  private isStopped = false;

  constructor(
    private readonly position: Position,
    private readonly events: ReaderEvents,
  ) {}

  /** Drops the rest of a batch, of which a listener has closed or moved the stream. */
  stop(): void {
    this.isStopped = true;
  }

  frame(raw: string, id: string | null): void {
    const envelope = parse(raw);
    if (!envelope) {
      this.events.error(new StreamError("skipped a frame that is not an event", { kind: "protocol", cause: raw.slice(0, 200) }));
      if (id !== null) this.position.complete(id);
      return;
    }
    if (envelope.type === "batch") return this.batch(envelope, raw, id);
    if (envelope.id === undefined && envelope.type === "sync") return this.sync(envelope, raw, id);
    if (envelope.id === undefined && envelope.type === "heartbeat") return this.heartbeat(envelope, raw, id);
    this.event(envelope, raw, id);
  }

  private event(event: Envelope, raw: string, id: string | null): void {
    const replayed = this.isReplayed(event);
    const isNew = this.position.record(event.id);
    if (id !== null) this.position.complete(id);
    if (!isNew) this.events.duplicate(id, event.id);
    else this.events.deliver({ kind: "event", event, meta: { cursor: id, raw, receivedAt: Date.now(), replayed } });
  }

  private batch(envelope: Envelope, raw: string, id: string | null): void {
    const inside = (envelope.data as { events?: unknown } | null)?.events;
    const all: unknown[] = Array.isArray(inside) ? inside : [];
    const texts = textsOf(raw, ["data", "events"], all);
    const last = all.findLastIndex(isEnvelope);
    for (const [i, event] of all.entries()) {
      if (this.isStopped) return; // the server sends it again
      if (isEnvelope(event)) this.event(event, texts[i]!, i === last ? id : null);
    }
    if (last < 0 && id !== null) this.position.complete(id);
  }

  private sync(event: Envelope, raw: string, id: string | null): void {
    let data = event.data as Sync;
    const isFirst = !this.isSynced;
    this.isSynced = true;
    // A stale, and the live that ends it, change nothing about what has arrived.
    if (!isFirst && (data.mode === "stale" || data.mode === "live")) {
      if (id !== null) this.position.complete(id);
      return this.events.deliver({ kind: "sync", event: { ...event, data }, meta: this.ownMeta(raw, id) });
    }
    this.position.interrupt(); // an incomplete transaction is sent again, from here or from another cursor
    if (data.repeats && !this.position.expectRepeats()) data = { ...data, mode: "reset", reason: "repeats" };
    this.replaysLeft = data.mode === "resumed" ? (data.events ?? 0) : 0;
    this.replayedUntil = data.mode === "resumed" && data.events === undefined ? event.timestamp : -Infinity;
    if (data.mode === "reset") this.position.move(id ?? this.position.cursor);
    else if (id !== null) this.position.complete(id);
    this.events.deliver({ kind: "sync", event: { ...event, data }, meta: this.ownMeta(raw, id) });
  }

  private heartbeat(event: Envelope, raw: string, id: string | null): void {
    if (id !== null) this.position.complete(id);
    this.events.deliver({ kind: "heartbeat", event: { ...event, data: {} }, meta: this.ownMeta(raw, id) });
  }

  private ownMeta(raw: string, cursor: string | null): EventMeta {
    return { cursor, raw, receivedAt: Date.now(), replayed: false };
  }

  private isReplayed(event: Envelope): boolean {
    if (this.replaysLeft > 0) {
      this.replaysLeft--;
      return true;
    }
    return event.timestamp < this.replayedUntil;
  }
}

function parse(raw: string): Envelope | null {
  try {
    const value: unknown = JSON.parse(raw);
    return isEnvelope(value) ? value : null;
  } catch {
    return null;
  }
}

function isEnvelope(value: unknown): value is Envelope {
  return typeof value === "object" && value !== null && typeof (value as Envelope).type === "string";
}
