import { Backoff } from "./backoff.js";
import { debugOf, type Debug } from "./debug.js";
import { call, Emitter } from "./emitter.js";
import { StreamError } from "./errors.js";
import type { EventMeta, EventTypes, PgheraldEvent } from "./events.js";
import { Inbox } from "./inbox.js";
import type { StreamStatus } from "./source.js";
import { createEventStream, type EventStream, type EventStreamOptions } from "./stream.js";
import { onWake } from "./wake.js";

/** A list and the cursor that came with it: the stream continues exactly where the list ends. */
export interface Loaded<T> {
  data: T;
  cursor: string;
}

export interface LiveQueryOptions<T, Custom extends EventTypes = {}> {
  /** Fetches everything anew. What it throws is retried with back-off, unless it is a fatal StreamError. */
  load: (request: { signal: AbortSignal }) => Promise<Loaded<T>>;
  /** Returns the data after these events, in their order: a new value if anything has changed. */
  apply: (data: T, events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]) => T;
  /** A list that was loaded elsewhere, as by the server that rendered the page: it need not be loaded first. */
  initial?: Loaded<T>;
  /** Where the events come from. Its `since` is the list's. */
  stream?: Omit<EventStreamOptions<Custom>, "since" | "autoConnect">;
  /** Types after which everything is fetched anew. Default ["table_truncated"]. */
  refetchOn?: readonly string[];
  /** Hears the events after each flush, when the data has them. */
  onEvents?: (events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]) => void;
  /** False: wait for start(). Default true. */
  autoStart?: boolean;
}

/** What a live query has at one moment. It is the same object until something changes. */
export interface LiveSnapshot<T> {
  /** Undefined until it was loaded for the first time. */
  readonly data: T | undefined;
  /** The list is being fetched. */
  readonly loading: boolean;
  /** There is data, and it may be behind: the stream is away, or a reset is being mended. */
  readonly stale: boolean;
  /** Why loading or the stream fails at the moment. */
  readonly error: Error | null;
  /** The stream's; "connecting" until there is one. */
  readonly status: StreamStatus;
  /** The cursor that the data is at. */
  readonly cursor: string | null;
}

/** A list that stays equal to the database. */
export interface LiveQuery<T, Custom extends EventTypes = {}> {
  readonly stream: EventStream<Custom>;
  getSnapshot(): LiveSnapshot<T>;
  /** Calls the listener, at most once a frame, after the snapshot has changed. Returns the off function. */
  subscribe(listener: () => void): () => void;
  /** Loads and listens, if it does not yet. */
  start(): void;
  /** Loads everything anew and continues from there. */
  refetch(): void;
  /** Ends it. start() begins anew; the data stays until then. */
  close(): void;
}

/** Loads a list, opens the stream at its cursor, applies the events, and loads again after a reset. */
export function createLiveQuery<T, Custom extends EventTypes = {}>(options: LiveQueryOptions<T, Custom>): LiveQuery<T, Custom> {
  const query = new Query<T, Custom>(options);
  if (options.autoStart ?? true) query.start();
  return query;
}

/** Resets that follow each other sooner than this, in milliseconds, are mended with back-off. */
const calm = 5000;

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
  private behind = false; // a reset was told, and is not mended
  private loadError: Error | null = null;
  private loadedAt = -Infinity;
  private loading: AbortController | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private stopWaking: (() => void) | undefined;

  constructor(private readonly options: LiveQueryOptions<T, Custom>) {
    this.data = options.initial?.data;
    this.cursor = options.initial?.cursor ?? null;
    this.snapshot = { ...this.snapshot, data: this.data, cursor: this.cursor };
    this.debug = debugOf(options.stream?.debug);
    this.backoff = new Backoff(options.stream?.backoff);
    this.stream = createEventStream<Custom>({ ...(options.stream as EventStreamOptions<Custom>), autoConnect: false });
    this.stream.on("*", (event, meta) => this.running && this.inbox.add(event as PgheraldEvent<Custom>, meta));
    this.stream.onReset(() => this.mend());
    this.stream.onStatus(() => this.running && this.inbox.flushSoon());
    this.stream.onError(() => this.running && this.inbox.flushSoon());
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
    this.stopWaking = onWake(() => this.retry !== undefined && this.refetch());
    const { initial } = this.options;
    if (initial && this.loadedAt === -Infinity) this.loaded(initial);
    else this.refetch();
  }

  refetch(): void {
    if (!this.running) return this.start();
    this.stopLoading();
    const loading = new AbortController();
    this.loading = loading;
    this.update();
    this.load(loading.signal).then(
      (loaded) => loading.signal.aborted || this.loaded(loaded),
      (error: unknown) => loading.signal.aborted || this.failed(error),
    );
  }

  close(): void {
    if (!this.running) return;
    this.running = false;
    this.stopWaking?.();
    this.stopLoading();
    this.stream.close();
    this.inbox.close();
    this.update();
  }

  private async load(signal: AbortSignal): Promise<Loaded<T>> {
    const loaded = await this.options.load({ signal });
    if (typeof loaded?.cursor !== "string") {
      throw new StreamError("load must return { data, cursor } with the cursor that came with the list", { kind: "setup", fatal: true });
    }
    return loaded;
  }

  private stopLoading(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.loading?.abort();
    this.loading = undefined;
  }

  private loaded({ data, cursor }: Loaded<T>): void {
    this.loading = undefined;
    this.loadError = null;
    this.behind = false;
    this.loadedAt = Date.now();
    this.inbox.clear(); // what is newer than the list comes again
    this.data = data;
    this.cursor = cursor;
    this.stream.restart(cursor);
    this.stream.connect();
    this.update();
  }

  private failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.loading = undefined;
    this.loadError = error;
    const fatal = error instanceof StreamError && error.fatal;
    if (!fatal) {
      const delay = this.backoff.next(error instanceof StreamError ? error.retryAfter : undefined);
      this.debug(`the list could not be loaded (${error.message}): again in ${Math.round(delay)} ms`, error);
      this.retry = setTimeout(() => this.refetch(), delay);
    }
    this.update();
  }

  private mend(): void {
    if (!this.running) return;
    this.behind = true;
    if (Date.now() - this.loadedAt >= calm) {
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
    const again = this.options.refetchOn ?? ["table_truncated"];
    if (events.some(({ type }) => again.includes(type))) this.refetch();
  }

  private apply(events: readonly PgheraldEvent<Custom>[], metas: readonly EventMeta[]): void {
    call(() => {
      this.data = this.options.apply(this.data as T, events, metas);
    });
    this.cursor = metas.findLast((meta) => meta.cursor !== null)?.cursor ?? this.cursor;
  }

  /** Makes the snapshot true, and tells the listeners if it has changed. */
  private update(): void {
    const { data, cursor } = this;
    const status = !this.running ? "closed" : data === undefined ? "connecting" : this.stream.status;
    const next: LiveSnapshot<T> = {
      data,
      cursor,
      status,
      loading: this.loading !== undefined,
      stale: data !== undefined && (this.behind || status === "reconnecting" || status === "closed"),
      error: this.loadError ?? this.stream.error,
    };
    if (same(next, this.snapshot)) return;
    this.snapshot = next;
    this.listeners.emit("change");
  }
}

function same<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((key) => a[key] === b[key]);
}
