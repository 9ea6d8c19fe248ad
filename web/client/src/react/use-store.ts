"use client";
import { useSyncExternalStore } from "react";
import { shown, type Store } from "../bindings/store.js";

/** Provides a component with the state of a store. */
export function useStore<Snapshot extends object>(store: Store<Snapshot>, enabled: boolean): Snapshot {
  return useSyncExternalStore(
    enabled ? store.subscribe : subscribeToNothing,
    () => shown(store, enabled),
    () => (enabled ? store.initial : shown(store, false)),
  );
}

const subscribeToNothing = () => () => {};
