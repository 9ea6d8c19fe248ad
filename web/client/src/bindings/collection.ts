import { createClient, type Client } from "../client.js";
import type { AwaitXidOptions } from "../collection/arrivals.js";
import { listParams, type Collection, type CollectionOptions, type CollectionSnapshot } from "../collection/collection.js";
import { counted, keyOf, read, selector, type MaybeGetter, type Selected, type Store } from "./store.js";

/** What the hooks of all frameworks take besides the options of a collection. */
export interface UseCollectionOptions<Row> extends Omit<CollectionOptions<Row>, "autoStart" | "signal"> {
  /** The client to use instead of the one that the components are given, or of the server that serves the page. */
  client?: Client<any>;
  /** False neither loads nor connects. Default true. */
  enabled?: boolean;
}

/** The state of a collection, and what to do with it. */
export interface UseCollection<Row> extends CollectionSnapshot<Row> {
  refetch: () => Promise<void>;
  awaitXid: (xid: string, options?: AwaitXidOptions) => Promise<void>;
}

let pageClient: Client | undefined;

/** Returns the client of the server that serves the page. */
export function clientOfPage(): Client {
  return (pageClient ??= createClient());
}

/** Identifies the rows that a component shows. Throws a TypeError for a filter that cannot be. */
export function collectionKey(name: string, query: CollectionOptions<any>): string {
  return keyOf([name, query.limit ?? null, listParams(query).toString()]);
}

/** Opens a collection for components. */
export function collectionStore<Row extends object>(client: Client<any>, name: string, query: CollectionOptions<Row>): Store<UseCollection<Row>> {
  const collection: Collection<Row> = (client as Client<Record<string, Row>>).collection(name, { ...query, autoStart: false });
  const actions = { refetch: () => collection.refetch(), awaitXid: (xid: string, options?: AwaitXidOptions) => collection.awaitXid(xid, options) };
  const withActions = (): UseCollection<Row> => ({ ...(shown = collection.getSnapshot()), ...actions });
  let shown: CollectionSnapshot<Row>;
  let snapshot = withActions();
  return {
    initial: snapshot,
    getSnapshot: () => (shown === collection.getSnapshot() ? snapshot : (snapshot = withActions())),
    subscribe: counted({ subscribe: (listener) => collection.subscribe(listener), start: () => collection.start(), stop: () => collection.close() }),
  };
}

/** Selects the collection for the present name and options. */
export function selectCollection<Row extends object>(name: MaybeGetter<string>, options: MaybeGetter<UseCollectionOptions<Row>>, given: Client<any> | undefined): () => Selected<UseCollection<Row>> {
  return selector(() => {
    const { client = given ?? clientOfPage(), enabled = true, ...query } = read(options);
    const wanted = typeof name === "function" ? name() : name;
    return { key: [client, collectionKey(wanted, query)], enabled, make: () => collectionStore<Row>(client, wanted, query) };
  });
}
