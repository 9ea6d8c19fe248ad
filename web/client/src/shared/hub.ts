import { Connection } from "../connection.js";
import type { Debug } from "../debug.js";
import type { ConnectionOptions } from "../options.js";
import type { Position } from "../position.js";
import type { StreamStatus } from "../source.js";
import { packError, type HubMessage } from "./messages.js";

/** A message without the hub's id, which `post` adds. */
type Unsigned = HubMessage extends infer M ? (M extends HubMessage ? Omit<M, "hub"> : never) : never;

/** Holds the group's connection, in the leading tab, and passes everything that arrives to `broadcast`, in order. */
export class Hub {
  readonly id = crypto.randomUUID();
  private readonly connection: Connection;
  private outbox: HubMessage[] = [];
  private status: StreamStatus = "connecting";
  private retryAt: number | null = null;
  private isClosed = false;

  constructor(
    options: ConnectionOptions,
    private readonly position: Position,
    debug: Debug,
    private readonly broadcast: (messages: HubMessage[]) => void,
  ) {
    this.connection = new Connection(
      options,
      {
        deliver: (delivery) => this.post({ kind: "deliver", delivery }),
        duplicate: (cursor) => cursor !== null && this.post({ kind: "position", cursor }),
        status: (status, retryAt) => this.setStatus(status, retryAt),
        error: (error) => this.post({ kind: "error", ...packError(error) }),
        role: () => {},
      },
      debug,
      position,
    );
  }

  open(): void {
    this.postState();
    this.connection.connect();
  }

  /** Posts the hub's position and status, to one member or to all. */
  postState(to?: string): void {
    this.post(this.state(to));
  }

  state(to?: string): HubMessage & { kind: "state" } {
    const { cursor, isAtBoundary } = this.position;
    return { kind: "state", hub: this.id, to, status: this.status, retryAt: this.retryAt, cursor, isAtBoundary };
  }

  /** Posts that the leader is alive. */
  beat(): void {
    this.post({ kind: "beat" });
  }

  /** Makes a delayed attempt now, since the user looks at another tab. */
  retryNow(): void {
    this.connection.retryNow("another tab is visible");
  }

  reconnect(): void {
    this.connection.reconnect();
  }

  close(): void {
    this.isClosed = true;
    this.connection.close();
  }

  private setStatus(status: StreamStatus, retryAt: number | null): void {
    this.status = status;
    this.retryAt = retryAt;
    this.post({ kind: "status", status, retryAt });
  }

  /** Collects the messages of one task and broadcasts them together. */
  private post(message: Unsigned): void {
    if (this.isClosed) return;
    this.outbox.push({ ...message, hub: this.id } as HubMessage);
    if (this.outbox.length > 1) return;
    queueMicrotask(() => {
      const messages = this.outbox;
      this.outbox = [];
      if (!this.isClosed) this.broadcast(messages);
    });
  }
}
