"use client";
import { useMemo, useSyncExternalStore } from "react";
import type { Debug } from "../debug.js";
import type { EventTypes } from "../events.js";
import type { EventStreamOptions } from "../stream.js";
import { keyOf, useLatest } from "./latest.js";
import { emptyUpdates, UpdatesStore, type Updates } from "./updates-store.js";

export interface RealtimeUpdatesOptions<Custom extends EventTypes = {}> extends Omit<EventStreamOptions<Custom>, "autoConnect"> {
  /** The number of events to keep; the newest stay. Default 100. */
  history?: number;
  /** False closes the stream. Default true. */
  enabled?: boolean;
}

export interface RealtimeUpdates<Custom extends EventTypes = {}> extends Updates<Custom> {
  /** Reconnects at once, without back-off. */
  reconnect: () => void;
  /** Empties `events`. */
  clear: () => void;
}

const connecting = emptyUpdates("connecting");
const closed = emptyUpdates("closed");

/**
 * Provides a component with the events of a stream. It connects when the component is mounted, and
 * reconnects only if the value of an option changes: a new function replaces the previous one.
 */
export function useRealtimeUpdates<Custom extends EventTypes = {}>(options: RealtimeUpdatesOptions<Custom> = {}): RealtimeUpdates<Custom> {
  const latest = useLatest(options);
  const { enabled = true, history = 100 } = options;
  const { onEvent, onStatus, onReset, onOversized, onError, enabled: _, history: __, ...values } = options;
  const key = keyOf(values);
  // The key has the options by value; functions are looked up when they are called.
  const store = useMemo(() => {
    const { token } = values;
    const streamOptions: EventStreamOptions<Custom> = {
      ...values,
      onEvent: (event, meta) => latest.current.onEvent?.(event, meta),
      onStatus: (status) => latest.current.onStatus?.(status),
      onReset: (reset) => latest.current.onReset?.(reset),
      ...(onOversized && { onOversized: (event, meta) => latest.current.onOversized?.(event, meta) }),
      onError: (error) => latest.current.onError?.(error),
      token: token && ((request) => (latest.current.token ?? token)(request)),
      debug: typeof values.debug === "function" ? (line, detail) => (latest.current.debug as Debug)(line, detail) : values.debug,
    };
    return new UpdatesStore<Custom>(streamOptions, history, connecting);
  }, [key, history]);
  const updates = useSyncExternalStore(
    enabled ? store.subscribe : subscribeToNothing,
    enabled ? store.getSnapshot : () => closed,
    () => (enabled ? connecting : closed),
  );
  return useMemo(() => ({ ...updates, reconnect: store.reconnect, clear: store.clear }), [updates, store]);
}

const subscribeToNothing = () => () => {};
