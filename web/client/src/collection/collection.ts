import { debugOf } from "../debug.js";
import { Emitter } from "../emitter.js";
import type { ConnectionOptions } from "../options.js";
import { reportUnheard } from "../errors.js";
import { isSame, Query, type LiveSnapshot } from "../query.js";
import type { StreamStatus } from "../source.js";
import { contentOf } from "../content.js";
import type { Api } from "./api.js";
import { filterParams, type Where } from "./where.js";
import { Rows, type Loading } from "./rows.js";
import type { LazyRowStreams } from "./lazy-row-streams.js";
import { isReset, type RowEvent } from "./row-event.js";
import { Selection, type LoadedRows } from "./selection.js";
import { Arrivals, type AwaitXidOptions } from "./arrivals.js";
import { loadedFollowing } from "../following.js";
import type { RowChanges } from "./row-changes.js";
import { AbortWatch } from "../signal.js";

export interface CollectionOptions<Row = Record<string, unknown>> {
  /** Only rows that match. Rows enter and leave as changes make them match or not. */
  where?: Where<Row>;
  /** Alternatives, of which at least one must match too. */
  any?: readonly Where<Row>[];
  /** The order by up to four filter fields, as in "placed.desc,total". Then, and by default, the order of the key. */
  order?: string;
  /** The most rows to show: the first ones in the order. Default 10000. */
  limit?: number;
  /** Closes the collection when it is aborted. */
  signal?: AbortSignal;
  /** False waits for start(). Default true. */
  autoStart?: boolean;
}

/** The state of a collection. It is the same object until something changes. */
export interface CollectionSnapshot<Row> extends LiveSnapshot<readonly Row[]> {
  /** The keys of the rows, in their order, as in the envelopes of events. */
  readonly keys: readonly string[];
  /** Whether further rows may match that the limit leaves out. */
  readonly hasMore: boolean;
}

/** The rows of a table, equal to the database. */
export interface Collection<Row> extends AsyncIterable<CollectionSnapshot<Row>> {
  readonly name: string;
  getSnapshot(): CollectionSnapshot<Row>;
  /** Calls the listener after the snapshot changed, at most once per animation frame. Returns a function that removes it. */
  subscribe(listener: () => void): () => void;
  /** Loads the rows and opens the stream, unless the collection is running. */
  start(): void;
  /** Loads the rows again. Resolves when they are loaded, or when the collection gives up or is closed. */
  refetch(): Promise<void>;
  /**
   * Resolves when the rows show the transaction with this number, which `pgherald.xid()` gives its writer: once its events
   * were applied, or once it is certain that none concern these rows. Call it after the transaction has committed. Rejects
   * after `timeout` milliseconds, by default 90000.
   */
  awaitXid(xid: string, options?: AwaitXidOptions): Promise<void>;
  /** Closes the stream and keeps the rows. start() loads them again. */
  close(): void;
}

/** The most rows by default. */
const defaultLimit = 10_000;

/** The parameters of a list. Throws a TypeError for a filter that cannot be. */
export function listParams({ where, any, order }: Pick<CollectionOptions<any>, "where" | "any" | "order">): URLSearchParams {
  const filter = filterParams(where, any);
  const params = new URLSearchParams();
  for (const [field, comparisons] of Object.entries(filter.where)) for (const comparison of comparisons) params.append(`where.${field}`, comparison);
  for (const group of filter.any) params.append("any", group);
  if (order) params.set("order", order);
  return params;
}

export class RowCollection<Row extends object> implements Collection<Row> {
  private readonly rows: Rows<Row>;
  private readonly query: Query<Loading<Row>, RowEvent, LoadedRows<Loading<Row>>>;
  private readonly listeners = new Emitter<[]>();
  private readonly arrivals = new Arrivals();
  private changes: RowChanges<Row> | undefined; // since the first event
  private readonly abort: AbortWatch;
  private selection!: Selection<Loading<Row>>;
  private snapshot: CollectionSnapshot<Row>;
  private shown: LiveSnapshot<Loading<Row>>; // what the snapshot shows

  constructor(
    readonly name: string,
    api: Api,
    streams: LazyRowStreams,
    { backoff, debug }: ConnectionOptions,
    options: CollectionOptions<Row>,
    private readonly changed: () => void,
  ) {
    const { limit = defaultLimit, signal } = options;
    if (!(Number.isInteger(limit) && limit > 0)) throw new TypeError(`limit must be a positive integer, not ${limit}`);
    const params = listParams(options);
    this.rows = new Rows(api, { name, params, limit });
    this.query = new Query(
      {
        load: (request) => this.rows.load(request.signal),
        apply: (data, events) => this.follow().apply(data, events),
        onEvents: (events) => events.some(isReset) || this.follow().settle(events), // after a reset, only a load shows them
        needsReload: ({ window }) => window.needsReload,
        reloadAfter: (events) => (events.some(isReset) ? "reset" : null),
        backoff,
        debug: debugOf(debug),
      },
      (query) => (this.selection = new Selection(streams, contentOf(name, [...params].filter(([param]) => param !== "order")), query, () => this.onHeartbeat())),
    );
    this.shown = this.query.getSnapshot();
    this.snapshot = this.currentSnapshot();
    this.query.subscribe(() => this.onChange());
    this.abort = new AbortWatch(signal, () => this.close());
    if ((options.autoStart ?? true) && !signal?.aborted) this.start();
  }

  get isRunning(): boolean {
    return this.query.isRunning;
  }

  get status(): StreamStatus {
    return this.snapshot.status;
  }

  get error(): Error | null {
    return this.snapshot.error;
  }

  getSnapshot(): CollectionSnapshot<Row> {
    return this.snapshot;
  }

  subscribe(listener: () => void): () => void {
    return this.listeners.on("change", listener);
  }

  start(): void {
    this.abort.start();
    this.query.start();
  }

  refetch(): Promise<void> {
    this.abort.start(); // it starts what is closed
    return this.query.refetch();
  }

  awaitXid(xid: string, options: AwaitXidOptions = {}): Promise<void> {
    if (this.contains(xid)) return Promise.resolve();
    return this.arrivals.await(xid, this.rows.begun, this.shown.status === "closed", options);
  }

  close(): void {
    this.abort.stop();
    this.changes?.close();
    this.query.close();
    this.arrivals.close();
    this.changed();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CollectionSnapshot<Row>, void, void> {
    let wake = () => {};
    const unsubscribe = this.subscribe(() => wake());
    try {
      for (let last: unknown; ; ) {
        const { snapshot } = this;
        if (snapshot !== last) yield (last = snapshot) as CollectionSnapshot<Row>;
        if (this.snapshot === last && this.snapshot.status === "closed") return;
        if (this.snapshot === last) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      unsubscribe();
    }
  }

  /** Returns what applies events. They come with its code. */
  private follow(): RowChanges<Row> {
    return (this.changes ??= new (loadedFollowing()!.RowChanges)(this.rows, {
      change: (change) => {
        this.query.change(change);
        this.onChange();
      },
      reset: () => this.query.reset(),
      shown: (xids) => this.arrivals.add(xids),
    }));
  }

  private onChange(): void {
    const next = this.query.getSnapshot();
    if (next.data && next.data.load !== this.shown.data?.load) this.onLoaded(next.data);
    this.shown = next;
    const snapshot = this.currentSnapshot();
    if (isSame(snapshot, this.snapshot)) return;
    reportUnheard(snapshot.error, this.snapshot.error, snapshot.data !== undefined || this.listeners.has("change"));
    this.snapshot = snapshot;
    this.changed();
    this.listeners.emit("change");
  }

  private onLoaded({ load }: Loading<Row>): void {
    this.changes?.forgetOthers(load);
    queueMicrotask(() => this.arrivals.onLoaded(load, (xid) => this.contains(xid)));
  }

  /** Reports whether the list that was loaded last has a transaction. */
  private contains(xid: string): boolean | undefined {
    return this.selection.snapshot?.has(Number(xid));
  }

  /** A heartbeat says nothing about rows that are yet to be loaded. The events before it may wait for an animation frame. */
  private onHeartbeat(): void {
    this.query.applyNow();
    const { data, loading, stale } = this.snapshot;
    if (data && !loading && !stale) this.arrivals.onHeartbeat();
  }

  private currentSnapshot(): CollectionSnapshot<Row> {
    const { data, stale, ...rest } = this.shown;
    const window = data?.window;
    return {
      ...rest,
      data: window?.rows,
      keys: window?.keys ?? noKeys,
      hasMore: window?.hasMore ?? false,
      stale: stale || !!this.changes?.isIncomplete,
    };
  }
}

const noKeys: readonly string[] = [];
