"use client";
import { useMemo, useState, useSyncExternalStore } from "react";
import type { Changes } from "../changes.js";
import type { EventTypes, RegisteredEvents } from "../events.js";
import { createLiveQuery, type LiveQueryOptions } from "../live-query.js";
import type { LiveSnapshot } from "../query.js";
import { counted, keyOf } from "../bindings/store.js";
import { useLatest } from "./latest.js";

export interface UseLiveQueryOptions<T, Events extends EventTypes = RegisteredEvents> extends Omit<LiveQueryOptions<T, Events>, "autoStart"> {
  /** The values that the list depends on, such as its filters. When one changes, another list is loaded. */
  queryKey?: readonly unknown[];
  /** False neither loads nor connects. Default true. */
  enabled?: boolean;
}

export interface UseLiveQuery<T> extends LiveSnapshot<T> {
  refetch: () => Promise<void>;
}

/** The options for a list whose stream has what changes the rows of a collection. */
export type UseChangeQueryOptions<T, Events extends EventTypes = RegisteredEvents> = UseLiveQueryOptions<T, Changes<Events>> & { stream: { collection: string } };

/**
 * Provides a component with a list that stays equal to the database. Only `queryKey` and the
 * values in `stream` identify the list: functions may be new in each render.
 */
export function useLiveQuery<T, Events extends EventTypes = RegisteredEvents>(options: UseChangeQueryOptions<T, Events>): UseLiveQuery<T>;
export function useLiveQuery<T, Events extends EventTypes = RegisteredEvents>(options: UseLiveQueryOptions<T, Events>): UseLiveQuery<T>;
export function useLiveQuery(options: any): UseLiveQuery<any> {
  const latest = useLatest(options);
  const { enabled = true } = options;
  const key = keyOf([options.queryKey ?? [], options.stream ?? {}]);
  const [owners] = useState(() => new Map<string, string>());
  const store = useMemo(() => makeStore({ ...options, initial: ownInitial(options, key, owners) }, latest), [key]);
  const snapshot = useSyncExternalStore(
    enabled ? store.subscribe : subscribeToNothing,
    store.query.getSnapshot,
    () => store.initial,
  );
  return useMemo(() => ({ ...snapshot, refetch: store.query.refetch }), [snapshot, store]);
}

/** Returns the list that a server loaded for this key. One that comes again with another key is that of the other. */
function ownInitial<T>({ initial }: UseLiveQueryOptions<T, any>, key: string, owners: Map<string, string>) {
  if (initial && !owners.has(initial.cursor)) owners.set(initial.cursor, key);
  return initial && owners.get(initial.cursor) === key ? initial : undefined;
}

const subscribeToNothing = () => () => {};

function makeStore<T, Events extends EventTypes>(options: UseLiveQueryOptions<T, Events>, latest: { current: UseLiveQueryOptions<T, Events> }) {
  const liveQuery = createLiveQuery<T, Events>({
    ...options,
    stream: options.stream && withLatest(options.stream, () => latest.current.stream ?? {}),
    load: (request) => latest.current.load(request),
    apply: (data, events, metas) => latest.current.apply(data, events, metas),
    onEvents: (events, metas) => latest.current.onEvents?.(events, metas),
    autoStart: false,
  });
  const query = { getSnapshot: () => liveQuery.getSnapshot(), refetch: () => liveQuery.refetch() };
  const subscribe = counted({ subscribe: (listener) => liveQuery.subscribe(listener), start: () => liveQuery.start(), stop: () => liveQuery.close() });
  return { query, subscribe, initial: liveQuery.getSnapshot() };
}

/** Replaces each function of the options by one that calls the newest version. */
function withLatest<O extends object>(options: O, current: () => Partial<O>): O {
  const entries = Object.entries(options).map(([name, value]) => {
    if (typeof value !== "function") return [name, value] as const;
    return [name, (...args: unknown[]) => ((current() as Record<string, unknown>)[name] as typeof value | undefined ?? value)(...args)] as const;
  });
  return Object.fromEntries(entries) as O;
}
