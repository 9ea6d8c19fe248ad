import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type Client, type Collection } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

const base = "http://pgherald.test";
interface Order { id: number; status: string }

const filter = [{ name: "id", kind: "integer", operators: [] }, { name: "status", kind: "enum", operators: [] }];
const description = { name: "orders", key: ["id"], fields: filter.map(({ name }) => ({ name, type: "text", nullable: true })), filter };

let server: ScriptedServer;
let client: Client<{ orders: Order }>;
let orders: Collection<Order>;
let rows: Order[];
let cursor: string;
let snapshot: string;
let lists: number;
let hold: Promise<void> | undefined; // delays lists
let one: () => Response | Promise<Response>; // a row by its key

beforeEach(async () => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  [rows, cursor, snapshot, lists, hold] = [[{ id: 1, status: "open" }, { id: 2, status: "open" }], "c0", "700:700:", 0, undefined];
  one = () => problem(404);
  server.list = async ({ pathname }) => {
    if (pathname === "/api/collections") return Response.json({ collections: [description] });
    if (pathname !== "/api/collections/orders") return one();
    lists++;
    const page = { rows, keys: rows.map(({ id }) => String(id)), cursor, snapshot, next: null };
    await hold;
    return Response.json(page);
  };
  client = createClient({ url: base });
  orders = client.collection("orders");
  await settle();
  server.last.sync({ mode: "resumed" }, "c0");
  await frame();
});
afterEach(() => {
  client.close();
  expect(vi.getTimerCount(), "timers of a closed collection").toBe(0);
  vi.useRealTimers();
});

const frame = () => vi.advanceTimersByTimeAsync(16);
const statuses = () => orders.getSnapshot().data?.map(({ status }) => status);

let lastId = 0;
function put(id: number, xid: number, cursor: string | undefined, status?: string): void {
  const content = status === undefined ? { oversized: true } : { data: { id, status } };
  server.last.send({ id: ++lastId, type: "order", collection: "orders", op: "update", key: String(id), xid: String(xid), ...content, timestamp: 1 }, cursor);
}

/** Delays the next answer. Returns a function that lets it go. */
function holding(): { wait: Promise<void>; release: () => void } {
  let release!: () => void;
  const wait = new Promise<void>((resolve) => (release = resolve));
  return { wait, release };
}

function awaited(...xids: number[]): number[] {
  const done: number[] = [];
  for (const xid of xids) void orders.awaitXid(String(xid)).then(() => done.push(xid));
  return done;
}

describe("awaitXid", () => {
  it("waits for the rows of a transaction whose events came without their data", async () => {
    const done = awaited(801, 802);
    const { wait, release } = holding();
    one = async () => (await wait, Response.json({ id: 1, status: "large" }));
    put(2, 801, undefined, "paid");
    put(1, 801, "c1");
    put(2, 802, "c2", "paid");
    await frame();
    expect([done, statuses(), orders.getSnapshot().stale]).toEqual([[802], ["open", "paid"], true]);
    server.last.heartbeat("c3");
    server.last.heartbeat("c4");
    await frame();
    expect(done).toEqual([802]);
    release();
    await settle();
    expect([done, statuses(), orders.getSnapshot().stale]).toEqual([[802, 801], ["large", "paid"], false]);
    await expect(orders.awaitXid("801")).resolves.toBeUndefined();
  });

  it("resolves when a later event of such a row comes first", async () => {
    const done = awaited(801, 802);
    one = () => new Promise(() => {});
    put(1, 801, "c1");
    await frame();
    put(1, 802, "c2");
    await frame();
    expect(done).toEqual([]);
    put(1, 803, "c3", "paid");
    await frame();
    expect([done, statuses()]).toEqual([[801, 802], ["paid", "open"]]);
  });

  it("resolves at a heartbeat only once the events before it are shown", async () => {
    const done = awaited(801);
    server.last.heartbeat("c1");
    put(1, 801, "c2", "paid");
    server.last.heartbeat("c3");
    await settle();
    expect([done, statuses()]).toEqual([[801], ["paid", "open"]]);
  });

  it("does not resolve at a heartbeat within the transaction", async () => {
    const done = awaited(801);
    put(1, 801, undefined, "paid");
    server.last.heartbeat("c0");
    server.last.heartbeat("c0");
    await frame();
    expect(done).toEqual([]);
    put(2, 801, "c1", "paid");
    await frame();
    expect([done, statuses()]).toEqual([[801], ["paid", "paid"]]);
  });
});

describe("a load", () => {
  it("keeps the request for a large row that has changed meanwhile", async () => {
    one = () => Response.json({ id: 1, status: "large" });
    const { wait, release } = holding();
    hold = wait;
    void orders.refetch();
    await settle();
    put(1, 801, "c1");
    await frame();
    release();
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [{ status: "large" }, { status: "open" }], stale: false });
  });

  it("after a close shows the rows as stale until it is done, although the stream is open for others", async () => {
    client.collection("orders", { order: "id.desc" });
    await frame();
    orders.close();
    rows = [{ id: 3, status: "open" }];
    const { wait, release } = holding();
    hold = wait;
    orders.start();
    server.last.sync({ mode: "stale", since: "2026-01-01T00:00:00Z" });
    server.last.sync({ mode: "live" });
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 1 }, { id: 2 }], loading: true, stale: true });
    release();
    await settle();
    expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 3 }], loading: false, stale: false });
  });

  it("that comes after more events than are kept is repeated with back-off", async () => {
    const { wait, release } = holding();
    hold = wait;
    void orders.refetch();
    await settle();
    for (let i = 0; i <= 10_000; i++) put(1, 801, `d${i}`, "paid");
    await frame();
    hold = undefined;
    release();
    await frame();
    expect(lists).toBe(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(lists).toBe(3);
  });
});
