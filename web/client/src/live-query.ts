import type { Changes } from "./changes.js";
import { debugOf } from "./debug.js";
import type { EventMeta, EventTypes, PgheraldEvent, RegisteredEvents } from "./events.js";
import { Query, type LiveSnapshot, type Loaded } from "./query.js";
import { sourceOf } from "./sources.js";
import { Stream, type EventStream, type EventStreamOptions } from "./stream.js";

export interface LiveQueryOptions<T, Events extends EventTypes = RegisteredEvents> {
  /** Fetches the whole list. If it throws, the query retries with back-off, unless the error is a fatal StreamError. */
  load: (request: { signal: AbortSignal }) => Promise<Loaded<T>>;
  /** Applies events, in order, and returns the data after them: a new value if anything changed. */
  apply: (data: T, events: readonly PgheraldEvent<Events>[], metas: readonly EventMeta[]) => T;
  /** Reports whether the list must be loaded again, since events cannot say what it has become. It is, at most once a second. */
  needsReload?: (data: T) => boolean;
  /** A list that was loaded elsewhere, for example by the server that rendered the page. It replaces the first load. */
  initial?: Loaded<T>;
  /** The options of the stream. Its `since` is the cursor of the list. */
  stream?: Omit<EventStreamOptions<Events>, "since" | "autoConnect">;
  /** Types of events after which the list is loaded again, besides collection_reset. Default ["table_truncated"]. */
  refetchOn?: readonly string[];
  /** Called with the events of each flush, after they were applied. */
  onEvents?: (events: readonly PgheraldEvent<Events>[], metas: readonly EventMeta[]) => void;
  /** False waits for start(). Default true. */
  autoStart?: boolean;
}

/** The options of a query whose stream has what changes the rows of a collection. */
export type ChangeQueryOptions<T, Events extends EventTypes = RegisteredEvents> = LiveQueryOptions<T, Changes<Events>> & { stream: { collection: string } };

/** A list that stays equal to the database. */
export interface LiveQuery<T, Events extends EventTypes = RegisteredEvents> {
  readonly stream: EventStream<Events>;
  getSnapshot(): LiveSnapshot<T>;
  /** Calls the listener after the snapshot changed, at most once per animation frame. Returns a function that removes it. */
  subscribe(listener: () => void): () => void;
  /** Loads the list and opens the stream, unless the query is running. */
  start(): void;
  /** Loads the list again and continues from its cursor. Resolves when it is loaded, or when the query gives up or is closed. */
  refetch(): Promise<void>;
  /** Closes the stream and keeps the data. start() loads the list again. */
  close(): void;
}

/** Loads a list, opens the stream at its cursor, applies the events, and loads again after a reset. */
export function createLiveQuery<T, Events extends EventTypes = RegisteredEvents>(options: ChangeQueryOptions<T, Events>): LiveQuery<T, Changes<Events>>;
export function createLiveQuery<T, Events extends EventTypes = RegisteredEvents>(options: LiveQueryOptions<T, Events>): LiveQuery<T, Events>;
export function createLiveQuery<T>(options: any): any {
  const { refetchOn = ["table_truncated"], stream: streamOptions } = options as LiveQueryOptions<T, any>;
  const stream = new Stream<any>((streamOptions ?? {}) as EventStreamOptions<any>, sourceOf);
  const query = new Query<T, PgheraldEvent<any>>(
    {
      ...options,
      backoff: streamOptions?.backoff,
      debug: debugOf(streamOptions?.debug),
      reloadAfter: (events) => reloadAfter(events, refetchOn),
    },
    (query) => ownSource(stream, query),
  );
  if ((options.autoStart ?? true) && !streamOptions?.signal?.aborted) query.start();
  return Object.assign(query, { stream });
}

/** Lets a query follow a stream of its own, which goes back to the cursor of each list. */
function ownSource<T, Events extends EventTypes>(stream: Stream<Events>, query: Query<T, PgheraldEvent<Events>>) {
  stream.on("*", (event, meta) => query.receive(event as PgheraldEvent<Events>, meta));
  stream.onOversized(() => query.reset()); // only the list has the data
  stream.onReset(() => query.reset());
  stream.onStatus(() => query.changed());
  stream.onError(() => query.changed());
  return {
    get status() {
      return stream.status;
    },
    get error() {
      return stream.error;
    },
    prepare: (load: () => void) => load(),
    take: ({ cursor }: Loaded<T>) => () => {
      stream.restart(cursor);
      if (query.isRunning) stream.connect(); // a listener may have closed it
    },
    close: () => stream.close(),
  };
}

function reloadAfter(events: readonly { type: string }[], refetchOn: readonly string[]): "reset" | "refetch" | null {
  // A table may fail for many rows in a row, so the loads after it back off like those after a reset.
  if (events.some(({ type }) => type === "collection_reset")) return "reset";
  return events.some(({ type }) => refetchOn.includes(type)) ? "refetch" : null;
}
