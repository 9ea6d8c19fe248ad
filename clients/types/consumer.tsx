// Uses every entry of the packages as an application does. It is only compiled, in each way in which TypeScript resolves modules.

import { createCollection } from "@tanstack/db";
import { createClient, createEventStream, StreamError, type Collection, type PgheraldEvent } from "pgherald";
import * as react from "pgherald/react";
import * as solid from "pgherald/solid";
import * as svelte from "pgherald/svelte";
import * as vue from "pgherald/vue";
import { activities } from "pgherald/activities";
import { pgheraldCollectionOptions } from "@pgherald/tanstack-db";
import { createLiveQueries, invalidateOnEvents } from "@pgherald/query";

interface Order {
  id: number;
  status: "open" | "paid";
}

const client = createClient<{ orders: Order }>({ url: "https://example.com", token: () => "t" });
export const orders: Collection<Order> = client.collection("orders", { where: { status: "open" } });
// @ts-expect-error no order has this status
client.collection("orders", { where: { status: "lost" } });
// @ts-expect-error no order has this field
client.collection("orders", { where: { colour: "red" } });

export const streams = [createEventStream({ url: "/api/events" }), client.events()];
export const isFatal = (error: unknown) => error instanceof StreamError && error.fatal;
export const typeOf = (event: PgheraldEvent): string => event.type;

export const Orders = () => <p>{react.useCollection<Order>("orders").data?.map(({ id }) => id)}{react.useStatus().status}{react.useEvents().events.length}</p>;
export const inVue = () => vue.useCollection<Order>("orders", () => ({ where: { status: "open" } })).data.value?.[0]?.status satisfies "open" | "paid" | undefined;
export const inSvelte = () => svelte.useCollection<Order>("orders").data?.[0]?.id.toFixed();
export const inSolid = () => solid.useCollection<Order>("orders").data?.[0]?.id.toFixed();
export const connected = () => [vue.useStatus().isConnected.value, svelte.useStatus().isConnected, solid.useStatus().isConnected];
export const newest = () => [vue.useEvents().lastEvent.value, svelte.useEvents().lastEvent, solid.useEvents().lastEvent];
export const example = activities({ query: { status: "open" } });

export const db = createCollection(pgheraldCollectionOptions<Order, number>({ client, name: "orders", getKey: ({ id }) => id, onInsert: async () => "700" }));
export const status: "open" | "paid" | undefined = db.get(1)?.status;
export const query = createLiveQueries(client).collection<Order>("orders", { limit: 5 });
export const stop = (queryClient: import("@tanstack/query-core").QueryClient) => invalidateOnEvents({ client, queryClient, queryKeys: () => [["orders"]] });
