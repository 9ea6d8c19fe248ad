"use client";
import { useMemo, useSyncExternalStore } from "react";
import type { EventTypes } from "../events.js";
import { createLiveQuery, type LiveQueryOptions, type LiveSnapshot } from "../live-query.js";
import { keyOf, useLatest } from "./latest.js";
import { Lifetime } from "./lifetime.js";

export interface UseLiveQueryOptions<T, Custom extends EventTypes = {}> extends Omit<LiveQueryOptions<T, Custom>, "autoStart"> {
  /** What the list depends on, such as its filters: when its value changes, another list is loaded. */
  queryKey?: readonly unknown[];
  /** False: neither load nor listen. Default true. */
  enabled?: boolean;
}

export interface UseLiveQuery<T> extends LiveSnapshot<T> {
  refetch: () => void;
}

/**
 * A list that stays equal to the database, for a component. Only `queryKey` and the values in
 * `stream` say which list it is: functions may be new in each rendering.
 */
export function useLiveQuery<T, Custom extends EventTypes = {}>(options: UseLiveQueryOptions<T, Custom>): UseLiveQuery<T> {
  const latest = useLatest(options);
  const { enabled = true } = options;
  const key = keyOf([options.queryKey ?? [], options.stream ?? {}]);
  const store = useMemo(() => makeStore(options, latest), [key]);
  const snapshot = useSyncExternalStore(
    enabled ? store.subscribe : never,
    store.query.getSnapshot,
    () => store.initial,
  );
  return useMemo(() => ({ ...snapshot, refetch: store.query.refetch }), [snapshot, store]);
}

const never = () => () => {};

function makeStore<T, Custom extends EventTypes>(options: UseLiveQueryOptions<T, Custom>, latest: { current: UseLiveQueryOptions<T, Custom> }) {
  const made = createLiveQuery<T, Custom>({
    ...options,
    stream: options.stream && withLatest(options.stream, () => latest.current.stream ?? {}),
    load: (request) => latest.current.load(request),
    apply: (data, events, metas) => latest.current.apply(data, events, metas),
    onEvents: (events, metas) => latest.current.onEvents?.(events, metas),
    autoStart: false,
  });
  const query = { getSnapshot: () => made.getSnapshot(), refetch: () => made.refetch() };
  const lifetime = new Lifetime(
    () => made.start(),
    () => made.close(),
  );
  const subscribe = (listener: () => void) => {
    const off = made.subscribe(listener);
    const leave = lifetime.add();
    return () => {
      off();
      leave();
    };
  };
  return { query, subscribe, initial: made.getSnapshot() };
}

/** Options whose functions are looked up when they are called. */
function withLatest<O extends object>(options: O, current: () => Partial<O>): O {
  const entries = Object.entries(options).map(([name, value]) => {
    if (typeof value !== "function") return [name, value] as const;
    return [name, (...args: unknown[]) => ((current() as Record<string, unknown>)[name] as typeof value | undefined ?? value)(...args)] as const;
  });
  return Object.fromEntries(entries) as O;
}
