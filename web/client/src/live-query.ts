import { Backoff } from "./backoff.js";
import { debugOf, type Debug } from "./debug.js";
import { call, Emitter } from "./emitter.js";
import { StreamError } from "./errors.js";
import type { EventMeta, EventTypes, PgheraldEvent } from "./events.js";
import { Inbox } from "./inbox.js";
import type { StreamStatus } from "./source.js";
import { createEventStream, type EventStream, type EventStreamOptions } from "./stream.js";
import { onPageReturn } from "./page-return.js";

/** A list with the cursor of its snapshot: the stream continues exactly where the list ends. */
export interface Loaded<T> {
  data: T;
  cursor: string;
}

export interface LiveQueryOptions<T, Custom extends EventTypes = {}> {
  /** Fetches the whole list. If it throws, the query retries with back-off, unless the error is a fatal StreamError. */
  load: (request: { signal: AbortSignal }) => Promise<Loaded<T>>;
  /** Applies events, in order, and returns the data after them: a new value if anything changed. */
  apply: (data: T, events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]) => T;
  /** A list that was loaded elsewhere, for example by the server that rendered the page. It replaces the first load. */
  initial?: Loaded<T>;
  /** The options of the stream. Its `since` is the cursor of the list. */
  stream?: Omit<EventStreamOptions<Custom>, "since" | "autoConnect">;
  /** Types of events after which the list is loaded again, besides collection_reset. Default ["table_truncated"]. */
  refetchOn?: readonly string[];
  /** Called with the events of each flush, after they were applied. */
  onEvents?: (events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]) => void;
  /** False waits for start(). Default true. */
  autoStart?: boolean;
}

/** The state of a live query. It is the same object until something changes. */
export interface LiveSnapshot<T> {
  /** Undefined until the first load. */
  readonly data: T | undefined;
  /** Whether the list is being loaded. */
  readonly loading: boolean;
  /** Whether the data may be out of date: the stream is disconnected, or the list is loaded again after a reset. */
  readonly stale: boolean;
  /** The current error of the load or of the stream. */
  readonly error: Error | null;
  /** The status of the stream; "connecting" before the first load. */
  readonly status: StreamStatus;
  /** The cursor of the data. */
  readonly cursor: string | null;
}

/** A list that stays equal to the database. */
export interface LiveQuery<T, Custom extends EventTypes = {}> {
  readonly stream: EventStream<Custom>;
  getSnapshot(): LiveSnapshot<T>;
  /** Calls the listener after the snapshot changed, at most once per animation frame. Returns a function that removes it. */
  subscribe(listener: () => void): () => void;
  /** Loads the list and opens the stream, unless the query is running. */
  start(): void;
  /** Loads the list again and continues from its cursor. */
  refetch(): void;
  /** Closes the stream and keeps the data. start() loads the list again. */
  close(): void;
}

/** Loads a list, opens the stream at its cursor, applies the events, and loads again after a reset. */
export function createLiveQuery<T, Custom extends EventTypes = {}>(options: LiveQueryOptions<T, Custom>): LiveQuery<T, Custom> {
  const query = new Query<T, Custom>(options);
  if (options.autoStart ?? true) query.start();
  return query;
}

/** After a reset sooner than this after a load, in milliseconds, the next load is delayed by back-off. */
const minResetInterval = 5000;

class Query<T, Custom extends EventTypes> implements LiveQuery<T, Custom> {
  readonly stream: EventStream<Custom>;
  private readonly debug: Debug;
  private readonly listeners = new Emitter<[]>();
  private readonly backoff: Backoff;
  private readonly inbox = new Inbox<PgheraldEvent<Custom>>((events, metas) => this.flush(events, metas));
  private snapshot: LiveSnapshot<T> = { data: undefined, loading: false, stale: false, error: null, status: "connecting", cursor: null };
  private data: T | undefined;
  private cursor: string | null = null;
  private running = false;
  private needsReload = false; // since a reset
  private lastLoadError: Error | null = null;
  private loadedAt = -Infinity;
  private loading: AbortController | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private stopWatchingPage: (() => void) | undefined;

  constructor(private readonly options: LiveQueryOptions<T, Custom>) {
    this.data = options.initial?.data;
    this.cursor = options.initial?.cursor ?? null;
    this.snapshot = { ...this.snapshot, data: this.data, cursor: this.cursor };
    this.debug = debugOf(options.stream?.debug);
    this.backoff = new Backoff(options.stream?.backoff);
    this.stream = createEventStream<Custom>({ ...(options.stream as EventStreamOptions<Custom>), autoConnect: false });
    this.stream.on("*", (event, meta) => this.running && this.inbox.add(event as PgheraldEvent<Custom>, meta));
    this.stream.onReset(() => this.onReset());
    this.stream.onOversized(() => this.onReset()); // only the list has the data
    this.stream.onStatus(() => this.running && this.inbox.scheduleFlush());
    this.stream.onError(() => this.running && this.inbox.scheduleFlush());
  }

  getSnapshot(): LiveSnapshot<T> {
    return this.snapshot;
  }

  subscribe(listener: () => void): () => void {
    return this.listeners.on("change", listener);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.stopWatchingPage = onPageReturn(() => this.retry !== undefined && this.refetch());
    const { initial } = this.options;
    if (initial && this.loadedAt === -Infinity) this.onLoaded(initial);
    else this.refetch();
  }

  refetch(): void {
    if (!this.running) return this.start();
    this.stopLoading();
    const loading = new AbortController();
    this.loading = loading;
    this.update();
    this.load(loading.signal).then(
      (loaded) => loading.signal.aborted || this.onLoaded(loaded),
      (error: unknown) => loading.signal.aborted || this.onLoadError(error),
    );
  }

  close(): void {
    if (!this.running) return;
    this.running = false;
    this.stopWatchingPage?.();
    this.stopLoading();
    this.stream.close();
    this.inbox.close();
    this.update();
  }

  private async load(signal: AbortSignal): Promise<Loaded<T>> {
    const loaded = await this.options.load({ signal });
    if (typeof loaded?.cursor !== "string") {
      throw new StreamError("load must return { data, cursor } with the cursor of the list", { kind: "setup", fatal: true });
    }
    return loaded;
  }

  private stopLoading(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.loading?.abort();
    this.loading = undefined;
  }

  private onLoaded({ data, cursor }: Loaded<T>): void {
    this.loading = undefined;
    this.lastLoadError = null;
    this.needsReload = false;
    this.loadedAt = Date.now();
    this.inbox.clear(); // events after the list's cursor are sent again
    this.data = data;
    this.cursor = cursor;
    this.stream.restart(cursor);
    this.stream.connect();
    this.update();
  }

  private onLoadError(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.loading = undefined;
    this.lastLoadError = error;
    const fatal = error instanceof StreamError && error.fatal;
    if (!fatal) {
      const delay = this.backoff.next(error instanceof StreamError ? error.retryAfter : undefined);
      this.debug(`the list could not be loaded (${error.message}): retrying in ${Math.round(delay)} ms`, error);
      this.retry = setTimeout(() => this.refetch(), delay);
    }
    this.update();
  }

  private onReset(): void {
    if (!this.running) return;
    this.needsReload = true;
    if (Date.now() - this.loadedAt >= minResetInterval) {
      this.backoff.reset();
      return this.refetch();
    }
    this.stopLoading();
    this.retry = setTimeout(() => this.refetch(), this.backoff.next());
    this.update();
  }

  private flush(events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]): void {
    if (events.length > 0 && this.data !== undefined) this.apply(events, metas);
    this.update();
    if (events.length > 0 && this.options.onEvents) call(() => this.options.onEvents?.(events, metas));
    const refetchOn = this.options.refetchOn ?? ["table_truncated"];
    // A table may fail for many rows in a row, so the loads after it back off like those after a reset.
    if (events.some(({ type }) => type === "collection_reset")) this.onReset();
    else if (events.some(({ type }) => refetchOn.includes(type))) this.refetch();
  }

  private apply(events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]): void {
    call(() => {
      this.data = this.options.apply(this.data as T, events, metas);
    });
    this.cursor = metas.findLast((meta) => meta.cursor !== null)?.cursor ?? this.cursor;
  }

  /** Updates the snapshot, and calls the listeners if it changed. */
  private update(): void {
    const { data, cursor } = this;
    const status = !this.running ? "closed" : data === undefined ? "connecting" : this.stream.status;
    const next: LiveSnapshot<T> = {
      data,
      cursor,
      status,
      loading: this.loading !== undefined,
      stale: data !== undefined && (this.needsReload || status === "reconnecting" || status === "closed"),
      error: this.lastLoadError ?? this.stream.error,
    };
    if (isSame(next, this.snapshot)) return;
    this.snapshot = next;
    this.listeners.emit("change");
  }
}

function isSame<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((key) => a[key] === b[key]);
}
