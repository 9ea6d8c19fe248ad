import type {
  BaseCollectionConfig,
  CollectionConfig,
  DeleteMutationFnParams,
  InsertMutationFnParams,
  UpdateMutationFnParams,
} from "@tanstack/db";
import type { AwaitXidOptions, Client, Collection as Rows, CollectionOptions, CollectionSnapshot } from "pgherald";
import { follow } from "./sync.js";

type Key = string | number;

/** What a handler returns: the number of its transaction, from `pgherald.xid()`, or nothing. */
export type Written = string | { xid: string } | null | undefined | void;

/** What a collection has besides TanStack's own members, in `collection.utils`. */
export interface PgheraldUtils<Raw extends object = Record<string, unknown>> {
  /** Resolves when the collection shows the transaction with this number. */
  awaitXid: (xid: string, options?: AwaitXidOptions) => Promise<void>;
  /** Loads the rows again. */
  refetch: () => Promise<void>;
  /** The state of the list and its stream; undefined while the collection does not sync. */
  getSnapshot: () => CollectionSnapshot<Raw> | undefined;
}

type Handlers = "onInsert" | "onUpdate" | "onDelete";
type Base<Row extends object, K extends Key, Raw extends object> = Omit<
  BaseCollectionConfig<Row, K, never, PgheraldUtils<Raw>>,
  Handlers | "schema" | "syncMode"
>;

export interface PgheraldCollectionConfig<Row extends object, K extends Key, Raw extends object = Row>
  extends Base<Row, K, Raw>,
    Omit<CollectionOptions<Raw>, "autoStart" | "signal"> {
  /** The client of the server. */
  client: Client<any, any>;
  /** The name of the collection on the server. */
  name: string;
  /** Makes a row of JSON, such as dates of texts. Without it, rows stay JSON. */
  parse?: (raw: Raw) => Row;
  /** How long to wait for the events of a write before the rows are loaded again instead, in milliseconds. Default 5000. */
  writeTimeout?: number;
  onInsert?: (params: InsertMutationFnParams<Row, K, PgheraldUtils<Raw>>) => Promise<Written>;
  onUpdate?: (params: UpdateMutationFnParams<Row, K, PgheraldUtils<Raw>>) => Promise<Written>;
  onDelete?: (params: DeleteMutationFnParams<Row, K, PgheraldUtils<Raw>>) => Promise<Written>;
}

/**
 * Returns the options of a TanStack DB collection with the rows of a collection of the server. It holds the optimistic
 * state of a write until the events of its transaction have come.
 */
export function pgheraldCollectionOptions<Row extends object, K extends Key = Key, Raw extends object = Row>(
  config: PgheraldCollectionConfig<Row, K, Raw>,
): CollectionConfig<Row, K, never, PgheraldUtils<Raw>> & { utils: PgheraldUtils<Raw> } {
  const { client, name, where, any, order, limit, parse = (raw) => raw as object as Row, writeTimeout = 5000, onInsert, onUpdate, onDelete, ...base } = config;
  let rows: Rows<Raw> | undefined;
  const running = (): Rows<Raw> => {
    if (rows) return rows;
    throw new Error(`wait for a transaction: the collection ${name} does not sync`);
  };
  const utils: PgheraldUtils<Raw> = {
    awaitXid: async (xid, options) => running().awaitXid(xid, options),
    refetch: async () => running().refetch(),
    getSnapshot: () => rows?.getSnapshot(),
  };
  /** Lets a handler end only once the rows show what it wrote: then TanStack drops the optimistic state. */
  const held = <Params>(handler: ((params: Params) => Promise<Written>) | undefined) =>
    handler &&
    (async (params: Params): Promise<void> => {
      const written = await handler(params);
      const xid = typeof written === "object" ? written?.xid : written;
      const shown = rows;
      const arrived = shown && xid ? await shown.awaitXid(xid, { timeout: writeTimeout }).then(() => true, () => false) : false;
      // A list that is loaded after the commit has it, now or, if nothing shows the rows any more, when something does.
      if (!arrived && shown && shown === rows) await shown.refetch();
    });
  return {
    ...base,
    utils,
    onInsert: held(onInsert),
    onUpdate: held(onUpdate),
    onDelete: held(onDelete),
    sync: {
      rowUpdateMode: "full",
      sync: (target) => {
        const opened = (client as Client<Record<string, Raw>>).collection(name, { where, any, order, limit, autoStart: false });
        rows = opened;
        const stop = follow(opened, target, { getKey: config.getKey, parse });
        return () => {
          stop();
          if (rows === opened) rows = undefined;
        };
      },
    },
  } as CollectionConfig<Row, K, never, PgheraldUtils<Raw>> & { utils: PgheraldUtils<Raw> };
}
