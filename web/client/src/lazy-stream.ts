import { Emitter } from "./emitter.js";
import { reportUnheard, type StreamError } from "./errors.js";
import type { EventMeta, OversizedEvent, PgheraldEvent } from "./events.js";
import { keepLoading, loadedFollowing, loadFollowing, type Following } from "./following.js";
import type { SourceMaker } from "./loading-source.js";
import { checkOptions } from "./options.js";
import { groupOf } from "./shared/group.js";
import { AbortWatch } from "./signal.js";
import type { StreamStatus } from "./source.js";
import { newStats, type StreamStats } from "./stats.js";
import type { EventStream, EventStreamOptions, Reset, Stream } from "./stream.js";

/** What a client needs of a stream. */
export type ClientStream = EventStream<any> & Pick<Stream<any>, "isRunning" | "onChange">;

/** Returns a stream, whose code is loaded when it connects. Throws a TypeError for options that cannot work. */
export function lazyStream(options: EventStreamOptions<any>, sourceOf: (code: Following) => SourceMaker): ClientStream {
  const code = loadedFollowing();
  return code ? new code.Stream<any>(options, sourceOf(code)) : new LazyStream(options, sourceOf);
}

/** Takes the place of a stream until its code is there, and passes everything on to it then. */
class LazyStream implements ClientStream {
  private stream: Stream<any> | undefined;
  private readonly tasks = new Set<(stream: Stream<any>) => void>(); // for the stream
  private readonly changes = new Emitter<[]>();
  private readonly errors = new Emitter<[error: StreamError]>();
  private readonly statuses = new Emitter<[status: StreamStatus]>();
  private readonly abort: AbortWatch;
  private failure: StreamError | null = null; // the last one, of the attempts since connect()
  private cursor: string | null;
  private stop: (() => void) | undefined; // while it waits for the code

  constructor(
    private readonly options: EventStreamOptions<any>,
    private readonly sourceOf: (code: Following) => SourceMaker,
  ) {
    checkOptions(options);
    groupOf(options); // throws as well
    this.cursor = options.since ?? null;
    this.abort = new AbortWatch(options.signal, () => this.close());
    if (options.onError) this.errors.on("", options.onError);
    if (options.onStatus) this.onStatus(options.onStatus);
  }

  get isRunning(): boolean {
    return this.stream ? this.stream.isRunning : this.stop !== undefined;
  }

  get status(): StreamStatus {
    return this.stream?.status ?? (this.stop ? "connecting" : "closed");
  }

  get lastEventId(): string | null {
    return this.stream ? this.stream.lastEventId : this.cursor;
  }

  get error(): StreamError | null {
    return this.stream ? this.stream.error : this.failure;
  }

  get stats(): StreamStats {
    return this.stream?.stats ?? { ...newStats(), retryAt: this.failure?.retryAt ?? null };
  }

  on(type: any, listener: (event: any, meta: EventMeta) => void): () => void {
    return this.later((stream) => stream.on(type, listener));
  }

  onStatus(listener: (status: StreamStatus) => void): () => void {
    let last: StreamStatus | undefined;
    const tell = (status: StreamStatus) => {
      if (status === last && status === "connecting") return; // which the stream says again
      last = status;
      listener(status);
    };
    const stops = [this.statuses.on("", tell), this.later((stream) => stream.onStatus(tell))];
    return () => stops.forEach((stop) => stop());
  }

  onReset(listener: (reset: Reset) => void): () => void {
    return this.later((stream) => stream.onReset(listener));
  }

  onOversized(listener: (event: OversizedEvent, meta: EventMeta) => void): () => void {
    return this.later((stream) => stream.onOversized(listener));
  }

  onError(listener: (error: StreamError) => void): () => void {
    const stops = [this.errors.on("", listener), this.later((stream) => stream.onError(listener))];
    return () => stops.forEach((stop) => stop());
  }

  onChange(listener: () => void): () => void {
    return this.changes.on("", listener);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PgheraldEvent<any>, void, void> {
    const stream = this.stream ?? (await this.arrival()); // no event comes before the loop has begun, which is then at once
    if (stream) yield* stream;
  }

  connect(): void {
    if (this.stream) return this.stream.connect();
    if (this.stop) return;
    this.stop = keepLoading(loadFollowing, this.options.backoff, { ready: (code) => this.become(code), failed: (error) => this.fail(error) });
    this.abort.start();
    this.tell("connecting");
  }

  reconnect(): void {
    if (this.stream) this.stream.reconnect();
    else this.connect();
  }

  restart(cursor: string | null): void {
    this.cursor = cursor;
    this.stream?.restart(cursor);
  }

  close(): void {
    if (this.stream) return this.stream.close();
    if (!this.stop) return;
    this.stop();
    this.stop = undefined;
    this.failure = null;
    this.abort.stop();
    this.tell("closed");
  }

  private tell(status: StreamStatus): void {
    this.statuses.emit("", status);
    this.changes.emit("");
  }

  /** Does something with the stream, once it is there. Returns a function that ends it. */
  private later(begin: (stream: Stream<any>) => () => void): () => void {
    if (this.stream) return begin(this.stream);
    let end: () => void = () => this.tasks.delete(task);
    const task = (stream: Stream<any>) => {
      end = begin(stream);
    };
    this.tasks.add(task);
    return () => end();
  }

  /** Resolves to the stream once it is there; to undefined if this one is not running, or no longer. */
  private arrival(): Promise<Stream<any> | undefined> {
    return new Promise((resolve) => {
      const stops: (() => void)[] = [];
      const settle = (stream?: Stream<any>) => {
        for (const stop of stops) stop();
        resolve(stream);
      };
      if (!this.isRunning) return settle();
      stops.push(this.onChange(() => this.isRunning || settle()));
      this.later((stream) => {
        settle(stream);
        return () => {};
      });
    });
  }

  private become(code: Following): void {
    this.abort.stop();
    const stream = new code.Stream<any>({ ...this.options, onStatus: undefined, since: this.cursor }, this.sourceOf(code));
    this.stream = stream;
    stream.onChange(() => this.changes.emit(""));
    for (const task of this.tasks) task(stream);
    this.tasks.clear();
    stream.connect();
  }

  private fail(error: StreamError): void {
    if (error.message !== this.failure?.message) reportUnheard(error, null, this.errors.has(""));
    this.failure = error;
    this.errors.emit("", error);
    this.changes.emit("");
  }
}
