"use client";
import { useMemo } from "react";
import { collectionKey, collectionStore, type UseCollection, type UseCollectionOptions } from "../bindings/collection.js";
import type { Named, RegisteredCollections, RowOf } from "../client.js";
import { useClient } from "./client.js";
import { useStore } from "./use-store.js";

/** Provides a component with the rows of a collection, equal to the database. It loads others when the value of an option changes. */
export function useCollection<Name extends keyof RegisteredCollections & string>(
  name: Name,
  options?: UseCollectionOptions<RowOf<RegisteredCollections, Name>>,
): UseCollection<RowOf<RegisteredCollections, Name>>;
export function useCollection<Row extends object = never>(name: Named<Row>, options?: UseCollectionOptions<NoInfer<Row>>): UseCollection<Row>;
export function useCollection<Row extends object>(name: string, options: UseCollectionOptions<Row> = {}): UseCollection<Row> {
  const { enabled = true, client: named, ...query } = options;
  const client = useClient(named);
  const key = collectionKey(name, query);
  const store = useMemo(() => collectionStore<Row>(client, name, query), [client, key]);
  return useStore(store, enabled);
}
