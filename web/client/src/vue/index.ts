import { hasInjectionContext, inject, provide, toValue, type InjectionKey, type MaybeRefOrGetter } from "vue";
import { selectCollection, type UseCollection, type UseCollectionOptions } from "../bindings/collection.js";
import { selectEvents, type UseChangesOptions, type UseEventsOptions } from "../bindings/events.js";
import type { UseEvents } from "../bindings/updates-store.js";
import { selectStatus, type UseStatus, type UseStatusOptions } from "../bindings/status.js";
import type { Changes } from "../changes.js";
import type { Client, Named, RegisteredCollections, RowOf } from "../client.js";
import type { EventTypes, RegisteredEvents } from "../events.js";
import { useStore, type Refs } from "./use-store.js";

export type { Refs, UseCollection, UseChangesOptions, UseCollectionOptions, UseEvents, UseEventsOptions, UseStatus, UseStatusOptions };

/** The key of the client, for `app.provide(clientKey, client)`. */
export const clientKey: InjectionKey<Client<any>> = Symbol("pgherald");

/** Gives the components in this one a client. */
export const provideClient = (client: Client<any>): void => provide(clientKey, client);

const given = () => (hasInjectionContext() ? inject(clientKey, undefined) : undefined);

/** Provides a component with the rows of a collection, equal to the database. It loads others when the value of an option changes. */
export function useCollection<Name extends keyof RegisteredCollections & string>(
  name: MaybeRefOrGetter<Name>,
  options?: MaybeRefOrGetter<UseCollectionOptions<RowOf<RegisteredCollections, Name>>>,
): Refs<UseCollection<RowOf<RegisteredCollections, Name>>>;
export function useCollection<Row extends object = never>(name: MaybeRefOrGetter<Named<Row>>, options?: MaybeRefOrGetter<UseCollectionOptions<NoInfer<Row>>>): Refs<UseCollection<Row>>;
export function useCollection<Row extends object>(name: MaybeRefOrGetter<string>, options: MaybeRefOrGetter<UseCollectionOptions<Row>> = {}): Refs<UseCollection<Row>> {
  return useStore(selectCollection<Row>(() => toValue(name), () => toValue(options), given()));
}

/** Provides a component with the last events that a filter selects. It opens another stream when the value of an option changes. */
export function useEvents<Events extends EventTypes = RegisteredEvents>(options: MaybeRefOrGetter<UseChangesOptions<Events>>): Refs<UseEvents<Changes<Events>>>;
export function useEvents<Events extends EventTypes = RegisteredEvents>(options?: MaybeRefOrGetter<UseEventsOptions<Events>>): Refs<UseEvents<Events>>;
export function useEvents(options: MaybeRefOrGetter<any> = {}): any {
  return useStore(selectEvents<any>(() => toValue(options), given()));
}

/** Provides a component with the state of its client's connections: the worst of its collections and streams. */
export function useStatus(options: MaybeRefOrGetter<UseStatusOptions> = {}): Refs<UseStatus> {
  return useStore(selectStatus(() => toValue(options), given()));
}
