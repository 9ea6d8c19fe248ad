import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLiveQuery, StreamError, type LiveQuery, type LiveQueryOptions, type Loaded } from "../src/index.js";
import { ScriptedServer, settle } from "./server.js";

const url = "http://pgherald.test/api/events";
let server: ScriptedServer;
let query: LiveQuery<string[]>;
let loads: { signal: AbortSignal; resolve: (loaded: Loaded<string[]>) => void; reject: (error: unknown) => void }[];

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  loads = [];
});
afterEach(() => {
  query.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const frame = () => vi.advanceTimersByTimeAsync(16);

function start(options: Partial<LiveQueryOptions<string[]>> = {}): void {
  query = createLiveQuery<string[]>({
    load: ({ signal }) => new Promise((resolve, reject) => loads.push({ signal, resolve, reject })),
    apply: (data, events) => [...data, ...events.map((event) => (event.data as { id: string }).id)],
    stream: { url },
    ...options,
  });
}

async function loaded(data: string[], cursor: string): Promise<void> {
  loads.at(-1)!.resolve({ data, cursor });
  await settle();
}

async function opened(options: Partial<LiveQueryOptions<string[]>> = {}): Promise<void> {
  start(options);
  await loaded(["a"], "c0");
  server.last.sync({ mode: "resumed", events: 0 }, "c0");
  await frame();
}

it("loads the list, and opens the stream at its cursor", async () => {
  start();
  await settle();
  expect(query.getSnapshot()).toMatchObject({ data: undefined, loading: true, stale: false, status: "connecting" });
  expect(server.lines).toHaveLength(0);
  await loaded(["a"], "c0");
  expect(server.last.cursor).toBe("c0");
  expect(query.getSnapshot()).toMatchObject({ data: ["a"], loading: false, stale: false, cursor: "c0" });
  server.last.sync({ mode: "resumed", events: 0 }, "c0");
  await frame();
  expect(query.getSnapshot()).toMatchObject({ status: "open", stale: false });
});

it("says why it cannot load where no listener hears of it", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  query = createLiveQuery<string[]>({ load: () => Promise.reject(new TypeError("Failed to parse URL from /orders")), apply: (data) => data, stream: { url } });
  await settle();
  expect(logged.mock.calls).toEqual([["pgherald: Failed to parse URL from /orders"]]);
  query.close();
  query = createLiveQuery<string[]>({ load: () => Promise.reject(new TypeError("again")), apply: (data) => data, stream: { url }, autoStart: false });
  query.subscribe(() => {});
  query.start();
  await settle();
  expect(logged).toHaveBeenCalledTimes(1);
});

it("retries a list that is refused with a 401 while the stream is open, and gives up once the stream is closed", async () => {
  await opened();
  const refused = () => new StreamError("401", { kind: "http", fatal: true, status: 401 });
  void query.refetch();
  loads.at(-1)!.reject(refused());
  await frame();
  expect(query.getSnapshot()).toMatchObject({ data: ["a"], status: "open", error: { status: 401 } });
  await vi.advanceTimersByTimeAsync(5000);
  expect(loads).toHaveLength(3);
  await loaded(["b"], "c5");
  expect(query.getSnapshot()).toMatchObject({ data: ["b"], error: null });
  server.last.sync({ mode: "resumed", events: 0 }, "c5");
  await frame();
  query.stream.close();
  void query.refetch();
  loads.at(-1)!.reject(refused());
  await vi.advanceTimersByTimeAsync(60_000);
  expect([loads.length, query.getSnapshot().error]).toMatchObject([4, { status: 401 }]);
});

it("applies a burst of events in one change", async () => {
  const onEvents = vi.fn();
  await opened({ onEvents });
  const changed = vi.fn();
  query.subscribe(changed);
  const before = query.getSnapshot();
  for (let i = 1; i <= 100; i++) server.last.event(i, `c${i}`);
  await settle();
  expect(query.getSnapshot()).toBe(before);
  await frame();
  expect(query.getSnapshot().data).toHaveLength(101);
  expect(query.getSnapshot().cursor).toBe("c100");
  expect(changed).toHaveBeenCalledTimes(1);
  expect(onEvents).toHaveBeenCalledTimes(1);
  expect(onEvents.mock.calls[0]![0]).toHaveLength(100);
  server.last.heartbeat("c101");
  await frame();
  expect(changed).toHaveBeenCalledTimes(1);
});

it("keeps stale data while the stream is disconnected, and resumes", async () => {
  await opened();
  server.last.cut();
  await frame();
  expect(query.getSnapshot()).toMatchObject({ data: ["a"], stale: true, status: "reconnecting", error: { kind: "network" } });
  await vi.advanceTimersByTimeAsync(1000);
  server.last.sync({ mode: "resumed", events: 1 }, "c0");
  server.last.event(1, "c1");
  await frame();
  expect(query.getSnapshot()).toMatchObject({ data: ["a", "a1"], stale: false, status: "open", error: null });
  expect(loads).toHaveLength(1);
});

it("loads the list again after a reset, and continues at its cursor", async () => {
  await opened();
  await vi.advanceTimersByTimeAsync(10_000);
  server.last.sync({ mode: "reset", reason: "pruned" }, "c50");
  await settle();
  expect(query.getSnapshot()).toMatchObject({ stale: true, loading: true });
  server.last.event(1, "c51"); // the list may contain it already: it must not be applied twice
  await settle();
  await loaded(["new"], "c51");
  expect(query.getSnapshot()).toMatchObject({ data: ["new"], loading: false, cursor: "c51" });
  expect(server.last.cursor).toBe("c51");
  server.last.sync({ mode: "resumed", events: 0 }, "c51");
  server.last.event(2, "c52");
  await frame();
  expect(query.getSnapshot()).toMatchObject({ data: ["new", "a2"], stale: false });
});

it("completes a load although resets come faster, and then loads again", async () => {
  await opened();
  await vi.advanceTimersByTimeAsync(10_000);
  const reset = () => server.last.sync({ mode: "reset", reason: "pruned" }, "c50");
  reset();
  await settle();
  expect(loads).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(2000);
  reset();
  await vi.advanceTimersByTimeAsync(1000);
  expect([loads.length, loads[1]!.signal.aborted]).toEqual([2, false]);
  await loaded(["new"], "c51");
  expect(query.getSnapshot()).toMatchObject({ data: ["new"], stale: true });
  await vi.advanceTimersByTimeAsync(1000);
  expect(loads).toHaveLength(3);
  await loaded(["newest"], "c52");
  server.last.sync({ mode: "resumed", events: 0 }, "c52");
  await frame();
  expect(query.getSnapshot()).toMatchObject({ data: ["newest"], stale: false, loading: false });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(loads).toHaveLength(3);
});

it("backs off from a server that resets at every cursor", async () => {
  await opened();
  for (let i = 0; i < 5; i++) {
    server.last.sync({ mode: "reset", reason: "future" }, "c9");
    await vi.advanceTimersByTimeAsync(300);
    await loaded(["x"], "c9");
  }
  expect(loads.length).toBeLessThanOrEqual(4);
});

it("loads the list again after a TRUNCATE", async () => {
  await opened();
  server.last.event(1, "c1", "table_truncated", { table: "public.assignments" });
  await frame();
  expect(loads).toHaveLength(2);
  await loaded([], "c1");
  expect(query.getSnapshot().data).toEqual([]);
});

it("loads the list again after a collection_reset, whatever it refetches on", async () => {
  await opened();
  await vi.advanceTimersByTimeAsync(60_000);
  server.last.event(1, "c1", "collection_reset", { table: "public.orders", reason: "expression", sqlstate: "22012" });
  await frame();
  expect(loads).toHaveLength(2);
  await loaded(["b"], "c1");
  expect(query.getSnapshot().data).toEqual(["b"]);
});

it("loads the list again after an event without its data, and does not apply it", async () => {
  await opened();
  await vi.advanceTimersByTimeAsync(60_000);
  server.last.oversized(1, "c1", "activity_created", "17");
  await frame();
  expect(loads).toHaveLength(2);
  await loaded(["b"], "c1");
  expect(query.getSnapshot().data).toEqual(["b"]);
});

it("retries a load with back-off, but not after a fatal error", async () => {
  start();
  loads[0]!.reject(new Error("down"));
  await settle();
  expect(query.getSnapshot()).toMatchObject({ loading: false, error: { message: "down" } });
  await vi.advanceTimersByTimeAsync(500);
  expect(loads).toHaveLength(2);
  loads[1]!.reject(new StreamError("forbidden", { kind: "http", fatal: true, status: 403 }));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(loads).toHaveLength(2);
  query.refetch();
  await loaded(["a"], "c0");
  expect(query.getSnapshot()).toMatchObject({ data: ["a"], error: null });
});

it("reports a load without a cursor", async () => {
  start();
  loads[0]!.resolve({ data: [] } as never);
  await settle();
  expect(query.getSnapshot().error?.message).toMatch(/load must return \{ data, cursor \}/);
});

it("aborts a load when another starts or the query closes", async () => {
  start();
  query.refetch();
  expect(loads.map((load) => load.signal.aborted)).toEqual([true, false]);
  loads[0]!.resolve({ data: ["old"], cursor: "c0" });
  await settle();
  expect(query.getSnapshot().data).toBeUndefined();
  query.close();
  expect(loads[1]!.signal.aborted).toBe(true);
  expect(query.getSnapshot().status).toBe("closed");
  query.start();
  await loaded(["b"], "c1");
  expect(query.getSnapshot().data).toEqual(["b"]);
});

it("keeps its data when apply throws", async () => {
  const uncaught: unknown[] = [];
  vi.stubGlobal("queueMicrotask", (task: () => void) => {
    try { task(); } catch (error) { uncaught.push(error); }
  });
  await opened({ apply: () => { throw new Error("of apply"); } });
  server.last.event(1, "c1");
  await frame();
  expect(query.getSnapshot().data).toEqual(["a"]);
  expect(uncaught).toHaveLength(1);
});

it("does not load again after a fatal error, even if it does not know what the list has become", async () => {
  await opened({ needsReload: (data) => data.includes("a1") });
  await vi.advanceTimersByTimeAsync(10_000);
  server.last.event(1, "c1");
  await frame();
  await frame();
  expect(loads).toHaveLength(2);
  loads[1]!.reject(new StreamError("forbidden", { kind: "http", fatal: true, status: 403 }));
  await vi.advanceTimersByTimeAsync(50_000);
  expect(loads).toHaveLength(2);
  expect(query.getSnapshot()).toMatchObject({ data: ["a", "a1"], stale: true, error: { status: 403 } });
});

it("stays closed if a listener closes it at an event after which the list would be loaded again", async () => {
  await opened({ onEvents: () => query.close() });
  server.last.event(1, "c1", "table_truncated", { table: "public.assignments" });
  await frame();
  expect(loads).toHaveLength(1);
  expect(query.getSnapshot()).toMatchObject({ status: "closed", loading: false });
});
