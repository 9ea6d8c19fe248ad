import type { QueryClient, QueryKey } from "@tanstack/query-core";
import type { Changes, Client, EventsOptions, EventTypes, PgheraldEvent, RegisteredEvents } from "pgherald";

export interface InvalidateOptions<Events extends EventTypes = RegisteredEvents> {
  client: Client<any, any>;
  queryClient: QueryClient;
  /** Selects the events. */
  filter?: EventsOptions<Events>;
  /** Returns the keys of the queries that an event makes stale. */
  queryKeys: (event: PgheraldEvent<Events>) => readonly QueryKey[];
  /** What to invalidate when events may have been missed. Default: all queries. */
  onReset?: readonly QueryKey[];
  /** How long to collect events, in milliseconds: many that come together cause one request for each query. Default 50. */
  delay?: number;
}

/** The options where the filter selects what changes the rows of a collection. */
export type InvalidateOnChanges<Events extends EventTypes = RegisteredEvents> = InvalidateOptions<Changes<Events>> & { filter: { collection: string } };

/** Invalidates queries of your own API when events say that their data has changed. Returns a function that ends it. */
export function invalidateOnEvents<Events extends EventTypes = RegisteredEvents>(options: InvalidateOnChanges<Events>): () => void;
export function invalidateOnEvents<Events extends EventTypes = RegisteredEvents>(options: InvalidateOptions<Events>): () => void;
export function invalidateOnEvents(options: any): () => void {
  const { client, queryClient, filter = {}, queryKeys, onReset = [[]], delay = 50 } = options as InvalidateOptions;
  const pending = new Map<string, QueryKey>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    const keys = [...pending.values()];
    pending.clear();
    for (const queryKey of keys) void queryClient.invalidateQueries({ queryKey });
  };
  const add = (keys: readonly QueryKey[]) => {
    for (const key of keys) pending.set(JSON.stringify(key), key);
    if (pending.size > 0) timer ??= setTimeout(flush, delay);
  };
  const stream = client.events({ ...filter, autoConnect: false });
  stream.on("*", (event) => add(queryKeys(event as PgheraldEvent)));
  // Without its data, an event does not say what it concerns.
  stream.onOversized(() => add(onReset));
  stream.onReset(() => add(onReset));
  stream.connect();
  return () => {
    clearTimeout(timer);
    stream.close();
  };
}
