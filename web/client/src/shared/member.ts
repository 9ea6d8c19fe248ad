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
 * One tab's part in a shared stream: it hears a hub, and delivers each event once whatever hub it
 * hears. A cursor is the exact set of transactions that were seen, so two who have the same cursor
 * have seen the same. If the hub is where we are, or where we have been, we follow it. Otherwise we
 * catch up on a connection of our own until we are where the hub is or was, and follow it from there.
 */
export class Member {
  private readonly trail = new Trail();
  private hub: string | undefined; // undefined: none has told us where it is
  private hubStatus: StreamStatus = "connecting";
  private hubRetryAt: number | null = null;
  private backlog: Backlog | undefined; // while catching up
  private direct: Connection | undefined;
  private skipping = false; // the rest of a transaction whose beginning we have not heard
  private wasOpen = false;

  constructor(
    private readonly options: ConnectionOptions,
    readonly position: Position,
    private readonly sink: Sink,
    private readonly debug: Debug,
  ) {
    this.trail.begin(position.cursor);
  }

  get following(): boolean {
    return this.hub !== undefined && !this.backlog;
  }

  /** Takes what a hub says. */
  heard(message: HubMessage): void {
    if (message.kind === "state") return this.meet(message);
    if (message.hub !== this.hub) return;
    switch (message.kind) {
      case "status":
        this.hubStatus = message.status;
        this.hubRetryAt = message.retryAt;
        return this.following ? this.tellStatus() : undefined;
      case "error":
        return this.following ? this.sink.error(unpackError(message)) : undefined;
      case "position":
        if (!this.backlog) return this.reach(message.cursor);
        this.backlog.complete(message.cursor);
        return this.join();
      case "deliver":
        if (!this.backlog) return this.follow(message.delivery);
        this.backlog.add(message.delivery);
        if (message.delivery.meta.cursor !== null) this.join();
    }
  }

  /** Goes to a cursor of its own choice. The hub must then be asked where it is. */
  move(cursor: string | null): void {
    this.stop();
    this.position.move(cursor);
    this.trail.begin(cursor);
  }

  /** Hears nothing more, until a hub says where it is. */
  stop(): void {
    this.hub = undefined;
    this.hangUp();
  }

  reconnect(): void {
    this.direct?.reconnect();
  }

  private meet(hub: HubMessage & { kind: "state" }): void {
    if (hub.hub === this.hub && this.direct) return; // it answered twice
    this.hub = hub.hub;
    this.hubStatus = hub.status;
    this.hubRetryAt = hub.retryAt;
    this.position.interrupt();
    if (this.position.cursor === null) return this.adopt(hub.cursor, hub.whole);
    const backlog = new Backlog(hub.cursor, hub.whole);
    this.backlog = backlog;
    this.join();
    if (this.backlog === backlog && !this.direct) this.catchUp();
  }

  /** We are nowhere yet: we begin where the hub is. */
  private adopt(cursor: string | null, whole: boolean): void {
    this.skipping = !whole;
    this.position.move(cursor);
    this.trail.begin(cursor);
    this.joined();
  }

  /** Follows the hub if we are where it is or was, or if it is where we have been. */
  private join(): void {
    const { backlog } = this;
    if (!backlog) return;
    const missed = backlog.after(this.position.cursor);
    if (missed) {
      this.joined();
      for (const delivery of missed) this.follow(delivery);
      return;
    }
    const ahead = backlog.newest === null ? undefined : this.trail.since(backlog.newest);
    const rest = backlog.after(backlog.newest);
    if (!ahead || !rest) return;
    this.debug(`the other tab is ${ahead.length} events behind us: leaving those out`);
    this.joined();
    this.position.ahead(backlog.newest, ahead);
    this.trail.begin(backlog.newest);
    for (const delivery of rest) this.follow(delivery);
  }

  private joined(): void {
    this.debug("following the connection that all tabs share");
    this.hangUp();
    this.sink.role("follower");
    this.tellStatus();
  }

  /** Ends the connection of our own: what it says of its end is not for others. */
  private hangUp(): void {
    const { direct } = this;
    this.direct = this.backlog = undefined;
    direct?.close();
    this.position.interrupt();
  }

  private catchUp(): void {
    this.debug("the other tab is elsewhere in the stream: catching up on a connection of our own");
    this.sink.role("catching-up");
    const direct: Connection = new Connection(
      this.options,
      {
        deliver: (delivery) => this.direct === direct && this.delivered(delivery),
        duplicate: (cursor, id) => {
          if (this.direct !== direct) return;
          this.sink.duplicate(cursor, id);
          this.trail.event(id);
          if (cursor !== null) this.reached(cursor);
        },
        status: (status, retryAt) => this.direct === direct && this.become(status, retryAt),
        error: (error) => this.direct === direct && this.sink.error(error),
        role: () => {},
      },
      () => {}, // what it says would be taken for the shared one's
      this.position,
    );
    this.direct = direct;
    direct.connect();
  }

  /** From our own connection, which has moved the position already. */
  private delivered(delivery: Delivery): void {
    if (delivery.kind === "sync" && delivery.event.data.mode === "reset") this.trail.begin(null);
    if (delivery.kind === "event") this.trail.event(delivery.event.id);
    this.sink.deliver(delivery);
    if (delivery.meta.cursor !== null) this.reached(delivery.meta.cursor);
  }

  private reached(cursor: string): void {
    this.trail.reach(cursor);
    this.join();
  }

  /** From the hub that we follow. */
  private follow(delivery: Delivery): void {
    const { kind, event, meta } = delivery;
    if (kind === "sync" && event.data.mode === "reset") {
      this.position.move(meta.cursor);
      this.trail.begin(meta.cursor);
    }
    if (kind === "sync") this.position.interrupt();
    const skip = this.skipping && kind === "event";
    const fresh = !skip && (kind !== "event" || this.position.take(event.id));
    if (kind === "event" && !skip) this.trail.event(event.id);
    if (meta.cursor !== null) this.reach(meta.cursor);
    if (fresh) this.sink.deliver(delivery);
    else if (!skip) this.sink.duplicate(meta.cursor, event.id);
  }

  private reach(cursor: string): void {
    if (cursor !== this.position.cursor) this.skipping = false;
    this.position.complete(cursor);
    this.trail.reach(cursor);
  }

  private tellStatus(): void {
    this.become(this.hubStatus, this.hubRetryAt);
  }

  private become(status: StreamStatus, retryAt: number | null): void {
    if (status === "open") this.wasOpen = true;
    this.sink.status(status === "connecting" && this.wasOpen ? "reconnecting" : status, retryAt);
  }
}
