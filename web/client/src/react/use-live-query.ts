"use client";
import { useMemo, useSyncExternalStore } from "react";
import type { EventTypes } from "../events.js";
import { createLiveQuery, type LiveQueryOptions, type LiveSnapshot } from "../live-query.js";
import { keyOf, useLatest } from "./latest.js";
import { Lifetime } from "./lifetime.js";

export interface UseLiveQueryOptions<T, Custom extends EventTypes = {}> extends Omit<LiveQueryOptions<T, Custom>, "autoStart"> {
  /** The values that the list depends on, such as its filters. When one changes, another list is loaded. */
  queryKey?: readonly unknown[];
  /** False neither loads nor connects. Default true. */
  enabled?: boolean;
}

export interface UseLiveQuery<T> extends LiveSnapshot<T> {
  refetch: () => void;
}

/**
 * Provides a component with a list that stays equal to the database. Only `queryKey` and the
 * values in `stream` identify the list: functions may be new in each render.
 */
export function useLiveQuery<T, Custom extends EventTypes = {}>(options: UseLiveQueryOptions<T, Custom>): UseLiveQuery<T> {
  const latest = useLatest(options);
  const { enabled = true } = options;
  const key = keyOf([options.queryKey ?? [], options.stream ?? {}]);
  const store = useMemo(() => makeStore(options, latest), [key]);
  const snapshot = useSyncExternalStore(
    enabled ? store.subscribe : subscribeToNothing,
    store.query.getSnapshot,
    () => store.initial,
  );
  return useMemo(() => ({ ...snapshot, refetch: store.query.refetch }), [snapshot, store]);
}

const subscribeToNothing = () => () => {};

function makeStore<T, Custom extends EventTypes>(options: UseLiveQueryOptions<T, Custom>, latest: { current: UseLiveQueryOptions<T, Custom> }) {
  const liveQuery = createLiveQuery<T, Custom>({
    ...options,
    stream: options.stream && withLatest(options.stream, () => latest.current.stream ?? {}),
    load: (request) => latest.current.load(request),
    apply: (data, events, metas) => latest.current.apply(data, events, metas),
    onEvents: (events, metas) => latest.current.onEvents?.(events, metas),
    autoStart: false,
  });
  const query = { getSnapshot: () => liveQuery.getSnapshot(), refetch: () => liveQuery.refetch() };
  const lifetime = new Lifetime(
    () => liveQuery.start(),
    () => liveQuery.close(),
  );
  const subscribe = (listener: () => void) => {
    const unsubscribe = liveQuery.subscribe(listener);
    const release = lifetime.add();
    return () => {
      unsubscribe();
      release();
    };
  };
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
