import { createCollection, createLiveQueryCollection, eq } from "@tanstack/db";
import { createClient } from "pgherald";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OrdersServer, type Order } from "../../testing/server.js";
import { until } from "../../testing/until.js";
import { pgheraldCollectionOptions, type PgheraldCollectionConfig } from "../src/index.js";

let server: OrdersServer;
let orders: ReturnType<typeof open>;

beforeEach(() => {
  server = new OrdersServer();
  server.rows.set(1, { id: 1, status: "open", note: "first" });
});
afterEach(async () => {
  await orders.cleanup();
  await until(() => expect(server.openStreams).toBe(0));
});

function open(config: Partial<PgheraldCollectionConfig<Order, number>> = {}) {
  const client = createClient({ url: "http://pgherald.test", fetch: server.fetch });
  return createCollection(pgheraldCollectionOptions<Order, number>({ client, name: "orders", getKey: (row) => row.id, ...config }));
}

async function ready(config: Partial<PgheraldCollectionConfig<Order, number>> = {}) {
  orders = open(config);
  await orders.preload();
  await until(() => expect(server.openStreams).toBe(1));
}

const notes = () => [...orders.values()].sort((a, b) => a.id - b.id).map(({ id, note }) => `${id} ${note}`);

describe("the rows", () => {
  it("are those of the server, and follow inserts, updates and deletes", async () => {
    await ready();
    expect(notes()).toEqual(["1 first"]);
    server.write({ 2: { status: "open", note: "second" }, 3: { status: "paid", note: "third" } });
    await until(() => expect(notes()).toEqual(["1 first", "2 second", "3 third"]));
    server.write({ 2: { status: "open", note: "changed" }, 3: null });
    await until(() => expect(notes()).toEqual(["1 first", "2 changed"]));
  });

  it("come in whole transactions", async () => {
    await ready();
    const seen: number[] = [];
    orders.subscribeChanges((changes) => seen.push(changes.length), { includeInitialState: true });
    server.write({ 2: { status: "open", note: "a" }, 3: { status: "open", note: "b" }, 1: null });
    await until(() => expect(orders.size).toBe(2));
    expect(seen).toEqual([1, 3]);
  });

  it("pass the filter and the limit to the server", async () => {
    await ready({ where: { status: "open" }, limit: 5 });
    expect(server.lists[0]).toMatch(/^\/api\/collections\/orders\?where\.status=eq\.open&/);
    await until(() => expect(orders.utils.getSnapshot()).toMatchObject({ status: "open", hasMore: false }));
  });

  it("feed live queries", async () => {
    await ready();
    const paid = createLiveQueryCollection((q) => q.from({ order: orders }).where(({ order }) => eq(order.status, "paid")));
    await paid.preload();
    expect(paid.size).toBe(0);
    server.write({ 1: { status: "paid", note: "first" } });
    await until(() => expect(paid.size).toBe(1));
    await paid.cleanup();
  });

  it("are equal to the server's again after a reset", async () => {
    await ready();
    server.rows.clear();
    server.rows.set(9, { id: 9, status: "open", note: "ninth" });
    server.send({ type: "sync", data: { mode: "reset", reason: "pruned" }, timestamp: 1 }, "c50");
    await until(() => expect(notes()).toEqual(["9 ninth"]));
  });

  it("are parsed", async () => {
    const client = createClient({ url: "http://pgherald.test", fetch: server.fetch });
    const options = pgheraldCollectionOptions<{ id: bigint; note: string }, string, Order>({
      client, name: "orders", getKey: ({ id }) => String(id), parse: ({ id, note }) => ({ id: BigInt(id), note }),
    });
    const parsed = createCollection(options);
    await parsed.preload();
    expect(parsed.get("1")?.id).toBe(1n);
    server.write({ 1: null });
    await until(() => expect(parsed.size).toBe(0));
    await parsed.cleanup();
    orders = open();
  });
});

describe("a write", () => {
  const insert = (note: string) => orders.insert({ id: 2, status: "open", note });

  it("shows at once, and is held until the events of its transaction have come", async () => {
    server.isSlow = true;
    await ready({ onInsert: async ({ transaction }) => server.write({ 2: { ...transaction.mutations[0].modified, note: "by the server" } }) });
    const { isPersisted } = insert("by the page");
    let isDone = false;
    void isPersisted.promise.then(() => (isDone = true));
    await until(() => expect(server.rows.size).toBe(2));
    await new Promise((resolve) => setImmediate(resolve));
    expect([notes(), isDone]).toEqual([["1 first", "2 by the page"], false]);
    const seen: string[] = [];
    orders.subscribeChanges(() => seen.push(notes()[1] ?? "gone"));
    server.release();
    await isPersisted.promise;
    await until(() => expect(notes()[1]).toBe("2 by the server"));
    expect(seen).not.toContain("gone"); // it never flickers
    expect(server.lists).toHaveLength(1);
  });

  it("updates and deletes", async () => {
    await ready({
      onUpdate: async ({ transaction }) => ({ xid: server.write({ 1: { status: "open", note: "first", ...transaction.mutations[0].changes } }) }),
      onDelete: async ({ transaction }) => server.write({ [transaction.mutations[0].key]: null }),
    });
    await orders.update(1, (draft) => void (draft.note = "edited")).isPersisted.promise;
    await until(() => expect(notes()).toEqual(["1 edited"]));
    await orders.delete(1).isPersisted.promise;
    expect(notes()).toEqual([]);
  });

  it("that the server rejects is undone", async () => {
    await ready({ onInsert: async () => Promise.reject(new Error("no")) });
    await expect(insert("mine").isPersisted.promise).rejects.toThrow("no");
    expect(notes()).toEqual(["1 first"]);
  });

  it("without a number, or whose events do not come, loads the rows again", async () => {
    server.isSlow = true;
    let xid: string | undefined;
    await ready({ writeTimeout: 30, onInsert: async ({ transaction }) => (server.write({ [transaction.mutations[0].key]: { status: "open", note: "written" } }), xid) });
    await insert("mine").isPersisted.promise;
    await until(() => expect([notes(), server.lists.length]).toEqual([["1 first", "2 written"], 2]));
    xid = "999999";
    await orders.insert({ id: 3, status: "open", note: "mine" }).isPersisted.promise;
    await until(() => expect([notes()[2], server.lists.length]).toEqual(["3 written", 3]));
  });
});

it("a write that a cleanup overtakes ends without an error, and opens nothing", async () => {
  server.isSlow = true;
  await ready({ onInsert: async ({ transaction }) => server.write({ 2: transaction.mutations[0].modified }) });
  const { isPersisted } = orders.insert({ id: 2, status: "open", note: "mine" });
  await until(() => expect(server.rows.size).toBe(2));
  await orders.cleanup();
  await isPersisted.promise;
  expect([server.openStreams, server.lists.length]).toEqual([0, 1]);
});

describe("the lifecycle", () => {
  it("is in error if the server refuses the list, and syncs again afterwards", async () => {
    orders = open();
    server.nextList = Response.json({ status: 403, detail: "not yours" }, { status: 403, headers: { "Content-Type": "application/problem+json" } });
    await expect(orders.preload()).rejects.toThrow("not yours");
    await orders.cleanup();
    await orders.preload();
    expect(notes()).toEqual(["1 first"]);
  });

  it("closes its stream with the collection, and loads again when it is used again", async () => {
    await ready();
    await orders.cleanup();
    await until(() => expect(server.openStreams).toBe(0));
    await expect(orders.utils.awaitXid("1")).rejects.toThrow("does not sync");
    server.write({ 2: { status: "open", note: "meanwhile" } });
    await orders.preload();
    expect(notes()).toEqual(["1 first", "2 meanwhile"]);
  });
});
