import { Connection } from "../connection.js";
import type { Debug } from "../debug.js";
import type { ConnectionOptions } from "../options.js";
import type { Position } from "../position.js";
import type { Delivery } from "../reader.js";
import type { Sink, StreamStatus } from "../source.js";
import { Backlog } from "./backlog.js";
import { unpackError, type HubMessage } from "./messages.js";
import { Trail } from "./trail.js";

/**
 * One tab's part in a shared stream. It receives from a hub and delivers each event once, even when
 * the hub changes. A cursor names the exact set of transactions that a client has seen, so a hub
 * and a member with equal cursors have seen the same events:
 *
 *   - The hub is at a cursor that the member has, or had: the member follows it at once.
 *   - Otherwise the member catches up on a connection of its own, buffers what the hub delivers,
 *     and follows as soon as its own cursor is one that the hub has, or had.
 */
export class Member {
  private readonly trail = new Trail();
  private hub: string | undefined; // the hub that has sent its position
  private hubStatus: StreamStatus = "connecting";
  private hubRetryAt: number | null = null;
  private backlog: Backlog | undefined; // during a catch-up
  private direct: Connection | undefined; // during a catch-up
  private isSkipping = false; // the rest of a transaction whose beginning was not received
  private wasOpen = false;
  private isDoubtful = false; // whether the hub is alive

  constructor(
    private readonly options: ConnectionOptions,
    readonly position: Position,
    private readonly sink: Sink,
    private readonly debug: Debug,
  ) {
    this.trail.restart(position.cursor);
  }

  get isFollowing(): boolean {
    return this.hub !== undefined && !this.backlog;
  }

  /** Whether this hub is the one that has sent its position. */
  knows(hub: string): boolean {
    return hub === this.hub;
  }

  /** Processes a message of a hub. Apart from `state`, messages of other hubs are ignored. */
  receive(message: HubMessage): void {
    if (message.kind === "state") return this.onState(message);
    if (message.hub !== this.hub) return;
    if (this.isDoubtful) this.publishStatus();
    switch (message.kind) {
      case "status":
        this.hubStatus = message.status;
        this.hubRetryAt = message.retryAt;
        return this.isFollowing ? this.publishStatus() : undefined;
      case "error":
        return this.isFollowing ? this.sink.error(unpackError(message)) : undefined;
      case "position":
        if (!this.backlog) return this.advance(message.cursor);
        this.backlog.complete(message.cursor);
        return this.tryFollow();
      case "deliver":
        if (!this.backlog) return this.onDelivery(message.delivery);
        this.backlog.add(message.delivery);
        if (message.delivery.meta.cursor !== null) this.tryFollow();
    }
  }

  /** Goes to another cursor. The caller must then request the hub's state. */
  move(cursor: string | null): void {
    this.stop();
    this.position.move(cursor);
    this.trail.restart(cursor);
  }

  /** Ignores the hub until one sends its state. */
  stop(): void {
    this.hub = undefined;
    this.closeDirect();
  }

  /** Shows that what follows may be old, until the hub says something. */
  doubt(): void {
    if (!this.isFollowing) return;
    this.setStatus("connecting", null);
    this.isDoubtful = true;
  }

  reconnect(): void {
    this.direct?.reconnect();
  }

  private onState(hub: HubMessage & { kind: "state" }): void {
    if (hub.hub === this.hub && this.direct && hub.to !== undefined) return; // a second response
    this.isSkipping = false;
    this.hub = hub.hub;
    this.hubStatus = hub.status;
    this.hubRetryAt = hub.retryAt;
    this.position.interrupt();
    if (this.position.cursor === null) return this.adoptCursor(hub.cursor, hub.isAtBoundary);
    const backlog = new Backlog(hub.cursor, hub.isAtBoundary);
    this.backlog = backlog;
    this.tryFollow();
    if (this.backlog === backlog && !this.direct) this.catchUp();
  }

  /** Starts at the hub's cursor, since the member has none. */
  private adoptCursor(cursor: string | null, isAtBoundary: boolean): void {
    this.isSkipping = !isAtBoundary;
    this.position.move(cursor);
    this.trail.restart(cursor);
    this.startFollowing();
  }

  /** Follows the hub if the member is at a cursor that the hub has or had, or the hub at one that the member had. */
  private tryFollow(): void {
    const { backlog } = this;
    if (!backlog) return;
    const missed = backlog.after(this.position.cursor);
    if (missed) {
      this.startFollowing();
      return this.onDeliveries(missed);
    }
    const ahead = backlog.newest === null ? undefined : this.trail.since(backlog.newest);
    const rest = backlog.after(backlog.newest);
    if (!ahead || !rest) return;
    this.debug(`the other tab is ${ahead.length} events behind: dropping those`);
    this.startFollowing();
    this.position.rewind(backlog.newest, ahead);
    this.trail.restart(backlog.newest);
    this.onDeliveries(rest);
  }

  private onDeliveries(deliveries: readonly Delivery[]): void {
    const { hub } = this;
    for (const delivery of deliveries) {
      if (this.hub !== hub) return; // a listener has closed the stream, or moved it
      this.onDelivery(delivery);
    }
  }

  private startFollowing(): void {
    this.debug("following the shared connection");
    this.closeDirect();
    this.sink.role("follower");
    this.publishStatus();
  }

  /** Closes the member's own connection. Its closing is not reported. */
  private closeDirect(): void {
    const { direct } = this;
    this.direct = this.backlog = undefined;
    direct?.close();
    this.position.interrupt();
  }

  private catchUp(): void {
    this.debug("catching up on an own connection");
    this.sink.role("catching-up");
    const direct: Connection = new Connection(
      this.options,
      {
        deliver: (delivery) => this.direct === direct && this.onDirectDelivery(delivery),
        duplicate: (cursor, id) => {
          if (this.direct !== direct) return;
          this.sink.duplicate(cursor, id);
          this.trail.addEvent(id);
          if (cursor !== null) this.onDirectCursor(cursor);
        },
        status: (status, retryAt) => this.direct === direct && this.setStatus(status, retryAt),
        error: (error) => this.direct === direct && this.sink.error(error),
        role: () => {},
      },
      () => {}, // its lines would be mistaken for the shared connection's
      this.position,
    );
    this.direct = direct;
    direct.connect();
  }

  /** Delivers from the member's own connection, which has moved the position already. */
  private onDirectDelivery(delivery: Delivery): void {
    if (delivery.kind === "sync" && delivery.event.data.mode === "reset") this.trail.restart(null);
    if (delivery.kind === "event") this.trail.addEvent(delivery.event.id);
    this.sink.deliver(delivery);
    if (delivery.meta.cursor !== null) this.onDirectCursor(delivery.meta.cursor);
  }

  private onDirectCursor(cursor: string): void {
    this.trail.addCursor(cursor);
    this.tryFollow();
  }

  /** Delivers from the hub, and moves the position. */
  private onDelivery(delivery: Delivery): void {
    if (delivery.kind === "sync" && delivery.event.data.repeats) delivery = this.expectRepeats(delivery);
    const { kind, event, meta } = delivery;
    if (kind === "sync" && event.data.mode === "reset") {
      this.position.move(meta.cursor);
      this.trail.restart(meta.cursor);
    }
    if (kind === "sync") this.position.interrupt();
    const isSkipped = this.isSkipping && kind === "event";
    const isNew = !isSkipped && (kind !== "event" || this.position.record(event.id));
    if (kind === "event" && !isSkipped) this.trail.addEvent(event.id);
    if (meta.cursor !== null) this.advance(meta.cursor);
    if (isNew) this.sink.deliver(delivery);
    else if (!isSkipped) this.sink.duplicate(meta.cursor, event.id);
  }

  /** Makes the sync a reset if this tab cannot recognize all events that come again. */
  private expectRepeats(delivery: Delivery & { kind: "sync" }): Delivery {
    if (this.position.expectRepeats()) return delivery;
    const { event } = delivery;
    return { ...delivery, event: { ...event, data: { ...event.data, mode: "reset", reason: "repeats" } } };
  }

  private advance(cursor: string): void {
    if (cursor !== this.position.cursor) this.isSkipping = false;
    this.position.complete(cursor);
    this.trail.addCursor(cursor);
  }

  private publishStatus(): void {
    this.setStatus(this.hubStatus, this.hubRetryAt);
  }

  private setStatus(status: StreamStatus, retryAt: number | null): void {
    this.isDoubtful = false;
    if (status === "open" || status === "stale") this.wasOpen = true;
    this.sink.status(status === "connecting" && this.wasOpen ? "reconnecting" : status, retryAt);
  }
}
