"use client";
import { useMemo } from "react";
import { eventsKey, withNewest, type UseChangesOptions, type UseEventsOptions } from "../bindings/events.js";
import { UpdatesStore, type UseEvents } from "../bindings/updates-store.js";
import type { Changes } from "../changes.js";
import type { EventTypes, RegisteredEvents } from "../events.js";
import type { EventStream, EventStreamOptions } from "../stream.js";
import { useClient } from "./client.js";
import { useLatest } from "./latest.js";
import { useStore } from "./use-store.js";

/** Provides a component with the last events of its client's server. It opens another stream when the value of an option changes. */
export function useEvents<Events extends EventTypes = RegisteredEvents>(options: UseChangesOptions<Events>): UseEvents<Changes<Events>>;
export function useEvents<Events extends EventTypes = RegisteredEvents>(options?: UseEventsOptions<Events>): UseEvents<Events>;
export function useEvents(options: any = {}): any {
  const { client: named, ...rest } = options as UseEventsOptions<any>;
  const client = useClient(named);
  return useUpdates<any>(rest, (values) => client.events<any>(values), client);
}

/** Provides a component with the last events of the stream that `open` opens. */
export function useUpdates<Events extends EventTypes>(
  { enabled = true, history = 100, ...options }: EventStreamOptions<Events> & { enabled?: boolean; history?: number },
  open: (options: EventStreamOptions<Events>) => EventStream<Events>,
  client?: object,
): UseEvents<Events> {
  const latest = useLatest(options);
  const key = eventsKey(options);
  const store = useMemo(() => new UpdatesStore<Events>(() => open(withNewest<Events>(options, () => latest.current)), history), [client, key, history]);
  return useStore(store, enabled);
}
