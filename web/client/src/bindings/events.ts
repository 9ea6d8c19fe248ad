import type { Changes } from "../changes.js";
import type { Client, ClientOptions } from "../client.js";
import type { EventTypes, RegisteredEvents } from "../events.js";
import type { EventStreamOptions } from "../stream.js";
import { clientOfPage } from "./collection.js";
import { keyOf, read, selector, type MaybeGetter, type Selected } from "./store.js";
import { UpdatesStore, type UseEvents } from "./updates-store.js";

/** What the hooks of all frameworks take besides the filter of a stream. */
export interface UseEventsOptions<Events extends EventTypes = RegisteredEvents> extends Omit<EventStreamOptions<Events>, keyof ClientOptions | "autoConnect"> {
  /** The client to use instead of the one that the components are given, or of the server that serves the page. */
  client?: Client<any>;
  /** The number of events to keep; the newest stay. Default 100. */
  history?: number;
  /** False closes the stream. Default true. */
  enabled?: boolean;
}

/** What they take for a stream of what changes the rows of a collection. */
export type UseChangesOptions<Events extends EventTypes = RegisteredEvents> = UseEventsOptions<Changes<Events>> & { collection: string };

/** Identifies the stream of a component: by the values of its options, not by its listeners. */
export function eventsKey<Events extends EventTypes>({ onEvent, onStatus, onReset, onOversized, onError, ...values }: EventStreamOptions<Events>): string {
  return keyOf(values);
}

/** Replaces the functions of the options by ones that call the newest, so that a new function causes no reconnect. */
export function withNewest<Events extends EventTypes>(options: EventStreamOptions<Events>, newest: () => EventStreamOptions<Events>): EventStreamOptions<Events> {
  const { token, debug, onOversized } = options;
  return {
    ...options,
    onEvent: (event, meta) => newest().onEvent?.(event, meta),
    onStatus: (status) => newest().onStatus?.(status),
    onReset: (reset) => newest().onReset?.(reset),
    ...(onOversized && { onOversized: (event, meta) => newest().onOversized?.(event, meta) }),
    onError: (error) => newest().onError?.(error),
    ...(token && { token: (request) => (newest().token ?? token)(request) }),
    ...(typeof debug === "function" && { debug: (line, detail) => (newest().debug as typeof debug)(line, detail) }),
    autoConnect: false,
  };
}

/** Selects the stream for the present options. */
export function selectEvents<Events extends EventTypes>(options: MaybeGetter<UseEventsOptions<Events>>, given: Client<any> | undefined): () => Selected<UseEvents<Events>> {
  let newest: UseEventsOptions<Events>;
  return selector(() => {
    newest = read(options);
    const { client = given ?? clientOfPage(), enabled = true, history = 100, ...values } = newest;
    const make = () => new UpdatesStore<Events>(() => client.events<Events>(withNewest<Events>(values, () => newest)), history);
    return { key: [client, history, eventsKey(values)], enabled, make };
  });
}
