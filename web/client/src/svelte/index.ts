import { getContext, setContext } from "svelte";
import { selectCollection, type UseCollection, type UseCollectionOptions } from "../bindings/collection.js";
import { selectEvents, type UseChangesOptions, type UseEventsOptions } from "../bindings/events.js";
import type { MaybeGetter } from "../bindings/store.js";
import type { UseEvents } from "../bindings/updates-store.js";
import { selectStatus, type UseStatus, type UseStatusOptions } from "../bindings/status.js";
import type { Changes } from "../changes.js";
import type { Client, Named, RegisteredCollections, RowOf } from "../client.js";
import type { EventTypes, RegisteredEvents } from "../events.js";
import { useStore } from "./use-store.js";

export type { MaybeGetter, UseCollection, UseChangesOptions, UseCollectionOptions, UseEvents, UseEventsOptions, UseStatus, UseStatusOptions };

const clientKey = Symbol("pgherald");

/** Gives the components in this one a client. */
export const provideClient = (client: Client<any>): void => void setContext(clientKey, client);

function given(): Client<any> | undefined {
  try {
    return getContext(clientKey);
  } catch {
    return undefined; // not in a component
  }
}

/** Provides a component with the rows of a collection, equal to the database. It loads others when what the options read changes. */
export function useCollection<Name extends keyof RegisteredCollections & string>(
  name: MaybeGetter<Name>,
  options?: MaybeGetter<UseCollectionOptions<RowOf<RegisteredCollections, Name>>>,
): Readonly<UseCollection<RowOf<RegisteredCollections, Name>>>;
export function useCollection<Row extends object = never>(name: MaybeGetter<Named<Row>>, options?: MaybeGetter<UseCollectionOptions<NoInfer<Row>>>): Readonly<UseCollection<Row>>;
export function useCollection<Row extends object>(name: MaybeGetter<string>, options: MaybeGetter<UseCollectionOptions<Row>> = {}): Readonly<UseCollection<Row>> {
  return useStore(selectCollection<Row>(name, options, given()));
}

/** Provides a component with the last events that a filter selects. It opens another stream when what the options read changes. */
export function useEvents<Events extends EventTypes = RegisteredEvents>(options: MaybeGetter<UseChangesOptions<Events>>): Readonly<UseEvents<Changes<Events>>>;
export function useEvents<Events extends EventTypes = RegisteredEvents>(options?: MaybeGetter<UseEventsOptions<Events>>): Readonly<UseEvents<Events>>;
export function useEvents(options: MaybeGetter<any> = {}): any {
  return useStore(selectEvents<any>(options, given()));
}

/** Provides a component with the state of its client's connections: the worst of its collections and streams. */
export function useStatus(options: MaybeGetter<UseStatusOptions> = {}): Readonly<UseStatus> {
  return useStore(selectStatus(options, given()));
}
