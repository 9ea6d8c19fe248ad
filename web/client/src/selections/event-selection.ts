import type { Connection } from "../connection.js";
import type { RowStream } from "../collection/row-stream.js";
import type { Snapshot } from "../collection/snapshot.js";
import { conditionsOf } from "../conditions.js";
import { contentOf } from "../content.js";
import type { Debug } from "../debug.js";
import type { StreamError } from "../errors.js";
import type { Envelope, EventMeta } from "../events.js";
import type { ConnectionOptions } from "../options.js";
import { Position } from "../position.js";
import type { Delivery } from "../reader.js";
import type { Sink, Source, StreamStatus } from "../source.js";
import { sourceOf } from "../sources.js";
import type { Lines } from "./lines.js";
import { pagesOf, readPast, type Past } from "./pages.js";

/** What arrives on the line; null for an event that other selections have. */
interface Arrival {
  delivery: Delivery | null;
  meta: EventMeta;
}

/**
 * The source of a stream of events that shares its connection: what one selection of events has of a line.
 *
 * It has a position of its own, since lines change. One without a cursor begins at that of the line, and skips what came
 * before it: a page says what that is. One with a cursor reads pages from there on, and keeps what comes on the line. It
 * follows the line once a page's snapshot shows that it has everything from before.
 */
export class EventSelection implements Source {
  readonly content: string;
  readonly isOfRows: boolean;
  private readonly position: Position;
  private isConnected = false;
  private hasBegun = false; // to take what comes on the line
  private line: RowStream | undefined;
  private own: Source | undefined; // a stream of its own, which stays
  private kept: Arrival[] | undefined; // while it joins
  private held: { event: Envelope; meta: EventMeta } | undefined; // until it is known whether it is the last of its transaction
  private joining: AbortController | undefined; // since the line is open
  private direct: Connection | undefined; // while it reads pages
  private readonly skipped = new Set<number>(); // events of pages, which may come on the line
  private shown: StreamStatus = "closed";
  wasOpen = false;

  constructor(
    private readonly lines: Lines,
    private readonly options: ConnectionOptions,
    private readonly sink: Sink,
    private readonly debug: Debug,
  ) {
    this.content = contentOf(options.collection, conditionsOf(options));
    this.isOfRows = options.collection !== undefined;
    this.position = new Position(options.since ?? null);
  }

  get cursor(): string | null {
    return this.own ? this.own.cursor : this.position.cursor;
  }

  connect(): void {
    if (this.isConnected) return;
    this.isConnected = true;
    if (this.own) return this.own.connect();
    this.publish("connecting", null);
    if (this.isConnected) this.join(); // a listener may have closed it
  }

  reconnect(): void {
    if (!this.isConnected) return this.connect();
    if (this.own) this.own.reconnect();
    else this.line?.reconnect();
    this.direct?.reconnect();
  }

  restart(cursor: string | null): void {
    if (this.own) return this.own.restart(cursor);
    this.leave();
    this.position.move(cursor);
    if (this.isConnected) this.join();
  }

  close(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    if (this.own) return this.own.close();
    this.leave();
    this.publish("closed", null);
  }

  private join(): void {
    if (this.lines.refusesEvents) return this.separate();
    this.line = this.lines.lineFor(this.content);
    this.line.joinEvents(this);
  }

  private leave(): void {
    const { line } = this;
    this.line = this.kept = undefined;
    this.hasBegun = false;
    this.stopJoining();
    this.interrupt();
    line?.leaveEvents(this);
  }

  private stopJoining(): void {
    const { direct } = this;
    this.joining?.abort();
    this.joining = this.direct = undefined;
    direct?.close();
  }

  /** Takes what comes on the line from here on, between two transactions. */
  begin(): void {
    this.hasBegun = true;
    this.kept = [];
    this.skipped.clear();
  }

  /** The line has another connection: an incomplete transaction is sent again, from its beginning. */
  interrupt(): void {
    this.held = undefined;
    this.position.interrupt();
  }

  /**
   * The line is open at `cursor`, at which this selection has begun. `isNow` says that everything from there on is new to one
   * without a cursor.
   */
  opened(cursor: string, isNow: boolean): void {
    if (!this.kept || this.joining) return;
    const since = this.position.cursor;
    if (since === cursor || (since === null && isNow)) return this.follow(cursor);
    this.joining = new AbortController();
    void this.joinAt(cursor, since, this.joining);
  }

  private async joinAt(cursor: string, since: string | null, joining: AbortController): Promise<void> {
    const past = await this.readPast(cursor, joining);
    if (this.joining !== joining) return;
    if (since === null) this.follow(past?.cursor ?? cursor);
    else this.catchUp(cursor, joining, past);
  }

  /** Reads what came since the line was at `cursor`, which the line has, too. */
  private async readPast(cursor: string, joining: AbortController): Promise<Past | undefined> {
    try {
      const past = await readPast(this.plain(), cursor, joining.signal);
      if (this.joining === joining) for (const id of past.ids) this.skipped.add(id);
      return past;
    } catch (error) {
      this.debug("could not read what came before", error);
      return undefined;
    }
  }

  /** Reads pages until they have all that the line has had. */
  private catchUp(cursor: string, joining: AbortController, past: Past | undefined): void {
    this.debug("catching up on pages");
    this.sink.role("catching-up");
    const ifCurrent = (action: () => unknown) => this.direct === direct && action();
    const onPage = async (snapshot: Snapshot) => {
      past ??= await this.readPast(cursor, joining);
      ifCurrent(() => past && snapshot.covers(past.snapshot) && this.follow(this.position.cursor!));
    };
    const sink = { ...this.sink, status: (status: StreamStatus, retryAt: number | null) => this.onDirectStatus(status, retryAt) };
    const direct = pagesOf(this.plain(), this.position, sink, ifCurrent, (snapshot) => void onPage(snapshot), this.debug);
    this.direct = direct;
    direct.connect();
  }

  private onDirectStatus(status: StreamStatus, retryAt: number | null): void {
    if (status === "closed") this.close();
    else this.publish(status, retryAt);
  }

  /** Follows the line. This selection has everything up to `cursor`, of which the line may yet have to deliver what is to be skipped. */
  private follow(cursor: string): void {
    const kept = this.kept ?? [];
    this.kept = undefined;
    this.stopJoining();
    this.position.interrupt();
    this.position.expectRepeats(); // of what it has from pages
    this.position.rewind(cursor, []);
    this.changed();
    for (const { delivery, meta } of kept) if (this.hasBegun && !this.kept) this.take(delivery, meta);
  }

  receive(delivery: Delivery | null, meta: EventMeta): void {
    const { kept } = this;
    // One that begins now has missed nothing.
    if (kept && this.position.cursor === null && delivery?.kind === "sync" && delivery.event.data.mode === "reset") return;
    if (kept) kept.push({ delivery, meta });
    else if (this.hasBegun) this.take(delivery, meta);
  }

  private take(delivery: Delivery | null, meta: EventMeta): void {
    const { cursor } = meta;
    if (delivery?.kind === "sync") return this.onSync(delivery);
    if (delivery?.kind === "event" && !this.isSkipped(delivery.event)) return this.onEvent(delivery.event, meta);
    if (cursor !== null && cursor !== this.position.cursor) this.complete(cursor);
    if (delivery?.kind === "heartbeat" && this.hasBegun) this.sink.deliver(delivery);
  }

  /** Reports whether an event was before this selection began, or was on a page. It may come again. */
  private isSkipped({ id }: Envelope): boolean {
    if (id === undefined || !this.skipped.delete(id)) return false;
    this.position.record(id);
    return true;
  }

  private onEvent(event: Envelope, meta: EventMeta): void {
    const { held } = this;
    this.held = undefined;
    if (held && held.event.id !== event.id) this.deliver(held.event, { ...held.meta, cursor: null });
    if (!this.hasBegun) return; // a listener has closed the stream
    if (meta.cursor === null) this.held = { event, meta };
    else this.deliver(event, meta);
  }

  /** Ends a transaction whose last event is none of this selection, or was received before. */
  private complete(cursor: string): void {
    const { held } = this;
    this.held = undefined;
    if (held) this.deliver(held.event, { ...held.meta, cursor });
    else this.advance(cursor);
  }

  private deliver(event: Envelope, meta: EventMeta): void {
    const isNew = this.position.record(event.id);
    const cursor = this.advance(meta.cursor);
    if (isNew) this.sink.deliver({ kind: "event", event, meta: { ...meta, cursor } });
    else this.sink.duplicate(cursor, event.id);
  }

  /** Moves to a cursor of the line, and returns it, once the line has everything that is to be skipped: then it lacks nothing. */
  private advance(cursor: string | null): string | null {
    if (cursor === null || this.skipped.size > 0) return null;
    this.position.complete(cursor);
    return cursor;
  }

  private onSync(delivery: Delivery & { kind: "sync" }): void {
    let { data } = delivery.event;
    if (data.repeats && !this.position.expectRepeats()) data = { ...data, mode: "reset", reason: "repeats" };
    const { cursor } = delivery.meta;
    if (data.mode === "reset") {
      this.held = undefined;
      this.skipped.clear();
      this.position.move(cursor);
    } else this.advance(cursor);
    this.sink.deliver({ ...delivery, event: { ...delivery.event, data } });
  }

  /** Shows the state of the line, once it follows that. */
  changed(): void {
    const { line } = this;
    if (!line || this.kept || this.direct) return;
    this.sink.role(line.role);
    this.publish(this.hasBegun ? line.status : "connecting", line.retryAt);
  }

  /** An attempt of the line failed. After a fatal error, the stream is closed until it connects again. */
  failed(error: StreamError): void {
    if (this.direct) return;
    this.sink.error(error);
    if (!error.fatal || !this.isConnected) return;
    this.isConnected = false;
    this.leave();
    this.publish("closed", null);
  }

  /** Gets a stream of its own, since the server does not take the selection. */
  separate(error?: StreamError): void {
    this.leave();
    this.debug("the server does not take the selection: connecting without the others");
    const status = (status: StreamStatus, retryAt: number | null) => {
      if (status === "open" && error) this.lines.onOwnStream(error);
      if (status === "open") error = undefined;
      if (status === "closed") this.isConnected = false;
      this.sink.status(status, retryAt);
    };
    const own = sourceOf(this.plain(), { ...this.sink, status }, this.debug);
    this.own = own;
    own.connect();
  }

  private plain(): ConnectionOptions {
    return { ...this.options, since: this.position.cursor };
  }

  private publish(status: StreamStatus, retryAt: number | null): void {
    if (status === this.shown && retryAt === null) return;
    this.shown = status;
    this.wasOpen ||= status === "open";
    this.sink.status(status, retryAt);
  }
}
