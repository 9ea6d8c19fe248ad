import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, createEventStream, type Client, type EventStream } from "../src/index.js";
import type { ActivityEvents } from "../src/activities/index.js";
import { problem, ScriptedServer } from "./server.js";

const url = "http://pgherald.test";
const description = {
  key: ["id"], fields: [{ name: "id", type: "integer", nullable: false }], filter: [{ name: "id", kind: "integer", operators: [] }],
};

let server: ScriptedServer;
let client: Client;
let answers: (() => Response)[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  client = createClient({ url });
  answers = [];
  server.list = ({ pathname }) => {
    if (pathname === "/api/collections") return Response.json({ collections: ["orders", "customers"].map((name) => ({ name, ...description })) });
    return answers.shift()?.() ?? Response.json({ rows: [], keys: [], cursor: "c0", snapshot: "0:0:", next: null });
  };
});
afterEach(() => {
  client.close();
  expect(client.getStatus()).toEqual({ status: "closed", error: null });
  expect(vi.getTimerCount(), "timers of a closed client").toBe(0);
  vi.useRealTimers();
});

/** The time for which streams wait for others that share their connection. */
const settle = () => vi.advanceTimersByTimeAsync(10);
const frame = () => vi.advanceTimersByTimeAsync(16);

describe("the events of a client", () => {
  const read = (stream: EventStream) => {
    const log: unknown[] = [];
    const done = (async () => {
      for await (const { id } of stream) log.push(id);
    })().then(
      () => log.push("end"),
      (error: Error) => log.push(error.message),
    );
    return { log, done };
  };

  it("are an async iterable, which ends when the stream is closed", async () => {
    const abort = new AbortController();
    const { log, done } = read(client.events({ types: ["order_paid"], signal: abort.signal }));
    await settle();
    expect(server.last.url.href).toBe(`${url}/api/events?types=order_paid`);
    server.last.sync({ mode: "live" }, "c0");
    server.last.event(1, "c1");
    server.last.event(2, "c2");
    await settle();
    abort.abort();
    await done;
    expect(log).toEqual([1, 2, "end"]);
    expect(server.last.aborted).toBe(true);
    expect(read(client.events({ signal: abort.signal })).log).toEqual([]);
  });

  it("throw a fatal error, and a reset that no listener takes, after the events before it", async () => {
    server.script.push(problem(403, { detail: "no" }));
    const refused = read(client.events());
    await settle();
    await refused.done;
    expect(refused.log).toEqual([expect.stringContaining("no")]);
    const lost = read(client.events());
    await settle();
    server.last.sync({ mode: "live" }, "c0");
    server.last.event(1, "c1");
    server.last.sync({ mode: "reset", reason: "pruned" }, "c2");
    await lost.done;
    expect(lost.log).toEqual([1, "events are missing (pruned): load everything again"]);
    const listened = read(client.events({ onReset: () => {} }));
    await settle();
    server.last.sync({ mode: "reset", reason: "pruned" }, "c2");
    server.last.event(3, "c3");
    await settle();
    expect(listened.log).toEqual([3]);
  });

  it("pause the stream while the reader is slow, and lose nothing", async () => {
    const stream = client.events();
    const iterator = stream[Symbol.asyncIterator]();
    const first = iterator.next();
    await settle();
    server.last.sync({ mode: "live" }, "c0");
    for (let id = 1; id <= 1500; id++) server.last.event(id, `c${id}`);
    await settle();
    expect((await first).value.id).toBe(1);
    expect([server.last.aborted, stream.status, stream.lastEventId]).toEqual([true, "closed", "c1002"]);
    for (let id = 2; id <= 1002; id++) expect((await iterator.next()).value.id).toBe(id);
    const next = iterator.next();
    await settle();
    expect(server.last.cursor).toBe("c1002");
    server.last.sync({ mode: "resumed", events: 498 }, "c1002");
    server.last.event(1003, "c1003");
    expect((await next).value.id).toBe(1003);
    await iterator.return!();
    stream.close();
  });
});

it("has the worst status of what is running, and an error", async () => {
  const seen: unknown[] = [];
  client.subscribe(() => seen.push(client.getStatus()));
  const orders = client.collection("orders");
  const stream = client.events();
  await settle();
  for (const line of server.lines) line.sync({ mode: "live" }, "c0");
  await frame();
  expect(seen).toEqual([{ status: "connecting", error: null }, { status: "open", error: null }]);
  server.lines[0]!.cut();
  await frame();
  expect(client.getStatus()).toMatchObject({ status: "reconnecting", error: { kind: "network" } });
  stream.close();
  orders.close();
  expect(client.getStatus()).toEqual({ status: "closed", error: null });
});

it("loads every running collection again, and waits for a transaction in all of them", async () => {
  const orders = client.collection("orders");
  client.collection("customers");
  client.collection("orders", { autoStart: false });
  await settle();
  const page = () => Response.json({ rows: [{ id: 1 }], keys: ["1"], cursor: "c1", snapshot: "0:0:", next: null });
  answers.push(page, page);
  await client.refetch();
  await frame();
  expect(orders.getSnapshot().data).toEqual([{ id: 1 }]);
  expect(answers).toHaveLength(0);
  const waits = [client.awaitXid("7"), client.awaitXid("7", { timeout: 500 })].map((wait) => wait.catch((error: Error) => error.message));
  await vi.advanceTimersByTimeAsync(500);
  expect(await waits[1]).toBe("wait for a transaction: its events did not come within 0.5 s");
  answers.push(page, page);
  await client.refetch();
  await frame();
  expect(await waits[0]).toBeUndefined();
});

it("checks the types and the fields of events", () => {
  const stream = createEventStream<ActivityEvents>({ url, types: ["activity_created", "table_truncated"], where: { status: "open" }, autoConnect: false });
  // @ts-expect-error there is no such type
  createEventStream<ActivityEvents>({ url, types: ["activity_creatd"], autoConnect: false });
  // @ts-expect-error there is no such field
  createEventStream<ActivityEvents>({ url, where: { statsu: "open" }, autoConnect: false });
  stream.on("activity_created", ({ data }) => data.status satisfies string);
  stream.on("sync", ({ data }) => data.mode satisfies string);
  // @ts-expect-error there is no such type
  stream.on("activity_creatd", () => {});
  stream.on("*", (event) => event.type === "activity_deleted" && (event.data satisfies { id: string }));
  createEventStream({ url, types: ["anything"], where: { anything: "x" }, autoConnect: false }).on("order_paid", ({ data }) => data.total);
});

it("closes a stream that is paused, and resumes it for others when its slow reader leaves", async () => {
  const slow = async () => {
    const iterator = client.events()[Symbol.asyncIterator]();
    const first = iterator.next();
    await settle();
    server.last.sync({ mode: "live" }, "c0");
    for (let id = 1; id <= 1500; id++) server.last.event(id, `c${id}`);
    await settle();
    await first;
    return iterator;
  };
  await (await slow()).return!();
  await settle();
  expect(server.last.cursor).toBe("c1002");
  client.close();
  const iterator = await slow();
  const count = server.lines.length;
  client.close();
  for (let id = 2; id <= 1002; id++) expect((await iterator.next()).value?.id).toBe(id);
  expect((await iterator.next()).done).toBe(true);
  await settle();
  expect(server.lines).toHaveLength(count);
});

it("says why a stream failed that has no listener, and forgets what failed once it is closed", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  answers.push(() => problem(403, { detail: "no list" }));
  const orders = client.collection("orders");
  await settle();
  server.script.push(problem(403, { detail: "no stream" }));
  const stream = client.events();
  await settle();
  expect(logged.mock.calls.map(([line]) => line)).toEqual([expect.stringContaining("no list"), expect.stringContaining("no stream")]);
  expect(client.getStatus().error?.message).toContain("no list");
  orders.close();
  expect(client.getStatus().error?.message).toContain("no stream");
  stream.close();
  expect(client.getStatus()).toEqual({ status: "closed", error: null });
  await client.refetch();
  expect(orders.getSnapshot()).toMatchObject({ status: "closed", loading: false });
});

it("waits for the rows after a TRUNCATE, and not only for its event", async () => {
  const page = (ids: number[], cursor: string, snapshot: string) => () =>
    Response.json({ rows: ids.map((id) => ({ id })), keys: ids.map(String), cursor, snapshot, next: null });
  answers.push(page([1], "c1", "700:700:"), page([], "c2", "701:701:"));
  const orders = client.collection("orders");
  await settle();
  server.last.sync({ mode: "resumed", events: 0 }, "c1");
  await vi.advanceTimersByTimeAsync(10_000);
  const shown: unknown[] = [];
  const wait = () => orders.awaitXid("700").then(() => shown.push(orders.getSnapshot().data));
  void wait();
  server.last.send({ id: 1, type: "table_truncated", data: { table: "public.orders" }, collection: "orders", op: "reset", xid: "700", timestamp: 1 }, "c2");
  await frame();
  await frame();
  await wait();
  expect(shown).toEqual([[], []]);
});

it("leaves out a row that PostgreSQL cannot send", async () => {
  answers.push(() => Response.json({ rows: [{ id: 1 }, null], keys: ["1", "2"], unreadable: ["2"], cursor: "c1", snapshot: "0:0:", next: null }), () => problem(500, { code: "unreadable" }));
  const orders = client.collection("orders");
  await settle();
  await frame();
  expect(orders.getSnapshot()).toMatchObject({ data: [{ id: 1 }], error: null });
});
