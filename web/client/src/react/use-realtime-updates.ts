"use client";
import type { Changes } from "../changes.js";
import type { UseEvents } from "../bindings/updates-store.js";
import type { EventTypes, RegisteredEvents } from "../events.js";
import { createEventStream } from "../create-stream.js";
import type { EventStreamOptions } from "../stream.js";
import { useUpdates } from "./use-events.js";

export interface RealtimeUpdatesOptions<Events extends EventTypes = RegisteredEvents> extends Omit<EventStreamOptions<Events>, "autoConnect"> {
  /** The number of events to keep; the newest stay. Default 100. */
  history?: number;
  /** False closes the stream. Default true. */
  enabled?: boolean;
}

/** The options for a stream of what changes the rows of a collection. */
export type RealtimeChangesOptions<Events extends EventTypes = RegisteredEvents> = RealtimeUpdatesOptions<Changes<Events>> & { collection: string };

export type RealtimeUpdates<Events extends EventTypes = RegisteredEvents> = UseEvents<Events>;

/**
 * Provides a component with the events of a stream. It connects when the component is mounted, and
 * reconnects only if the value of an option changes: a new function replaces the previous one.
 */
export function useRealtimeUpdates<Events extends EventTypes = RegisteredEvents>(options: RealtimeChangesOptions<Events>): RealtimeUpdates<Changes<Events>>;
export function useRealtimeUpdates<Events extends EventTypes = RegisteredEvents>(options?: RealtimeUpdatesOptions<Events>): RealtimeUpdates<Events>;
export function useRealtimeUpdates(options: any = {}): any {
  return useUpdates<any>(options, (values) => createEventStream<any>(values));
}
