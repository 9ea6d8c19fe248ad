import type { Debug } from "./debug.js";
import { keepLoading } from "./following.js";
import type { ConnectionOptions } from "./options.js";
import type { Sink, Source } from "./source.js";

/** Returns the connection of a stream. */
export type SourceMaker = (options: ConnectionOptions, sink: Sink, debug: Debug) => Source;

/** Takes the place of a connection until its code is there. */
export class LoadingSource implements Source {
  private source: Source | undefined;
  private stop: (() => void) | undefined; // while it is connected, and waits for the code
  private since: string | null;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly sink: Sink,
    private readonly load: () => Promise<unknown>,
    private readonly make: (options: ConnectionOptions) => Source,
  ) {
    this.since = options.since ?? null;
  }

  get cursor(): string | null {
    return this.source ? this.source.cursor : this.since;
  }

  connect(): void {
    if (this.source) return this.source.connect();
    if (this.stop) return;
    let isEnded = false; // a listener of the status may close it
    let end = () => {};
    this.stop = () => {
      isEnded = true;
      end();
    };
    this.sink.status("connecting", null);
    if (isEnded) return;
    end = keepLoading(this.load, this.options.backoff, {
      ready: () => this.become(this.make({ ...this.options, since: this.since })),
      failed: (error, retryAt) => {
        this.sink.error(error);
        if (!isEnded) this.sink.status("connecting", retryAt);
      },
    });
  }

  reconnect(): void {
    if (this.source) this.source.reconnect();
    else this.connect();
  }

  restart(cursor: string | null): void {
    if (this.source) this.source.restart(cursor);
    else this.since = cursor;
  }

  close(): void {
    if (this.source) return this.source.close();
    if (!this.stop) return;
    this.stop();
    this.stop = undefined;
    this.sink.status("closed", null);
  }

  private become(source: Source): void {
    this.source = source;
    source.connect();
  }
}
