import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type ClientOptions, type Collection, type CollectionOptions } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

const base = "http://pgherald.test";
const golden = (name: string) => readFileSync(new URL(`../../../api/testdata/${name}.golden`, import.meta.url), "utf8");

interface Order {
  id: number;
  status: string;
  note?: string;
}

const description = {
  name: "orders", table: "public.orders", key: ["id"], types: {},
  fields: ["id", "status", "note"].map((name) => ({ name, type: "text", nullable: true })),
  filter: [{ name: "id", kind: "integer", operators: [] }, { name: "status", kind: "text", operators: [] }],
};

let server: ScriptedServer;
let orders: Collection<Order>;
let pages: { rows: (Order | null)[]; next?: string; cursor?: string; snapshot?: string; oversized?: string[] }[];
let one: Record<string, Response | Promise<Response>>; // the rows by key
let requests: string[];
let tokens: (string | null)[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  pages = [];
  one = {};
  requests = [];
  tokens = [];
  server.list = (url, headers) => {
    if (url.pathname === "/api/collections") return Response.json({ collections: [description] });
    requests.push(decodeURIComponent(url.pathname.slice("/api/collections/".length) + url.search));
    tokens.push(headers.get("Authorization"));
    const key = url.pathname.split("/")[4] ?? url.searchParams.get("key") ?? undefined;
    if (key !== undefined) return one[key] ?? problem(404);
    const page = pages.shift();
    if (!page) return problem(503);
    const { rows, next = null, cursor = "c0", snapshot = "0:0:" } = page;
    return Response.json({ keys: rows.map((row, i) => String(row?.id ?? page.oversized![i])), cursor, snapshot, next, ...page });
  };
});
afterEach(() => {
  orders.close();
  expect(vi.getTimerCount(), "timers of a closed collection").toBe(0);
  vi.useRealTimers();
});

const frame = () => vi.advanceTimersByTimeAsync(16);
const order = (id: number, status = "open"): Order => ({ id, status });
const ids = () => orders.getSnapshot().data?.map(({ id }) => id);
const open = (mode = "resumed") => server.last.sync({ mode }, server.last.cursor!);

function start(options: CollectionOptions<Order> = {}, client: ClientOptions = {}): void {
  orders = createClient<{ orders: Order }>({ url: base, ...client }).collection("orders", options);
}

async function opened(rows: Order[], options: CollectionOptions<Order> = {}, client: ClientOptions = {}): Promise<void> {
  pages.push({ rows });
  start(options, client);
  await settle();
  open();
  await frame();
}

let lastId = 0;
function send(op: string, key: string, members: object, cursor?: string): void {
  lastId++;
  server.last.send({ id: lastId, type: `order_${op}`, collection: "orders", op, key, xid: String(700 + lastId), ...members, timestamp: 1 }, cursor);
}
const put = (row: Order, cursor?: string, members: object = {}) => send("update", String(row.id), { data: row, ...members }, cursor);
const leave = (id: number, cursor?: string) => send("delete", String(id), { moved: true }, cursor);

describe("a collection", () => {
  it("loads all pages, and opens the stream at the cursor of the first, with the same filter", async () => {
    pages.push({ rows: [order(1), order(2)], next: "p2", cursor: "c1" }, { rows: [order(3)], cursor: "c2" });
    start({ where: { status: { in: ["open", "paid"] } }, any: [{ id: 1 }, { note: null }] });
    await settle();
    const filter = "any=(id.eq.1,note.is.null)";
    expect(requests).toEqual([`orders?where.status=in.(open,paid)&${filter}&limit=500`, `orders?where.status=in.(open,paid)&${filter}&limit=500&after=p2`]);
    expect(Object.fromEntries(server.last.url.searchParams)).toEqual({
      "q.0": "collection:orders;any=(id.eq.1%2Cnote.is.null);where.status=in.(open%2Cpaid)",
      since: "c1",
    });
    expect(orders.getSnapshot()).toMatchObject({ data: [order(1), order(2), order(3)], keys: ["1", "2", "3"], loading: false, hasMore: false, cursor: "c1" });
    open();
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ status: "open", stale: false, error: null });
  });

  it("skips events that a row of a later page shows already", async () => {
    pages.push({ rows: [order(1)], next: "p2", cursor: "c1", snapshot: "700:700:" }, { rows: [order(3, "newest")], cursor: "c2", snapshot: "900:900:" });
    start();
    await settle();
    open();
    put(order(3, "older"), "c3", { xid: "750" });
    put(order(1, "newer"), "c4", { xid: "751" });
    put(order(2), "c5", { xid: "752" }); // inserted after the first page was read
    put(order(1, "oldest"), "c6", { xid: "699" });
    await frame();
    expect(orders.getSnapshot().data).toEqual([order(1, "newer"), order(2), order(3, "newest")]);
    put(order(3, "last"), "c7", { xid: "900" });
    await frame();
    expect(orders.getSnapshot().data!.at(-1)).toEqual(order(3, "last"));
  });

  it("follows the bytes of the server's golden file: moves in and out, deletes, and loads again what a reset names", async () => {
    await opened([]);
    const seen: unknown[] = [];
    one["3"] = Response.json(order(3, "large"));
    const frames = golden("collection").split("\n\n");
    for (const text of frames.slice(0, -3)) {
      server.last.write(`${text}\n\n`);
      await frame();
      seen.push(ids()?.join());
    }
    // A transaction is shown whole: the first event of each is not.
    expect(seen).toEqual(["1", "1", "1", "2", "2", "3", "2,3", "3", "3"]);
    expect(requests.filter((request) => request.includes("/"))).toEqual(["orders/3"]);
    expect(orders.getSnapshot()).toMatchObject({ stale: true }); // table_truncated
    pages.push({ rows: [order(9)], cursor: "c9" });
    await vi.advanceTimersByTimeAsync(1000);
    expect([ids(), orders.getSnapshot().cursor, server.lines.length]).toEqual([[9], "c9", 1]);
  });

  it("reads a row by its key, whatever it is", async () => {
    await opened([]);
    const keys = ["17", "a-b_c", "", ".", "..", "a/b", "[7, 2]", "é&=+"];
    for (const [i, key] of keys.entries()) {
      one[key] = Response.json(order(i));
      send("update", key, { oversized: true }, `c${i}`);
    }
    await frame();
    await frame();
    expect(requests.slice(1).sort()).toEqual(["orders/17", "orders/a-b_c", ...keys.slice(2).map((key) => `orders?key=${key}`)].sort());
    expect(ids()!.sort()).toEqual(keys.map((_, i) => i));
  });

  it("loads again when every row that it has loaded is gone, although the list goes on", async () => {
    pages.push({ rows: [null, null], oversized: ["1", "2"], next: "p2" });
    start({ limit: 1 });
    await settle();
    open();
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [], stale: true });
    pages.push({ rows: [order(3)], cursor: "c9" });
    await vi.advanceTimersByTimeAsync(1000);
    expect([ids(), orders.getSnapshot().stale]).toEqual([[3], false]);
  });

  it("keeps the order, also of rows that move in", async () => {
    await opened([order(9), order(5)], { order: "id.desc" });
    put(order(7));
    put(order(10));
    leave(5, "c1");
    await frame();
    expect(ids()).toEqual([10, 9, 7]);
  });

  it("shows a transaction whole, also if the connection breaks within it", async () => {
    await opened([order(1)]);
    lastId = 100;
    put(order(2));
    await frame();
    expect(ids()).toEqual([1]);
    server.last.cut();
    await vi.advanceTimersByTimeAsync(5000);
    expect(server.last.cursor).toBe("c0");
    expect(orders.getSnapshot()).toMatchObject({ status: "reconnecting", stale: true });
    open();
    lastId = 100;
    put(order(2)); // again
    await frame();
    expect(ids()).toEqual([1]);
    leave(1, "c1");
    await frame();
    expect(ids()).toEqual([2]);
  });

  it("completes a transaction with an event that comes again", async () => {
    await opened([]);
    lastId = 200;
    put(order(2));
    await frame();
    server.last.cut();
    await vi.advanceTimersByTimeAsync(5000);
    open();
    lastId = 200;
    put(order(2), "c1"); // the only one that a renewed token may see
    await frame();
    expect([ids(), orders.getSnapshot().cursor]).toEqual([[2], "c1"]);
  });

  it("loads again after a reset", async () => {
    await opened([order(1)]);
    for (const data of [{ mode: "reset", reason: "pruned" }, { mode: "reset", reason: "future" }]) {
      await vi.advanceTimersByTimeAsync(6000);
      pages.push({ rows: [order(8)], cursor: "c8" });
      server.last.sync(data, "c7");
      await frame();
      expect(orders.getSnapshot()).toMatchObject({ data: [order(8)], cursor: "c8", stale: false, status: "open" });
      expect(server.lines).toHaveLength(1);
    }
  });

  it("loads one row again after a reset that names its key, with the filter", async () => {
    await opened([order(1), order(2)], { where: { status: "open" } });
    pages.push({ rows: [{ id: 2, status: "open", note: "new" }] }, { rows: [] });
    const reset = (key: string, cursor: string) =>
      server.last.send({ id: ++lastId, type: "collection_reset", data: { reason: "expression", key }, collection: "orders", op: "reset", xid: "1", timestamp: 1 }, cursor);
    reset("2", "c1");
    await frame();
    expect(requests.at(-1)).toBe("orders?where.status=eq.open&where.id=eq.2&limit=1");
    reset("1", "c2");
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 2, note: "new" }], stale: false });
  });

  it("is stale until a large row is fetched, and drops what it fetched if an event of the row comes first", async () => {
    await opened([order(1)]);
    let answer!: (response: Response) => void;
    one["1"] = new Promise((resolve) => (answer = resolve));
    send("update", "1", { oversized: true }, "c1");
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [order(1)], stale: true });
    put(order(1, "newer"), "c2");
    await frame();
    answer(Response.json(order(1, "older")));
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [order(1, "newer")], stale: false });
  });

  it("loads a row that is too large for a list", async () => {
    one["2"] = Response.json(order(2, "large"));
    pages.push({ rows: [order(1), null], oversized: ["", "2"] } as never);
    start();
    await settle();
    expect(orders.getSnapshot().data).toEqual([order(1), order(2, "large")]);
  });

  it("fills its window again once too many rows have left", async () => {
    await opened([], { limit: 2 }); // replaced below
    pages.push({ rows: [order(1), order(2), order(3), order(4)], next: "p2", cursor: "c1" });
    void orders.refetch();
    await settle();
    open();
    expect(requests.at(-1)).toBe("orders?limit=4");
    leave(1, "c2");
    await frame();
    expect([ids(), orders.getSnapshot().hasMore]).toEqual([[2, 3], true]);
    leave(2);
    leave(3, "c3");
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [order(4)], stale: true });
    pages.push({ rows: [order(4), order(5), order(6)], cursor: "c4" });
    await vi.advanceTimersByTimeAsync(1000);
    open();
    await frame();
    expect(orders.getSnapshot()).toMatchObject({ data: [order(4), order(5)], stale: false, hasMore: true });
  });

  it("gets another token after a 401 of the list, once", async () => {
    let n = 0;
    const reasons: string[] = [];
    const { list } = server;
    server.list = (url, headers) => (headers.get("Authorization") === "Bearer t1" ? problem(401) : list!(url, headers));
    pages.push({ rows: [order(1)] });
    start({}, { token: ({ reason }) => (reasons.push(reason), reason === "rejected" ? "t2" : n++ < 2 ? "t1" : "t2") });
    await settle();
    expect(ids()).toEqual([1]);
    expect(reasons).toContain("rejected");
    server.list = () => problem(401);
    await orders.refetch();
    expect(orders.getSnapshot()).toMatchObject({ data: [order(1)], error: { status: 401, fatal: true } });
    server.list = list;
    pages.push({ rows: [order(2)], cursor: "c5" });
    await orders.refetch();
    expect(orders.getSnapshot()).toMatchObject({ data: [order(2)], error: null });
  });

  it("retries a list that fails, and gives up where the server says that it cannot be", async () => {
    start(); // a 503, as there is no page
    await settle();
    expect(orders.getSnapshot()).toMatchObject({ data: undefined, error: { status: 503, fatal: false }, loading: false });
    pages.push({ rows: [order(1)] });
    await vi.advanceTimersByTimeAsync(2000);
    expect(ids()).toEqual([1]);
    orders.close();
    server.list = () => problem(400, { detail: "where.id has a bad value" });
    start({ where: { id: "x" } });
    await orders.refetch();
    expect(orders.getSnapshot().error?.message).toMatch("where.id has a bad value");
  });

  it("leaves out what an event has beside the row, and ignores what it does not know", async () => {
    await opened([]);
    put({ ...order(1), note: "n", extra: 1 } as Order, "c1");
    server.last.send({ id: ++lastId, type: "later", data: {}, timestamp: 1 }, "c2");
    await frame();
    expect(orders.getSnapshot().data).toEqual([{ id: 1, status: "open", note: "n" }]);
  });

  it("waits for a transaction: its events, an earlier one, a load, or the certainty that it has none", async () => {
    await opened([order(1)]);
    const done: string[] = [];
    const wait = (xid: string) => void orders.awaitXid(xid).then(() => done.push(xid), () => done.push(`not ${xid}`));
    wait("8812");
    put(order(1, "paid"), "c1", { xid: "8812" });
    await settle();
    expect(done).toEqual([]);
    await frame();
    expect(done).toEqual(["8812"]);
    expect(orders.getSnapshot().data).toEqual([order(1, "paid")]);
    wait("8812");
    wait("1");
    server.last.heartbeat("c2");
    await frame();
    expect(done).toEqual(["8812", "8812"]);
    server.last.heartbeat("c3");
    await frame();
    expect(done.slice(2)).toEqual(["1"]);
    wait("2");
    pages.push({ rows: [order(2)], cursor: "c4" });
    await orders.refetch();
    await frame();
    expect(done.slice(3)).toEqual(["2"]);
    const abort = new AbortController();
    const aborted = orders.awaitXid("3", { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    wait("4");
    orders.close();
    wait("5");
    await settle();
    expect(done.slice(4)).toEqual(["not 4", "not 5"]);
  });

  it("keeps its snapshot while nothing changes, and one row while another changes", async () => {
    await opened([order(1), order(2)]);
    const before = orders.getSnapshot();
    await frame();
    expect(orders.getSnapshot()).toBe(before);
    put(order(2, "paid"), "c1");
    await frame();
    expect(orders.getSnapshot().data![0]).toBe(before.data![0]);
  });

  it("is an async iterable, which ends when its signal is aborted", async () => {
    const abort = new AbortController();
    await opened([order(1)], { signal: abort.signal });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { data, status } of orders) seen.push([data?.length, status]);
    })();
    await settle();
    put(order(2), "c1");
    await frame();
    abort.abort();
    await reading;
    expect(seen).toEqual([[1, "open"], [2, "open"], [2, "closed"]]);
    expect(server.last.aborted).toBe(true);
  });

  it("uses the client's address, headers and fetch", async () => {
    const urls: string[] = [];
    const fetch = ((input: URL, init: RequestInit) => {
      urls.push(`${input} ${new Headers(init.headers).get("X-A")}`);
      return globalThis.fetch(new URL(input.href.replace("/base", "")), init);
    }) as typeof globalThis.fetch;
    await opened([order(1)], {}, { url: `${base}/base/`, headers: { "X-A": "1" }, fetch });
    expect(urls.map((url) => url.replace(base, "").replace(/\?\S*/, ""))).toEqual(["/base/api/collections 1", "/base/api/collections/orders 1", "/base/api/events 1"]);
  });
});

it("has rows of the types in a schema", () => {
  const client = createClient<{ orders: Order }>({ url: base });
  // @ts-expect-error a status is a text
  orders = client.collection("orders", { where: { status: 1 }, autoStart: false });
  orders = client.collection("orders", { where: { id: { gt: 1n } }, autoStart: false });
  const other: Collection<{ code: string }> = client.collection<{ code: string }>("countries", { where: { code: "at" }, autoStart: false });
  expect(other.name).toBe("countries");
});
