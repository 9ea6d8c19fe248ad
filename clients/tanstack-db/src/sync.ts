import type { SyncConfig } from "@tanstack/db";
import type { Collection as Rows } from "pgherald";
import { changes } from "./changes.js";

type Key = string | number;
type Target<Row extends object, K extends Key> = Parameters<SyncConfig<Row, K>["sync"]>[0];

/** Writes the rows of a collection of the server to one of TanStack DB, and their changes. Returns a function that ends it. */
export function follow<Row extends object, K extends Key, Raw extends object>(
  rows: Rows<Raw>,
  { begin, write, commit, markReady, markError }: Pick<Target<Row, K>, "begin" | "write" | "commit" | "markReady" | "markError">,
  { getKey, parse }: { getKey: (row: Row) => K; parse: (raw: Raw) => Row },
): () => void {
  let written: ReadonlyMap<string, Raw> = new Map();
  const keys = new Map<string, K>(); // of the target, by those of the server
  let isReady = false;

  const put = (type: "insert" | "update", key: string, value: Row) => {
    keys.set(key, getKey(value));
    write({ type, value });
  };
  const remove = (key: string) => {
    write({ type: "delete", key: keys.get(key)! });
    keys.delete(key);
  };
  const show = (data: readonly Raw[], names: readonly string[]) => {
    const next = new Map(names.map((key, i) => [key, data[i]!]));
    const found = changes(written, next).map((change) => (change.type === "delete" ? change : { ...change, value: parse(change.row) })); // before it begins: parse may throw
    written = next;
    if (found.length === 0) return;
    begin();
    for (const change of found) {
      if (change.type === "delete") remove(change.key);
      else put(change.type, change.key, change.value);
    }
    void commit();
  };
  const update = () => {
    const { data, keys: names, error, status, loading } = rows.getSnapshot();
    if (data) show(data, names);
    if (data && !isReady) {
      isReady = true;
      markReady();
    }
    const isOver = error !== null && !loading && !data && (status === "closed" || (error as { fatal?: boolean }).fatal === true);
    if (isOver) markError(error);
  };

  const unsubscribe = rows.subscribe(update);
  rows.start();
  return () => {
    unsubscribe();
    rows.close();
  };
}
