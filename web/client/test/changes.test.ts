import { afterEach, expect, it } from "vitest";
import { createClient, createEventStream, createLiveQuery, type Client, type EventsOptions, type EventStream } from "../src/index.js";
import { useEvents, useRealtimeUpdates } from "../src/react/index.js";

interface Order { id: number; status: string }
interface Events { order_updated: Order }

const url = "http://pgherald.test/api/events";
const opened: EventStream<any>[] = [];
afterEach(() => opened.splice(0).forEach((stream) => stream.close()));

it("events of a stream with a collection have data only where the row is shown", () => {
  const stream = createEventStream<Events>({
    url,
    collection: "orders",
    where: { status: "open" },
    autoConnect: false,
    // @ts-expect-error a row that has left has no data
    onEvent: (event) => event.type === "order_updated" && event.data.status,
  });
  stream.on("order_updated", (event) => {
    // @ts-expect-error a row that has left has no data
    event.data.status;
    if (event.op === "insert" || event.op === "update") return `${event.key} ${event.xid} ${event.collection}` + event.data.status;
    if (event.op === "delete" && event.moved) return event.data satisfies undefined;
    return event.op satisfies "delete" | "reset";
  });
  stream.on("table_truncated", (event) => event.op satisfies "reset");
  stream.on("sync", (event) => event.data.mode);
  opened.push(stream);
});

it("so do those of a client, of hooks and of queries", () => {
  const client = createClient<{ orders: Order }, Events>({ url: "http://pgherald.test" });
  const stream = client.events({ collection: "orders", autoConnect: false });
  stream.on("*", (event) => event.op);
  const query = createLiveQuery<number, Events>({
    load: async () => ({ data: 0, cursor: "c0" }),
    apply: (n, events) => n + events.filter(({ op }) => op === "insert").length,
    stream: { url, collection: "orders" },
    autoStart: false,
  });
  opened.push(stream, query.stream);
  const inComponent = () => [useEvents<Events>({ collection: "orders" }).lastEvent?.op, useRealtimeUpdates<Events>({ url, collection: "orders" }).events[0]?.op];
  expect(inComponent).toBeTypeOf("function");
});

it("others have data, and no operation", () => {
  const stream = createEventStream<Events>({ url, autoConnect: false });
  stream.on("order_updated", (event) => event.data.status);
  // @ts-expect-error only a stream with a collection says what an event does to its rows
  stream.on("order_updated", (event) => event.op);
  const untyped = createEventStream({ url, autoConnect: false, onEvent: ({ data }) => data.anything });
  opened.push(stream, untyped);
});

it("others of any types take listeners of their events", () => {
  const client = createClient({ url: "http://pgherald.test" }) as Client<any, any>;
  const filter: EventsOptions<Events> = { types: ["order_updated"], onEvent: ({ type }) => type };
  opened.push(client.events({ ...filter, autoConnect: false }), client.events<Events>({ ...filter, autoConnect: false }));
});
