"use client";
import { useMemo, useSyncExternalStore } from "react";
import type { Debug } from "../debug.js";
import type { EventTypes } from "../events.js";
import type { EventStreamOptions } from "../stream.js";
import { keyOf, useLatest } from "./latest.js";
import { noUpdates, UpdatesStore, type Updates } from "./updates-store.js";

export interface RealtimeUpdatesOptions<Custom extends EventTypes = {}> extends Omit<EventStreamOptions<Custom>, "autoConnect"> {
  /** How many events to keep, the newest. Default 100. */
  history?: number;
  /** False: be closed. Default true. */
  enabled?: boolean;
}

export interface RealtimeUpdates<Custom extends EventTypes = {}> extends Updates<Custom> {
  /** Connects anew at once. */
  reconnect: () => void;
  /** Empties `events`. */
  clear: () => void;
}

const connecting = noUpdates("connecting");
const closed = noUpdates("closed");

/**
 * The events of a stream, for a component. It connects when the component is in the page, and anew
 * only if an option's value changes: a new function is called from then on, and does nothing else.
 */
export function useRealtimeUpdates<Custom extends EventTypes = {}>(options: RealtimeUpdatesOptions<Custom> = {}): RealtimeUpdates<Custom> {
  const latest = useLatest(options);
  const { enabled = true, history = 100 } = options;
  const { onEvent, onStatus, onReset, onError, enabled: _, history: __, ...values } = options;
  const key = keyOf(values);
  // The options are in the key, by value; the functions are read when they are called.
  const store = useMemo(() => {
    const { token } = values;
    const streamOptions: EventStreamOptions<Custom> = {
      ...values,
      onEvent: (event, meta) => latest.current.onEvent?.(event, meta),
      onStatus: (status) => latest.current.onStatus?.(status),
      onReset: (reset) => latest.current.onReset?.(reset),
      onError: (error) => latest.current.onError?.(error),
      token: token && ((request) => (latest.current.token ?? token)(request)),
      debug: typeof values.debug === "function" ? (line, detail) => (latest.current.debug as Debug)(line, detail) : values.debug,
    };
    return new UpdatesStore<Custom>(streamOptions, history, connecting);
  }, [key, history]);
  const updates = useSyncExternalStore(
    enabled ? store.subscribe : never,
    enabled ? store.getSnapshot : () => closed,
    () => (enabled ? connecting : closed),
  );
  return useMemo(() => ({ ...updates, reconnect: store.reconnect, clear: store.clear }), [updates, store]);
}

const never = () => () => {};
