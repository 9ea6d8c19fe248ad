import { dehydrate, hashKey, hydrate, QueryClient, QueryObserver } from "@tanstack/query-core";
import { createClient } from "pgherald";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OrdersServer, type Order } from "../../testing/server.js";
import { until } from "../../testing/until.js";
import { createLiveQueries, invalidateOnEvents, type LiveQueries } from "../src/index.js";

let server: OrdersServer;
let queryClient: QueryClient;
let live: LiveQueries;

beforeEach(() => {
  server = new OrdersServer();
  server.rows.set(1, { id: 1, status: "open", note: "first" });
  queryClient = new QueryClient();
  live = createLiveQueries(client());
});
afterEach(async () => {
  queryClient.clear();
  await until(() => expect(server.openStreams).toBe(0));
});

const client = () => createClient({ url: "http://pgherald.test", fetch: server.fetch });
const orders = () => live.collection<Order>("orders", { where: { status: "open" } });
const streams = (count: number) => until(() => expect(server.openStreams).toBe(count));

/** Shows the query as a component does. */
function show() {
  const observer = new QueryObserver(queryClient, orders());
  const unmount = observer.subscribe(() => {});
  const shows = (...notes: string[]) => until(() => expect(observer.getCurrentResult().data?.map(({ note }) => note)).toEqual(notes));
  return { observer, unmount, shows };
}

describe("a live query", () => {
  it("loads the rows of a collection, and follows them", async () => {
    const { shows, unmount, observer } = show();
    await shows("first");
    await streams(1);
    server.write({ 2: { status: "open", note: "second" } });
    await shows("first", "second");
    const [first] = observer.getCurrentResult().data!;
    server.write({ 2: null });
    await shows("first");
    expect(observer.getCurrentResult().data![0]).toBe(first);
    expect(server.lists).toEqual(["/api/collections/orders?where.status=eq.open&limit=500"]);
    unmount();
  });

  it("has one stream for all components, which ends with the last; the next one loads again", async () => {
    const [a, b] = [show(), show()];
    await a.shows("first");
    await streams(1);
    a.unmount();
    server.write({ 1: { status: "open", note: "changed" } });
    await b.shows("changed");
    b.unmount();
    await streams(0);
    server.write({ 1: { status: "open", note: "later" } });
    const c = show();
    await c.shows("later");
    expect(server.lists).toHaveLength(2);
    c.unmount();
  });

  it("that is prefetched keeps no stream, and that is fetched again uses the one it has", async () => {
    await queryClient.prefetchQuery(orders());
    await streams(0);
    const { shows, unmount } = show();
    await shows("first");
    await streams(1);
    const before = server.lists.length;
    await queryClient.refetchQueries({ queryKey: ["pgherald", "orders"] });
    expect([server.lists.length - before, server.openStreams]).toEqual([1, 1]);
    unmount();
  });

  it("follows rows that a server has rendered, or that were kept", async () => {
    const rendered = new QueryClient();
    await rendered.prefetchQuery(orders());
    hydrate(queryClient, dehydrate(rendered));
    server.write({ 1: { status: "open", note: "changed" } });
    const { shows, unmount, observer } = show();
    expect(observer.getCurrentResult().data).toMatchObject([{ note: "first" }]);
    await shows("changed");
    await streams(1);
    server.write({ 1: { status: "open", note: "again" } });
    await shows("again");
    unmount();
    rendered.clear();
  });

  it("reports an error that no retry can change, and another attempt may succeed", async () => {
    server.nextList = Response.json({ status: 403, detail: "not yours" }, { status: 403, headers: { "Content-Type": "application/problem+json" } });
    await expect(queryClient.fetchQuery(orders())).rejects.toThrow("not yours");
    expect((await queryClient.fetchQuery(orders())).length).toBe(1);
  });

  it("that loses its right to the stream is in error, keeps its rows, and may be fetched again", async () => {
    const { shows, unmount, observer } = show();
    await shows("first");
    await streams(1);
    server.nextStream = Response.json({ status: 403, detail: "not yours" }, { status: 403, headers: { "Content-Type": "application/problem+json" } });
    server.end();
    await until(() => expect(observer.getCurrentResult()).toMatchObject({ status: "error", error: { status: 403 }, data: [{ note: "first" }] }));
    server.rows.get(1)!.note = "changed";
    await observer.refetch();
    await shows("changed");
    expect(observer.getCurrentResult().status).toBe("success");
    server.nextList = Response.json({ status: 403 }, { status: 403, headers: { "Content-Type": "application/problem+json" } });
    expect((await observer.refetch()).error).toMatchObject({ status: 403 });
    unmount();
  });

  it("has a key by value", () => {
    expect(hashKey(orders().queryKey)).toBe(hashKey(live.collection<Order>("orders", { where: { status: "open" } }).queryKey));
    expect(hashKey(orders().queryKey)).not.toBe(hashKey(live.collection<Order>("orders").queryKey));
  });
});

describe("invalidateOnEvents", () => {
  it("makes the queries stale that an event names, and all after a reset", async () => {
    let loads: string[] = [];
    const unmount = ["total", "people"].map((name) => new QueryObserver(queryClient, { queryKey: [name], queryFn: () => (loads.push(name), 1), staleTime: Infinity }).subscribe(() => {}));
    await until(() => expect(loads).toEqual(["total", "people"]));
    loads = [];
    const stop = invalidateOnEvents({ client: client(), queryClient, filter: { types: ["orders_update"] }, queryKeys: ({ type }) => (type === "orders_update" ? [["total"]] : []) });
    await streams(1);
    server.write({ 1: { status: "paid", note: "a" } });
    server.write({ 1: { status: "paid", note: "b" } });
    await until(() => expect(loads).toEqual(["total"])); // once for both
    server.send({ type: "sync", data: { mode: "reset", reason: "pruned" }, timestamp: 1 }, "c9");
    await until(() => expect(loads).toEqual(["total", "total", "people"]));
    stop();
    for (const end of unmount) end();
  });
});
