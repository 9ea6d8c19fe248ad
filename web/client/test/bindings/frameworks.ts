import { createSignal } from "solid-js";
import { createComponent, insert, render as renderSolid, template } from "solid-js/web";
import { flushSync, mount, tick, unmount } from "svelte";
import { createApp, h, nextTick, ref } from "vue";
import type { Client, Collection } from "../../src/index.js";
import * as solid from "../../src/solid/index.js";
import * as vue from "../../src/vue/index.js";
import Orders from "./Orders.svelte";

export interface Order {
  id: number;
  status: string;
}

export interface Shown {
  /** Selects other rows and other events. */
  select(next: { status?: string; enabled?: boolean }): Promise<void>;
  refetch(): Promise<void>;
  awaitXid: Collection<Order>["awaitXid"];
  clear(): void;
  unmount(): void;
}

/** Mounts a component that shows the ids of a collection in `p`, those of events in `b`, and the status in `i`, with one framework. */
export type Mount = (target: HTMLElement, client: Client) => Shown;

const text = (rows: readonly { id?: number }[] | undefined, otherwise: string) => rows?.map(({ id }) => id).join() || otherwise;

const mountVue: Mount = (target, client) => {
  const status = ref("open");
  const enabled = ref(true);
  let orders!: vue.Refs<vue.UseCollection<Order>>;
  let events!: vue.Refs<vue.UseEvents>;
  const app = createApp({
    setup() {
      orders = vue.useCollection<Order>("orders", () => ({ where: { status: status.value }, enabled: enabled.value }));
      const connection = vue.useStatus();
      events = vue.useEvents(() => ({ types: [status.value], history: 2, enabled: enabled.value }));
      return () => [h("p", text(orders.data.value, "loading")), h("b", text(events.events.value, events.status.value)), h("i", connection.status.value)];
    },
  });
  app.provide(vue.clientKey, client);
  app.mount(target);
  return {
    select: async (next) => {
      status.value = next.status ?? status.value;
      enabled.value = next.enabled ?? enabled.value;
      await nextTick();
    },
    refetch: () => orders.refetch(),
    awaitXid: (xid) => orders.awaitXid(xid),
    clear: () => events.clear(),
    unmount: () => app.unmount(),
  };
};

const mountSvelte: Mount = (target, client) => {
  const seen = {} as { select(next: object): void; orders(): vue.UseCollection<Order>; events(): vue.UseEvents };
  const component = mount(Orders, { target, props: { seen, client } });
  flushSync();
  return {
    select: async (next) => {
      seen.select(next);
      await tick();
    },
    refetch: () => seen.orders().refetch(),
    awaitXid: (xid) => seen.orders().awaitXid(xid),
    clear: () => seen.events().clear(),
    unmount: () => void unmount(component),
  };
};

const mountSolid: Mount = (target, client) => {
  const [status, setStatus] = createSignal("open");
  const [enabled, setEnabled] = createSignal(true);
  let orders!: solid.UseCollection<Order>;
  let events!: solid.UseEvents;
  const Shown = () => {
    orders = solid.useCollection<Order>("orders", () => ({ where: { status: status() }, enabled: enabled() }));
    events = solid.useEvents(() => ({ types: [status()], history: 2, enabled: enabled() }));
    const connection = solid.useStatus();
    const [p, b, i] = [template("<p>")(), template("<b>")(), template("<i>")()];
    insert(p, () => text(orders.data, "loading"));
    insert(b, () => text(events.events, events.status));
    insert(i, () => connection.status);
    return [p, b, i];
  };
  const dispose = renderSolid(() => createComponent(solid.ClientProvider, { client, get children() { return createComponent(Shown, {}); } }), target);
  return {
    select: async (next) => {
      if (next.status) setStatus(next.status);
      if (next.enabled !== undefined) setEnabled(next.enabled);
    },
    refetch: () => orders.refetch(),
    awaitXid: (xid) => orders.awaitXid(xid),
    clear: () => events.clear(),
    unmount: dispose,
  };
};

export const frameworks: Record<string, Mount> = { vue: mountVue, svelte: mountSvelte, solid: mountSolid };
