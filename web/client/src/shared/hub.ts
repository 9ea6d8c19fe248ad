import { Connection } from "../connection.js";
import type { Debug } from "../debug.js";
import type { ConnectionOptions } from "../options.js";
import type { Position } from "../position.js";
import type { StreamStatus } from "../source.js";
import { packError, type HubMessage } from "./messages.js";

/** Without its hub's name, which is added when it is said. */
type Unsigned = HubMessage extends infer M ? (M extends HubMessage ? Omit<M, "hub"> : never) : never;

/** The group's one connection, in the leading tab. It says all that comes, in order, to `say`. */
export class Hub {
  readonly id = crypto.randomUUID();
  private readonly connection: Connection;
  private outbox: HubMessage[] = [];
  private status: StreamStatus = "connecting";
  private retryAt: number | null = null;
  private closed = false;

  constructor(
    options: ConnectionOptions,
    private readonly position: Position,
    debug: Debug,
    private readonly say: (messages: HubMessage[]) => void,
  ) {
    this.connection = new Connection(
      options,
      {
        deliver: (delivery) => this.post({ kind: "deliver", delivery }),
        duplicate: (cursor) => cursor !== null && this.post({ kind: "position", cursor }),
        status: (status, retryAt) => this.become(status, retryAt),
        error: (error) => this.post({ kind: "error", ...packError(error) }),
        role: () => {},
      },
      debug,
      position,
    );
  }

  open(): void {
    this.state();
    this.connection.connect();
  }

  /** Says where the hub is: to one member, or to all. */
  state(to?: string): void {
    const { cursor, whole } = this.position;
    this.post({ kind: "state", to, status: this.status, retryAt: this.retryAt, cursor, whole });
  }

  wake(): void {
    this.connection.wakeUp("another tab is visible");
  }

  reconnect(): void {
    this.connection.reconnect();
  }

  close(): void {
    this.closed = true;
    this.connection.close();
  }

  private become(status: StreamStatus, retryAt: number | null): void {
    this.status = status;
    this.retryAt = retryAt;
    this.post({ kind: "status", status, retryAt });
  }

  /** What comes in one piece goes out in one piece. */
  private post(message: Unsigned): void {
    if (this.closed) return;
    this.outbox.push({ ...message, hub: this.id } as HubMessage);
    if (this.outbox.length > 1) return;
    queueMicrotask(() => {
      const messages = this.outbox;
      this.outbox = [];
      if (!this.closed) this.say(messages);
    });
  }
}
