import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, createEventStream, createLiveQuery, type EventStream, type EventStreamOptions, type PgheraldEvent } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

const url = "http://pgherald.test/api/events";
let server: ScriptedServer;
let stream: EventStream;
let ids: (number | undefined)[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  ids = [];
});
afterEach(() => {
  stream.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

async function opened(options: EventStreamOptions = {}): Promise<void> {
  stream = createEventStream({ url, onEvent: ({ id }) => ids.push(id), ...options });
  await settle();
  server.last.sync({ mode: "live" }, "c0");
  await settle();
}

const event = (id: number): object => ({ id, type: "t", data: {}, timestamp: 1 });
const batch = (...numbers: number[]) => server.last.send({ type: "batch", data: { events: numbers.map(event) }, timestamp: 1 }, `c${numbers.at(-1)}`);

describe("a batch", () => {
  it("ends where a listener closes the stream, which gets the rest when it goes on", async () => {
    await opened({ batch: "250ms" });
    const stop = stream.on("*", () => stream.close());
    batch(1, 2, 3);
    await settle();
    expect([ids, stream.lastEventId]).toEqual([[1], "c0"]);
    stop();
    stream.connect();
    await settle();
    server.last.sync({ mode: "resumed" }, "c0");
    batch(1, 2, 3);
    await settle();
    expect([ids, stream.lastEventId]).toEqual([[1, 2, 3], "c3"]);
  });

  it("ends where a listener moves the stream", async () => {
    await opened({ batch: "250ms" });
    const stop = stream.on("*", () => (stop(), stream.restart("c9")));
    batch(1, 2, 3);
    await settle();
    expect([ids, stream.lastEventId, server.last.cursor]).toEqual([[1], "c9", "c9"]);
  });
});

describe("a query that a listener closes", () => {
  const start = (options: object = {}) =>
    createLiveQuery<number[]>({ load: async () => ({ data: [], cursor: "c0" }), apply: (data, events) => [...data, ...events.map(({ id }) => id!)], stream: { url }, ...options });

  it("stays closed, and hears of no event", async () => {
    const onEvents = vi.fn();
    const query = start({ onEvents });
    ({ stream } = query);
    await settle();
    server.last.sync({ mode: "resumed" }, "c0");
    await vi.advanceTimersByTimeAsync(16);
    query.subscribe(() => query.getSnapshot().data!.length > 0 && query.close());
    server.last.event(1, "c1", "table_truncated", { table: "t" });
    await vi.advanceTimersByTimeAsync(16);
    expect([query.getSnapshot().status, stream.status, onEvents.mock.calls.length, server.lines.length]).toEqual(["closed", "closed", 0, 1]);
  });

  it("opens no stream again", async () => {
    const query = start();
    ({ stream } = query);
    await settle();
    server.last.sync({ mode: "resumed" }, "c0");
    await settle();
    stream.onStatus((status) => status === "reconnecting" && query.close());
    await query.refetch(); // which goes back to the cursor of the list
    await settle();
    expect([query.getSnapshot().status, stream.status, server.last.aborted]).toEqual(["closed", "closed", true]);
  });

  it("is not begun by an aborted signal", async () => {
    const query = start({ stream: { url, signal: AbortSignal.abort() } });
    ({ stream } = query);
    await settle();
    expect([query.getSnapshot().loading, server.lines.length]).toEqual([false, 0]);
  });
});

describe("a signal", () => {
  const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

  it("holds no stream that is closed, and closes one that was opened again", async () => {
    const abort = new AbortController();
    await opened({ signal: abort.signal });
    expect(listeners(abort.signal)).toBe(1);
    stream.close();
    expect(listeners(abort.signal)).toBe(0);
    stream.connect();
    await settle();
    server.last.sync({ mode: "live" }, "c0");
    server.script.push(problem(403));
    server.last.end();
    await vi.advanceTimersByTimeAsync(5000);
    expect([stream.error?.status, listeners(abort.signal)]).toEqual([403, 0]);
    stream.reconnect();
    abort.abort();
    expect(stream.status).toBe("closed");
  });

  it("holds no collection that is closed, nor one that was never started", async () => {
    const { signal } = new AbortController();
    const client = createClient({ url: "http://pgherald.test" });
    stream = client.events({ signal, autoConnect: false });
    const rows = client.collection("rows", { signal, autoStart: false });
    expect(listeners(signal)).toBe(0);
    rows.start();
    expect(listeners(signal)).toBe(1);
    client.close();
    expect(listeners(signal)).toBe(0);
  });
});

describe("two loops over a stream", () => {
  /** Reads a stream; `next` lets the loop go on. */
  function read(pace: () => Promise<void> | void): { seen: (number | undefined)[]; done: Promise<string> } {
    const seen: (number | undefined)[] = [];
    const done = (async () => {
      for await (const { id } of stream as AsyncIterable<PgheraldEvent>) {
        seen.push(id);
        await pace();
      }
      return "end";
    })();
    return { seen, done };
  }

  it("each get all events at their own pace, without another connection for each event", async () => {
    await opened();
    let go!: () => void;
    const wait = new Promise<void>((resolve) => (go = resolve));
    const [fast, slow] = [read(() => {}), read(() => wait)];
    await settle();
    for (let id = 1; id <= 1500; id++) server.last.event(id, `c${id}`);
    await settle();
    const at = ids.length;
    expect([fast.seen.length, slow.seen.length, stream.status, server.lines.length]).toEqual([at, 1, "closed", 1]);
    go();
    await settle();
    expect([server.lines.length, server.last.cursor]).toEqual([2, `c${at}`]);
    server.last.sync({ mode: "resumed" }, `c${at}`);
    for (let id = at + 1; id <= 1500; id++) server.last.event(id, `c${id}`);
    await settle();
    expect([fast.seen, slow.seen]).toEqual([ids, ids]);
    expect(ids).toHaveLength(1500);
    stream.close();
    await expect(Promise.all([fast.done, slow.done])).resolves.toEqual(["end", "end"]);
  });

  it("end together when the stream is closed while one of them is slow", async () => {
    await opened();
    let go!: () => void;
    const wait = new Promise<void>((resolve) => (go = resolve));
    const [fast, slow] = [read(() => {}), read(() => wait)];
    await settle();
    for (let id = 1; id <= 1100; id++) server.last.event(id, `c${id}`);
    await settle();
    stream.close();
    await expect(fast.done).resolves.toBe("end");
    go();
    await expect(slow.done).resolves.toBe("end");
    expect(slow.seen).toEqual(fast.seen);
  });
});
