import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Client } from "../src/index.js";
import { ScriptedServer, settle } from "./server.js";

// The code that follows rows comes when a test says so: a page shows its lists before.
const base = "http://pgherald.test";
const description = { key: ["id"], fields: [{ name: "id", type: "integer", nullable: false }], filter: [{ name: "id", kind: "integer", operators: [] }] };

let server: ScriptedServer;
let client: Client;
let failures: number; // of attempts to load the code
let arrive: () => void;
let pages: Record<string, object[]>;

beforeEach(async () => {
  vi.resetModules();
  vi.doUnmock("../src/follow.js");
  const { createClient } = await import("../src/index.js");
  const follow = await vi.importActual("../src/follow.js");
  failures = 0;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  vi.doMock("../src/follow.js", async () => {
    if (failures-- > 0) throw new Error("no network");
    await arrived;
    return follow;
  });
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  pages = {};
  server.list = ({ pathname }) => {
    const name = pathname.split("/")[3];
    if (!name) return Response.json({ collections: ["orders", "customers"].map((name) => ({ name, ...description })) });
    return Response.json({ rows: [{ id: 1 }], keys: ["1"], cursor: `c-${name}`, snapshot: "5:5:", next: null, ...pages[name]?.shift() });
  };
  client = createClient({ url: base });
});
afterEach(() => {
  client.close();
  expect(vi.getTimerCount(), "timers of a closed client").toBe(0);
  vi.useRealTimers();
  vi.doUnmock("../src/follow.js");
});

const until = (look: () => void) => vi.waitFor(look, { timeout: 600_000, interval: 10 });

it("shows lists before, and opens one stream for all of them then", async () => {
  const [orders, customers] = [client.collection("orders"), client.collection("customers", { where: { id: { gt: 0 } } })];
  await until(() => expect([orders, customers].map((one) => one.getSnapshot().data)).toEqual([[{ id: 1 }], [{ id: 1 }]]));
  expect([orders.getSnapshot().status, server.lines.length]).toEqual(["connecting", 0]);
  const waited = orders.awaitXid("9");
  arrive();
  await until(() => expect(server.lines).toHaveLength(1));
  expect([...server.last.url.searchParams]).toEqual([["q.0", "collection:customers;where.id=gt.0"], ["q.1", "collection:orders"], ["since", "c-orders"]]);
  server.last.sync({ mode: "resumed" }, "c-orders");
  server.last.send({ id: 1, type: "order_created", collection: "orders", op: "insert", q: ["1"], key: "2", xid: "9", data: { id: 2 }, timestamp: 1 }, "c9");
  await until(() => expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 1 }, { id: 2 }], status: "open", cursor: "c9" }));
  await waited;
  expect(customers.getSnapshot().data).toEqual([{ id: 1 }]);
});

it("reports that it cannot be loaded, and tries again", async () => {
  failures = 1;
  arrive();
  const orders = client.collection("orders");
  await until(() => expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 1 }], status: "connecting", error: { kind: "network", message: expect.stringContaining("load the code") } }));
  await until(() => expect(server.lines).toHaveLength(1));
  server.last.sync({ mode: "resumed" }, "c-orders");
  await until(() => expect(orders.getSnapshot()).toMatchObject({ status: "open", error: null }));
});

it("is needed for rows that were loaded at several times", async () => {
  pages["orders"] = [{ rows: [{ id: 5 }], keys: ["5"], next: "p2" }, { rows: [{ id: 3 }], keys: ["3"], snapshot: "6:6:" }];
  const orders = client.collection("orders");
  await settle();
  expect(orders.getSnapshot().data).toBeUndefined();
  arrive();
  await until(() => expect(orders.getSnapshot().data).toEqual([{ id: 3 }, { id: 5 }]));
});

it("gives a stream its listeners and its loops then", async () => {
  const stream = client.events();
  const seen: unknown[] = [];
  const remove = stream.on("*", () => seen.push("removed"));
  stream.on("*", ({ id }) => seen.push(id));
  stream.onStatus((status) => seen.push(status));
  const loop = (async () => {
    for await (const { id } of stream) seen.push(`loop ${id}`);
    return "end";
  })();
  const closed = client.events();
  const ended = closed[Symbol.asyncIterator]().next();
  closed.close();
  expect([(await ended).done, closed.status, stream.status, client.getStatus().status]).toEqual([true, "closed", "connecting", "connecting"]);
  remove();
  arrive();
  await until(() => expect(server.lines).toHaveLength(1));
  server.last.sync({ mode: "live" }, "c0");
  server.last.event(1, "c1");
  await until(() => expect(seen).toEqual(["connecting", "open", 1, "loop 1"]));
  client.close();
  expect([await loop, stream.status, stream.lastEventId]).toEqual(["end", "closed", "c1"]);
});

it("reports to a stream that it cannot be loaded", async () => {
  failures = 1;
  arrive();
  const onError = vi.fn();
  const stream = client.events({ onError });
  await until(() => expect(onError.mock.calls).toEqual([[expect.objectContaining({ kind: "network", fatal: false })]]));
  expect([stream.status, stream.error, client.getStatus().error]).toEqual(["connecting", onError.mock.calls[0]![0], onError.mock.calls[0]![0]]);
  await until(() => expect(server.lines).toHaveLength(1));
});

it("says to reload the page after some failures, since a browser may keep them", async () => {
  failures = 3;
  arrive();
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  const stream = client.events({ backoff: { initial: 10, max: 10 } } as object);
  await until(() => expect(stream.error?.message).toContain("reload the page"));
  expect(stream.stats.retryAt).toBe(stream.error!.retryAt);
  expect(logged.mock.calls.map(([text]) => /reload/.test(text))).toEqual([false, true]); // nothing hears of them
  await until(() => expect(server.lines).toHaveLength(1));
});

it("tells the status of a stream before", async () => {
  const seen: string[] = [];
  const abort = new AbortController();
  const stream = client.events({ onStatus: (status) => seen.push(status), signal: abort.signal });
  expect(seen).toEqual(["connecting"]);
  abort.abort();
  expect(seen).toEqual(["connecting", "closed"]);
  stream.close();
  stream.connect();
  arrive();
  await until(() => expect(server.lines).toHaveLength(1));
  server.last.sync({ mode: "live" }, "c0");
  await until(() => expect(seen).toEqual(["connecting", "closed", "connecting", "open"]));
});

it("opens nothing for what was closed before, and everything for what was started again", async () => {
  const [orders, customers, stream] = [client.collection("orders"), client.collection("customers"), client.events({ types: ["a"] })];
  await settle();
  customers.close();
  stream.close();
  orders.close();
  orders.start();
  arrive();
  await until(() => expect(server.lines).toHaveLength(1));
  expect(server.last.url.searchParams.get("q.0")).toBe("collection:orders");
  stream.connect();
  await until(() => expect(server.last.url.searchParams.get("q.1")).toBe("events;types=a"));
  expect([customers.getSnapshot().status, server.lines.length]).toEqual(["closed", 2]);
});
