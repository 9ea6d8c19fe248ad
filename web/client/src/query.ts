import { Backoff, type BackoffOptions } from "./backoff.js";
import type { Debug } from "./debug.js";
import { call, Emitter } from "./emitter.js";
import { reportUnheard, StreamError } from "./errors.js";
import type { EventMeta } from "./events.js";
import { Inbox } from "./inbox.js";
import { onPageReturn } from "./page-return.js";
import type { StreamStatus } from "./source.js";

/** A list with the cursor of its snapshot: the stream continues exactly where the list ends. */
export interface Loaded<T> {
  data: T;
  cursor: string;
}

/** The state of a live query. It is the same object until something changes. */
export interface LiveSnapshot<T> {
  /** Undefined until the first load. */
  readonly data: T | undefined;
  /** Whether the list is being loaded. */
  readonly loading: boolean;
  /** Whether the data may be out of date: the stream is disconnected or stale, or the list is loaded again. */
  readonly stale: boolean;
  /** The current error of the load or of the stream. */
  readonly error: Error | null;
  /** The status of the stream; "connecting" before the first load. */
  readonly status: StreamStatus;
  /** The cursor of the data. */
  readonly cursor: string | null;
}

/** Where a query gets its events from. */
export interface QuerySource<L> {
  readonly status: StreamStatus;
  readonly error: Error | null;
  /** Prepares for a load. Calls `load` when the list may be read: later events reach the query. */
  prepare(load: () => void): void;
  /** Takes a list. Returns a function that continues after it, or when to load it again, since it is too old. */
  take(loaded: L): (() => void) | "now" | "later";
  /** Closes it until the next load. */
  close(): void;
}

/** What a query does. */
export interface QueryOptions<T, Event, L extends Loaded<T> = Loaded<T>> {
  load: (request: { signal: AbortSignal }) => Promise<L>;
  apply: (data: T, events: readonly Event[], metas: readonly EventMeta[]) => T;
  /** Says what to do after events: load again with back-off, load again at once, or nothing. */
  reloadAfter: (events: readonly Event[]) => "reset" | "refetch" | null;
  /** Reports whether the list must be loaded again soon, since events cannot say what it has become. */
  needsReload?: (data: T) => boolean;
  initial?: L;
  onEvents?: (events: readonly Event[], metas: readonly EventMeta[]) => void;
  backoff?: BackoffOptions;
  debug: Debug;
}

/** After a reset sooner than this after a load, in milliseconds, the next load is delayed by back-off. */
const minResetInterval = 5000;

/** The least time between two loads that the data make necessary, in milliseconds. */
const minReloadInterval = 1000;

/** Loads a list, applies the events of its source, and loads again after a reset. */
export class Query<T, Event, L extends Loaded<T> = Loaded<T>> {
  private readonly listeners = new Emitter<[]>();
  private readonly backoff: Backoff;
  private readonly inbox = new Inbox<Event>((events, metas) => this.flush(events, metas));
  private readonly source: QuerySource<L>;
  private snapshot: LiveSnapshot<T> = { data: undefined, loading: false, stale: false, error: null, status: "connecting", cursor: null };
  private data: T | undefined;
  private cursor: string | null = null;
  private running = false;
  private starts = 0;
  private needsLoad = false; // since a reset
  private isDue = false; // another load, since a reset came during the present one
  private waiting: (() => void)[] = []; // for the list
  private lastLoadError: Error | null = null;
  private loadedAt = -Infinity;
  private loading: AbortController | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private reloadTimer: ReturnType<typeof setTimeout> | undefined;
  private stopWatchingPage: (() => void) | undefined;

  constructor(
    private readonly options: QueryOptions<T, Event, L>,
    makeSource: (query: Query<T, Event, L>) => QuerySource<L>,
  ) {
    this.data = options.initial?.data;
    this.cursor = options.initial?.cursor ?? null;
    this.snapshot = { ...this.snapshot, data: this.data, cursor: this.cursor };
    this.backoff = new Backoff(options.backoff);
    this.source = makeSource(this);
  }

  /** From start() until close(), also after a fatal error. */
  get isRunning(): boolean {
    return this.running;
  }

  getSnapshot(): LiveSnapshot<T> {
    return this.snapshot;
  }

  subscribe(listener: () => void): () => void {
    return this.listeners.on("", listener);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.starts++;
    this.stopWatchingPage = onPageReturn(() => this.retry !== undefined && this.reload());
    const { initial } = this.options;
    if (initial && this.loadedAt === -Infinity) this.source.prepare(() => this.onLoaded(initial));
    else {
      this.needsLoad = this.data !== undefined; // what was loaded before it was closed is old
      this.reload();
    }
  }

  refetch(): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.running) this.reload();
    else this.start();
    return loaded;
  }

  /** Applies an event soon. */
  receive(event: Event, meta: EventMeta): void {
    if (this.running && this.data !== undefined) this.inbox.add(event, meta);
  }

  /** Applies at once what was received. */
  applyNow(): void {
    if (this.running && !this.inbox.isEmpty) this.inbox.flushNow();
  }

  /** Records that the status or the error of the source has changed. */
  changed(): void {
    if (this.running) this.inbox.scheduleFlush();
  }

  /** Replaces the data by what `change` makes of it, between two events. */
  change(change: (data: T) => T): void {
    if (this.data !== undefined) this.data = change(this.data);
    this.update();
  }

  /**
   * Loads the list again, since events may be missing: with back-off if that comes soon after a load. A load that has
   * begun goes on, or resets in a row would let none come to its end, unless `restarts` says that it must not.
   */
  reset(restarts = false): void {
    if (!this.running) return;
    this.needsLoad = true;
    if (this.loading && !restarts) {
      this.isDue = true;
      return this.update();
    }
    if (Date.now() - this.loadedAt >= minResetInterval) {
      this.backoff.reset();
      return this.reload();
    }
    this.reloadLater();
  }

  close(): void {
    if (!this.running) return;
    this.running = false;
    this.stopWatchingPage?.();
    this.stopLoading();
    this.source.close();
    this.inbox.close();
    this.update();
    this.stopWaiting();
  }

  private reload(): void {
    this.stopLoading();
    const loading = new AbortController();
    this.loading = loading;
    this.update();
    this.source.prepare(() => {
      if (loading.signal.aborted) return;
      this.isDue = false;
      this.load(loading.signal).then(
        (loaded) => loading.signal.aborted || this.onLoaded(loaded),
        (error: unknown) => loading.signal.aborted || this.onLoadError(error),
      );
    });
  }

  private reloadLater(): void {
    this.stopLoading();
    this.retry = setTimeout(() => this.reload(), this.backoff.next());
    this.update();
  }

  private async load(signal: AbortSignal): Promise<L> {
    const loaded = await this.options.load({ signal });
    if (typeof loaded?.cursor !== "string") {
      throw new StreamError("load must return { data, cursor } with the cursor of the list", { kind: "setup", fatal: true });
    }
    return loaded;
  }

  private stopLoading(): void {
    clearTimeout(this.retry);
    clearTimeout(this.reloadTimer);
    this.retry = this.reloadTimer = undefined;
    this.loading?.abort();
    this.loading = undefined;
  }

  private onLoaded(loaded: L): void {
    const resume = this.source.take(loaded);
    if (resume === "now") return this.reload();
    if (resume === "later") return this.reloadLater();
    const isOver = this.watchEnd();
    this.loading = undefined;
    this.lastLoadError = null;
    const { isDue } = this;
    this.needsLoad = isDue;
    this.loadedAt = Date.now();
    this.inbox.clear(); // what the list lacks comes after it
    this.data = loaded.data;
    this.cursor = loaded.cursor;
    resume();
    if (isOver()) return; // a listener has closed it
    this.inbox.flushNow(); // what came during the load was shown before
    if (isOver()) return;
    if (isDue && !this.loading && !this.retry) this.reloadLater();
    this.stopWaiting();
  }

  private onLoadError(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (!this.lastLoadError && Date.now() - this.loadedAt >= minResetInterval) this.backoff.reset();
    this.loading = undefined;
    this.lastLoadError = error;
    if (this.isFatal(error)) {
      if (this.data === undefined) this.source.close();
      this.stopWaiting();
    } else {
      const delay = this.backoff.next(error instanceof StreamError ? error.retryAfter : undefined);
      this.options.debug(`the list could not be loaded (${error.message}): retrying in ${Math.round(delay)} ms`, error);
      this.retry = setTimeout(() => this.reload(), delay);
    }
    this.update();
  }

  /** Reports whether a retry is useless. A stream that is open shows that there is a token that the server takes. */
  private isFatal(error: Error): boolean {
    return error instanceof StreamError && error.fatal && !(error.status === 401 && this.source.status === "open");
  }

  private flush(events: readonly Event[], metas: readonly EventMeta[]): void {
    if (events.length > 0 && this.data !== undefined) this.apply(events, metas);
    const next = this.options.reloadAfter(events);
    if (next === "reset") this.needsLoad = true; // before listeners see data that lack a part of a transaction
    const isOver = this.watchEnd();
    this.update();
    if (events.length > 0 && this.options.onEvents && !isOver()) call(() => this.options.onEvents?.(events, metas));
    if (next === null || isOver()) return;
    if (next === "reset" || this.loading) this.reset();
    else this.reload();
  }

  /** Returns a function that reports whether a listener has closed the query since, perhaps to start it again. */
  private watchEnd(): () => boolean {
    const { starts } = this;
    return () => !this.running || this.starts !== starts;
  }

  private stopWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  private apply(events: readonly Event[], metas: readonly EventMeta[]): void {
    call(() => {
      this.data = this.options.apply(this.data as T, events, metas);
    });
    this.cursor = metas.findLast((meta) => meta.cursor !== null)?.cursor ?? this.cursor;
  }

  /** Updates the snapshot, and calls the listeners if it changed. */
  private update(): void {
    const { data, cursor } = this;
    const status = !this.running ? "closed" : data === undefined ? "connecting" : this.source.status;
    const isDoubtful = data !== undefined && (this.options.needsReload?.(data) ?? false);
    if (isDoubtful && this.running && !this.loading && !this.retry && !this.lastLoadError) this.scheduleReload(); // and not after a fatal error
    const next: LiveSnapshot<T> = {
      data,
      cursor,
      status,
      loading: this.loading !== undefined,
      stale: data !== undefined && (this.needsLoad || isDoubtful || status === "reconnecting" || status === "stale" || status === "closed"),
      error: this.lastLoadError ?? this.source.error,
    };
    if (isSame(next, this.snapshot)) return;
    reportUnheard(next.error, this.snapshot.error, data !== undefined || this.listeners.has(""));
    this.snapshot = next;
    this.listeners.emit("");
  }

  /** Loads the list again soon: at most once in a while. */
  private scheduleReload(): void {
    this.reloadTimer ??= setTimeout(() => this.reload(), Math.max(0, this.loadedAt + minReloadInterval - Date.now()));
  }
}

export function isSame<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((key) => a[key] === b[key]);
}
