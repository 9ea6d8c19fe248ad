import type { Query, QueryClient, QueryFunctionContext, QueryKey } from "@tanstack/query-core";
import type { Client, Collection, CollectionOptions } from "pgherald";

/** The options of a collection that identify its query. */
export type CollectionQuery<Row> = Omit<CollectionOptions<Row>, "autoStart" | "signal">;

export type LiveQueryKey = readonly ["pgherald", name: string, query: object];

/** The options of a query, for `useQuery`, `prefetchQuery` and the like. */
export interface LiveQueryFor<Row> {
  queryKey: LiveQueryKey;
  queryFn: (context: QueryFunctionContext<LiveQueryKey>) => Promise<readonly Row[]>;
  /** The rows are never stale while their stream runs. Others, such as those of a dehydrated cache, are loaded at once. */
  staleTime: (query: Query<any, any, any, any>) => number;
  /** The collection retries by itself what a retry can change. */
  retry: false;
  /** A row is the same object until it changes. */
  structuralSharing: false;
}

export interface LiveQueries {
  /** Returns the options of a query with the rows of a collection, which stay equal to the database while a component shows them. */
  collection<Row extends object = Record<string, unknown>>(name: string, query?: CollectionQuery<Row>): LiveQueryFor<Row>;
}

/** Makes live queries of a client. Create it once, beside the client. */
export function createLiveQueries(client: Client<any, any>): LiveQueries {
  const running = new WeakMap<Query<any, any, any, any>, Running<any>>();
  const fetchRows = async (context: QueryFunctionContext<LiveQueryKey>): Promise<readonly any[]> => {
    const [, name, query] = context.queryKey;
    const found = context.client.getQueryCache().find<any>({ queryKey: context.queryKey, exact: true });
    if (!found) throw new Error(`load ${name}: the query is not in its cache`);
    const known = running.get(found);
    if (known) return known.refetch();
    const started = new Running(context.client, found, client.collection(name as never, { ...(query as object), autoStart: false }) as Collection<any>, () => running.delete(found));
    running.set(found, started);
    return started.load();
  };
  const staleTime = (query: Query<any, any, any, any>) => (running.has(query) ? Infinity : 0);
  return {
    collection: (name, query = {}) => ({ queryKey: ["pgherald", name, query], queryFn: fetchRows, staleTime, retry: false, structuralSharing: false }),
  };
}

/** A collection behind a query. It runs while the query has an observer, or is being loaded. */
class Running<Row extends object> {
  private readonly stopListening: (() => void)[];
  private isLoaded = false;
  private abandon: (reason: Error) => void = () => {};

  constructor(
    private readonly queryClient: QueryClient,
    private readonly query: Query<any, any, any, any>,
    private readonly rows: Collection<Row>,
    private readonly onStop: () => void,
  ) {
    this.stopListening = [
      queryClient.getQueryCache().subscribe(({ type, query: changed }) => {
        if (changed !== query) return;
        if (type === "removed") this.stop();
        if (type === "observerRemoved") this.stopUnlessObserved();
      }),
      rows.subscribe(() => this.show()),
    ];
  }

  /** Loads the rows. Rejects if that cannot succeed. */
  async load(): Promise<readonly Row[]> {
    const loaded = new Promise<readonly Row[]>((resolve, reject) => {
      this.abandon = reject;
      const settle = () => {
        const { data } = this.rows.getSnapshot();
        const error = this.fatal();
        if (data) resolve(data);
        else if (error) reject(error);
      };
      this.stopListening.push(this.rows.subscribe(settle));
    });
    this.rows.start();
    try {
      return await loaded;
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      this.isLoaded = true;
      this.stopUnlessObserved();
    }
  }

  async refetch(): Promise<readonly Row[]> {
    await this.rows.refetch();
    const error = this.fatal();
    const { data } = this.rows.getSnapshot();
    if (error || !data) throw error ?? new Error("load the rows: the query was removed");
    return data;
  }

  private show(): void {
    if (!this.isLoaded) return;
    const { data } = this.rows.getSnapshot();
    const error = this.fatal();
    if (error) this.query.setState({ status: "error", error });
    else if (data && data !== this.query.state.data) this.queryClient.setQueryData(this.query.queryKey as QueryKey, data);
  }

  /** Returns the error after which the collection does not try again. */
  private fatal(): Error | null {
    const { error, loading } = this.rows.getSnapshot();
    return error && !loading && (error as { fatal?: boolean }).fatal ? error : null;
  }

  /** StrictMode, and a component that moves in the page, remove an observer and add one at once. */
  private stopUnlessObserved(): void {
    setTimeout(() => {
      if (this.isLoaded && this.query.getObserversCount() === 0) this.stop();
    }, 0);
  }

  private stop(): void {
    this.onStop();
    this.abandon(new Error("load the rows: the query was removed"));
    for (const stop of this.stopListening.splice(0)) stop();
    this.rows.close();
    this.query.invalidate(); // the rows are old when something shows them next
  }
}
