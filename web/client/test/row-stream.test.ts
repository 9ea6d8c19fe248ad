import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type Client, type ClientOptions, type Collection } from "../src/index.js";
import { problem } from "./server.js";
import { isSameVersion, select, Table, type Row } from "./table.js";

const url = "http://pgherald.test";
let server: Table;
let client: Client<{ rows: Row }>;

const start = (options: ClientOptions = {}) => (client = createClient({ url, ...options }));

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  server = new Table();
  start();
});
afterEach(() => {
  client.close();
  expect(vi.getTimerCount(), "timers of a closed client").toBe(0);
  vi.useRealTimers();
});

async function pass(milliseconds = 50): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await vi.advanceTimersByTimeAsync(milliseconds / 5);
    server.serve();
  }
  await vi.advanceTimersByTimeAsync(20);
}

const open = (...statuses: string[]) => client.collection("rows", statuses.length === 0 ? {} : { where: { status: { in: statuses } } });
const contents = () => [...server.last.url.searchParams].filter(([name]) => name.startsWith("q.")).map(([, content]) => decodeURIComponent(content));

describe("the collections of a client", () => {
  it("share one stream", async () => {
    server.write({ id: 1, status: "a", n: 0 });
    const all = ["a", "b", "c", "d", "e", "f", "g"].map((status) => open(status));
    all.push(open("a"), client.collection("rows", { where: { status: { in: ["a"] } }, order: "id.desc" }));
    await pass();
    expect(server.lines).toHaveLength(1);
    expect(contents()).toEqual(["a", "b", "c", "d", "e", "f", "g"].map((status) => `collection:rows;where.status=in.(${status})`));
    server.write({ id: 1, status: "b", n: 1 });
    await pass();
    expect(all.map((rows) => rows.getSnapshot().data!.length)).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 0]);
    all.slice(1).forEach((rows) => rows.close());
    await pass(1100);
    expect([contents(), server.connected.length]).toEqual([["collection:rows;where.status=in.(a)"], 1]);
    all[0]!.close();
    expect(server.connected).toHaveLength(0);
  });

  it("do not show as disconnected when others join", async () => {
    const first = open("a");
    await pass();
    const statuses = new Set<unknown>();
    first.subscribe(() => statuses.add(first.getSnapshot().stale || first.getSnapshot().status));
    open("b");
    await pass();
    expect(server.lines).toHaveLength(2);
    expect([...statuses].filter((status) => status !== "open")).toEqual([]);
    expect(client.getStatus()).toEqual({ status: "open", error: null });
    server.cut();
    await vi.advanceTimersByTimeAsync(20);
    expect(first.getSnapshot().status).toBe("reconnecting");
  });

  it("skip what their list contains already", async () => {
    open("a");
    await pass();
    server.listDelay = () => 30;
    const all = open();
    const seen: number[][] = [];
    all.subscribe(() => seen.push(all.getSnapshot().data?.map(({ n }) => n) ?? []));
    await vi.advanceTimersByTimeAsync(15); // the stream is at c0
    server.write({ id: 1, status: "b", n: 1 });
    server.write({ id: 1, status: "b", n: 2 });
    await vi.advanceTimersByTimeAsync(100); // the list is of c2
    server.serve();
    await pass();
    expect(seen.filter((rows) => rows.length > 0)).not.toContainEqual([1]);
    expect(all.getSnapshot().data).toEqual([{ id: 1, status: "b", n: 2 }]);
    await expect(all.awaitXid("2")).resolves.toBeUndefined();
  });

  it("skip what comes again on the stream after a change, and load again if there may be more than is remembered", async () => {
    const all = open();
    await pass();
    for (const n of [1, 2]) {
      server.write({ id: 1, status: "a", n });
      await pass();
    }
    const repeat = async () => {
      await vi.advanceTimersByTimeAsync(15); // another stream
      server.served.set(server.last, 2);
      server.last.sync({ mode: "resumed", repeats: true }, server.last.cursor!);
    };
    open("b");
    await repeat();
    server.send(server.last, 1);
    await pass();
    expect(all.getSnapshot().data).toEqual([{ id: 1, status: "a", n: 2 }]);
    const { list } = server;
    const lists = vi.fn(list);
    server.list = lists;
    for (let id = 10; id < 5010; id++) server.last.send({ id, type: "row", collection: "rows", op: "insert", key: "1", xid: "0", data: { id: 1, status: "a", n: 2 }, timestamp: 1 }, `c2`);
    await pass();
    open("c");
    await repeat();
    await pass(5000);
    expect(lists.mock.calls.filter(([{ pathname, search }]) => pathname.endsWith("/rows") && !search.includes("where"))).toHaveLength(1);
  });

  it("use another stream for more than 16 selections", async () => {
    const all = Array.from({ length: 20 }, (_, i) => open(`s${i}`));
    await pass();
    expect(server.connected).toHaveLength(2);
    server.write({ id: 1, status: "s3", n: 0 });
    server.write({ id: 2, status: "s19", n: 0 });
    await pass();
    expect(all.map((rows) => rows.getSnapshot().data!.length).join("")).toBe("00010000000000000001");
  });

  it("leave the others alone if the server refuses one", async () => {
    const good = open("a");
    await pass();
    server.refuse = (content) => content.includes("bad");
    server.script.push(problem(400, { detail: "q.1 is bad" }));
    const bad = open("bad");
    await pass(200);
    expect(bad.getSnapshot()).toMatchObject({ data: undefined, error: { status: 400, message: expect.stringContaining("where.status is bad") } });
    server.write({ id: 1, status: "a", n: 0 });
    await pass();
    expect(good.getSnapshot()).toMatchObject({ data: [{ id: 1 }], status: "open", error: null });
    expect(server.connected).toHaveLength(1);
  });

  it("leave the others alone if a new version of the server refuses one that it accepted before", async () => {
    const [good, bad] = [open("a"), open("bad")];
    await pass();
    server.refuse = (content) => content.includes("bad");
    server.script.push(problem(400, { detail: "q.1 is bad" }));
    server.cut();
    await pass(10_000);
    expect(bad.getSnapshot()).toMatchObject({ error: { status: 400 } });
    server.write({ id: 1, status: "a", n: 0 });
    await pass();
    expect(good.getSnapshot()).toMatchObject({ data: [{ id: 1 }], status: "open", error: null });
  });

  it("are closed together by a refusal of the token, and continue together", async () => {
    const [a, b] = [open("a"), open("b")];
    await pass();
    server.script.push(problem(401));
    server.cut();
    await pass(6000);
    expect([a, b].map((rows) => rows.getSnapshot())).toMatchObject([{ status: "closed", error: { status: 401 } }, { status: "closed" }]);
    server.write({ id: 1, status: "a", n: 0 });
    server.write({ id: 2, status: "b", n: 0 });
    await b.refetch();
    await pass();
    expect([a, b].map((rows) => rows.getSnapshot())).toMatchObject([{ status: "open", data: [{ id: 1 }], error: null }, { data: [{ id: 2 }] }]);
  });
});

describe("collections that come and go while rows change", () => {
  for (const seed of Array.from({ length: Number(process.env.SEEDS ?? 30) }, (_, i) => i + 1)) {
    it(`never go back, and end equal to the database (seed ${seed})`, async () => {
      let state = seed * 7919;
      const random = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n;
      const statuses = ["a", "b", "c"];
      server.listDelay = () => random(3) * 10;
      const followed: { rows: Collection<Row>; filter: string | null; version: number }[] = [];
      const violations: string[] = [];
      const check = () => {
        for (const item of followed) {
          const { data } = item.rows.getSnapshot();
          if (!data) continue;
          const from = server.versions.findIndex((version, i) => i >= item.version && JSON.stringify(select(version, item.filter)) === JSON.stringify(data));
          if (from < 0) violations.push(`${item.filter} at ${item.version}: ${JSON.stringify(data)}`);
          else item.version = from;
        }
      };
      for (let step = 0; step < 150; step++) {
        const action = random(12);
        if (action < 5) server.write(random(4) === 0 ? { id: random(5) } : { id: random(5), status: statuses[random(3)]!, n: step });
        if (server.versions.length > 1 && isSameVersion(server.versions)) server.versions.pop();
        if (action === 5 && followed.length < 6) {
          const chosen = random(4) === 0 ? [] : statuses.slice(random(3), 3);
          const rows = open(...chosen);
          rows.subscribe(check);
          followed.push({ rows, filter: chosen.length === 0 ? null : `in.(${chosen})`, version: 0 });
        }
        if (action === 6 && followed.length > 0) followed.splice(random(followed.length), 1)[0]!.rows.close();
        if (action === 7 && followed.length > 0) void followed[random(followed.length)]!.rows.refetch();
        if (action === 8 && random(4) === 0) server.cut();
        if (action > 8) server.serve();
        await vi.advanceTimersByTimeAsync(random(15));
        expect(server.connected.length).toBeLessThanOrEqual(1);
      }
      expect(violations).toEqual([]);
      for (let i = 0; i < 5; i++) await pass(8000);
      for (const { rows, filter } of followed) {
        expect(rows.getSnapshot()).toMatchObject({ status: "open", stale: false, error: null });
        expect(rows.getSnapshot().data).toEqual(select(server.versions.at(-1)!, filter));
      }
    });
  }
});
