import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createEventStream, type EventStream, type EventStreamOptions } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

const url = "http://pgherald.test/api/events";
let server: ScriptedServer;
let open: EventStream[];
let log: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  open = [];
  log = [];
});
afterEach(() => {
  for (const stream of open) stream.close();
  expect(vi.getTimerCount(), "timers of a closed stream").toBe(0);
  vi.useRealTimers();
});

function start(options: EventStreamOptions = {}): EventStream {
  const stream = createEventStream({
    url,
    onStatus: (status) => log.push(status),
    onEvent: (event) => log.push(`${event.type} ${event.id}`),
    onReset: ({ reason }) => log.push(`reset ${reason}`),
    onError: (error) => log.push(`${error.fatal ? "fatal" : "error"} ${error.kind}${error.status ? ` ${error.status}` : ""}`),
    ...options,
  });
  open.push(stream);
  return stream;
}

async function opened(options: EventStreamOptions = {}): Promise<EventStream> {
  const stream = start(options);
  await settle();
  server.last.sync({ mode: "live" }, "c0");
  await settle();
  log.length = 0;
  return stream;
}

describe("a stream", () => {
  it("delivers an event without its data to its own listener, and to no other", async () => {
    const stream = await opened({ onOversized: ({ type, key }, { cursor }) => log.push(`oversized ${type} ${key} ${cursor}`) });
    stream.on("activity_created", ({ data }) => log.push(data.id));
    server.last.oversized(1, "c1", "activity_created", "17");
    server.last.event(2, "c2");
    await settle();
    expect(log).toEqual(["oversized activity_created 17 c1", "activity_deleted 2"]);
    expect(stream.lastEventId).toBe("c2");
  });

  it("skips events from before its cursor that come again, and asks to load again if there may be more than it remembers", async () => {
    const stream = await opened();
    const reconnect = async () => {
      await settle();
      server.last.cut();
      await vi.advanceTimersByTimeAsync(3000);
      log.length = 0;
      server.last.sync({ mode: "resumed", repeats: true }, server.last.cursor!);
    };
    server.last.event(2, "c2");
    server.last.event(1, "c1");
    await reconnect();
    server.last.event(1, "c1");
    server.last.event(2, "c2");
    server.last.event(3, "c3");
    await settle();
    expect(log).toEqual(["open", "activity_deleted 3"]);
    expect(stream.stats.duplicates).toBe(2);
    for (let id = 4; id < 5010; id++) server.last.event(id, `c${id}`);
    await settle();
    await reconnect();
    await settle();
    expect(log).toEqual(["open", "reset repeats"]);
  });

  it("is stale while the server cannot read the database, and keeps its position", async () => {
    const stream = await opened();
    server.last.event(1); // within a transaction
    server.last.sync({ mode: "stale", since: "2026-01-02T03:04:05.678Z" });
    server.last.sync({ mode: "stale", since: "2026-01-02T03:04:05.678Z" });
    await settle();
    expect([stream.status, stream.stats.staleSince]).toEqual(["stale", Date.parse("2026-01-02T03:04:05.678Z")]);
    server.last.sync({ mode: "live" });
    server.last.event(2, "c1");
    await settle();
    expect(log).toEqual(["activity_deleted 1", "stale", "open", "activity_deleted 2"]);
    expect([stream.stats.staleSince, stream.stats.reconnects, stream.stats.opens, stream.lastEventId]).toEqual([null, 0, 1, "c1"]);
  });

  it("may begin stale", async () => {
    const stream = start({ since: "c0" });
    await settle();
    server.last.sync({ mode: "stale", since: "2026-01-02T03:04:05.678Z" }, "c0");
    await settle();
    expect([stream.status, stream.stats.opens]).toEqual(["stale", 1]);
    server.last.sync({ mode: "live" }, "c0");
    await settle();
    expect([stream.status, stream.stats.opens]).toEqual(["open", 1]);
  });

  it("resets for an event without its data if nothing listens for it", async () => {
    const stream = await opened();
    server.last.oversized(1, "c1", "activity_created", "17");
    await settle();
    expect(log).toEqual(["reset oversized"]);
    expect(stream.stats.resets).toBe(1);
  });

  it("connects, opens with the first sync, and closes", async () => {
    const stream = start();
    expect(stream.status).toBe("connecting");
    await settle();
    expect(server.last.url.search).toBe("");
    expect(server.last.headers.get("Accept")).toBe("text/event-stream, application/problem+json");
    expect(stream.status).toBe("connecting");
    server.last.sync({ mode: "live" }, "c0");
    await settle();
    expect([stream.status, stream.lastEventId]).toEqual(["open", "c0"]);
    stream.close();
    expect([stream.status, server.last.aborted]).toEqual(["closed", true]);
    expect(log).toEqual(["connecting", "open", "closed"]);
  });

  it("sends its filter in canonical form, and starts at its cursor", async () => {
    start({ types: ["b", "a"], key: ["2", "1"], where: { status: "open", category: ["y", "x"] }, user: "ann", batch: "250ms", conflate: true, since: "c9" });
    await settle();
    expect(decodeURIComponent(server.last.url.search)).toBe(
      "?types=a,b&key=1&key=2&where.category=x&where.category=y&where.status=open&user=ann&batch=250ms&conflate=1&since=c9",
    );
  });

  it("calls the listeners of each type, with the metadata", async () => {
    const stream = await opened();
    const received: unknown[] = [];
    stream.on("activity_deleted", (event, meta) => received.push(event.data.id, meta.cursor, meta.replayed, JSON.parse(meta.raw).id));
    const off = stream.on("heartbeat", () => received.push("heartbeat"));
    server.last.event(1);
    server.last.event(2, "c2");
    server.last.heartbeat("c3");
    await settle();
    off();
    server.last.heartbeat("c4");
    server.last.event(3, "c5", "unknown_type");
    await settle();
    expect(received).toEqual(["a1", null, false, 1, "a2", "c2", false, 2, "heartbeat"]);
    expect(log).toEqual(["activity_deleted 1", "activity_deleted 2", "unknown_type 3"]);
    expect(stream.lastEventId).toBe("c5");
    expect(stream.stats).toMatchObject({ opens: 1, events: 3, heartbeats: 2, clockSkew: 0, role: "own" });
  });

  it("delivers the events of a batch one by one", async () => {
    const stream = await opened();
    const cursors: unknown[] = [];
    stream.on("*", (event, meta) => cursors.push(event.id, meta.cursor));
    const events = [1, 2].map((id) => ({ id, type: "activity_deleted", data: { id: "a", timestamp: "t" }, timestamp: 1 }));
    server.last.send({ type: "batch", data: { events }, timestamp: 2 }, "c2");
    await settle();
    expect(cursors).toEqual([1, null, 2, "c2"]);
    expect(stream.lastEventId).toBe("c2");
  });

  it("survives a listener that throws", async () => {
    const uncaught: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (task: () => void) => {
      try { task(); } catch (error) { uncaught.push(error); }
    });
    const stream = await opened();
    stream.on("*", () => { throw new Error("of a listener"); });
    const after = vi.fn();
    stream.on("*", after);
    server.last.event(1, "c1");
    await settle();
    expect(after).toHaveBeenCalledOnce();
    expect(uncaught).toHaveLength(1);
  });

  it("skips a frame that is not an event, and reports it", async () => {
    const stream = await opened();
    server.last.write("id: c1\ndata: {no json\n\n");
    server.last.event(2, "c2");
    await settle();
    expect(log).toEqual(["error protocol", "activity_deleted 2"]);
    expect(stream.status).toBe("open");
  });
});

describe("a broken connection", () => {
  it("resumes after the last complete transaction, and delivers nothing twice", async () => {
    const stream = await opened();
    server.last.event(1, "c1");
    server.last.event(2);
    await settle();
    server.last.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.lines).toHaveLength(2);
    expect(server.last.url.searchParams.get("lastEventId")).toBe("c1");
    server.last.sync({ mode: "resumed", events: 4 }, "c1");
    server.last.event(7, "c1b"); // another transaction may arrive before the interrupted one
    server.last.event(2);
    server.last.event(3, "c3");
    server.last.event(4, "c4");
    await settle();
    expect(log).toEqual([
      "activity_deleted 1", "activity_deleted 2", "error network", "reconnecting", "open",
      "activity_deleted 7", "activity_deleted 3", "activity_deleted 4",
    ]);
    expect(stream.stats).toMatchObject({ duplicates: 1, reconnects: 1, events: 5 });
    expect(stream.error).toBeNull();
  });

  it("marks missed events as replayed", async () => {
    const stream = await opened();
    const replayed: unknown[] = [];
    stream.on("*", (event, meta) => replayed.push([event.id, meta.replayed]));
    server.last.end();
    await vi.advanceTimersByTimeAsync(1000);
    server.last.sync({ mode: "resumed", events: 1 }, "c0");
    server.last.event(1, "c1");
    server.last.event(2, "c2");
    await settle();
    expect(replayed).toEqual([[1, true], [2, false]]);
  });

  it("backs off with full jitter up to the limit", async () => {
    server.script.push(...Array.from({ length: 8 }, () => new TypeError("refused")));
    start({ backoff: { initial: 1000, max: 8000 } });
    const delays: number[] = [];
    for (let n = 1; n <= 7; n++) {
      await settle();
      const before = Date.now();
      await vi.advanceTimersToNextTimerAsync();
      delays.push(Date.now() - before);
    }
    expect(delays).toEqual([500, 1000, 2000, 4000, 4000, 4000, 4000]);
  });

  it("reconnects after the server's retry:", async () => {
    await opened();
    server.last.write("retry: 2713\n\n");
    await settle();
    server.last.end();
    await vi.advanceTimersByTimeAsync(2712);
    expect(server.lines).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(server.lines).toHaveLength(2);
  });

  it("does not reconnect before Retry-After", async () => {
    server.script.push(problem(503, { detail: "too many streams" }, { "Retry-After": "20" }));
    const stream = start();
    await settle();
    expect(stream.error).toMatchObject({ kind: "http", status: 503, fatal: false, retryAfter: 20_000 });
    expect(stream.error?.message).toContain("too many streams");
    expect(stream.stats.retryAt! - Date.now()).toBeGreaterThanOrEqual(20_000);
    await vi.advanceTimersByTimeAsync(19_999);
    expect(server.lines).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1002);
    expect(server.lines).toHaveLength(2);
  });

  it("counts streams that end early as failures", async () => {
    await opened();
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      server.last.end();
      await settle();
      const before = Date.now();
      await vi.advanceTimersToNextTimerAsync();
      times.push(Date.now() - before);
      server.last.sync({ mode: "resumed", events: 0 }, "c0");
      await settle();
    }
    expect(times).toEqual([500, 1000, 2000, 4000]);
  });

  it("is detected by its silence if a proxy keeps it open", async () => {
    const stream = await opened({ heartbeatTimeout: 70_000 });
    await vi.advanceTimersByTimeAsync(30_000);
    server.last.heartbeat("c1");
    await vi.advanceTimersByTimeAsync(69_999);
    expect(stream.status).toBe("open");
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(["error silent", "reconnecting"]);
    expect(server.lines[0]!.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.last.cursor).toBe("c1");
  });

  it.each([
    ["fetch", 8000, 22_000],
    ["fetch", 1, 2002.5],
    ["fetch", 60_000, 70_000],
    ["fetch", -1, 70_000],
  ] as const)("is detected by %s after two heartbeats, with one in %d ms", async (transport, heartbeat, silence) => {
    const stream = start({ transport });
    await settle();
    server.last.sync({ mode: "live", heartbeat }, "c0");
    await settle();
    const before = Date.now();
    while (stream.status === "open") await vi.advanceTimersToNextTimerAsync();
    expect(stream.error?.kind).toBe("silent");
    expect(Date.now() - before).toBeCloseTo(silence, -1);
  });

  it("is detected if the server never responds", async () => {
    server.script.push("hang");
    const stream = start({ connectTimeout: 10_000, transport: "fetch" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(stream.error?.kind).toBe("silent");
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.lines).toHaveLength(2);
  });
});

describe("a response that is not a stream", () => {
  for (const status of [400, 401, 403, 404, 405]) {
    it(`is fatal with ${status}`, async () => {
      server.script.push(problem(status, { detail: "why", code: "some_code" }));
      const stream = start();
      await vi.advanceTimersByTimeAsync(120_000);
      expect(server.lines).toHaveLength(1);
      expect(stream.status).toBe("closed");
      expect(stream.error).toMatchObject({ fatal: true, status, code: "some_code", problem: { detail: "why" } });
      stream.connect();
      await settle();
      expect(server.lines).toHaveLength(2);
    });
  }

  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    it(`is retried with ${status}`, async () => {
      server.script.push(new Response("<html>", { status }));
      const stream = start();
      await settle();
      expect(stream.status).toBe("connecting");
      await vi.advanceTimersByTimeAsync(1000);
      expect(server.lines).toHaveLength(2);
    });
  }

  it("is fatal if it is an HTML page", async () => {
    server.script.push(new Response("<html>", { headers: { "Content-Type": "text/html" } }));
    const stream = start();
    await settle();
    expect(stream.status).toBe("closed");
    expect(stream.error?.message).toContain("text/html instead of text/event-stream");
  });

  it("is retried if the stream was open: a proxy may send 404 and HTML", async () => {
    await opened();
    server.script.push(new Response("", { status: 404 }), new Response("<html>", { headers: { "Content-Type": "text/html" } }));
    server.last.end();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(server.lines).toHaveLength(4);
    expect(log).toEqual(["reconnecting", "error http 404", "error http 200"]);
  });
});

describe("a reset", () => {
  it("is reported, and the stream continues at the server's cursor", async () => {
    const stream = await opened();
    server.last.event(1);
    server.last.sync({ mode: "reset", reason: "pruned" }, "c8");
    server.last.event(1, "c9");
    await settle();
    expect(log).toEqual(["activity_deleted 1", "reset pruned", "activity_deleted 1"]);
    expect([stream.lastEventId, stream.stats.resets, stream.stats.duplicates]).toEqual(["c9", 1, 0]);
  });

  it("may be the first event", async () => {
    start({ since: "old" });
    await settle();
    server.last.sync({ mode: "reset", reason: "other_log" }, "n0");
    await settle();
    expect(log).toEqual(["connecting", "open", "reset other_log"]);
  });

  it("does not follow from draining: the stream resumes", async () => {
    const stream = await opened();
    await vi.advanceTimersByTimeAsync(10_000);
    server.last.sync({ mode: "draining" }, "c5");
    server.last.end();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.last.cursor).toBe("c5");
    expect(stream.stats.resets).toBe(0);
    expect(log).toEqual(["reconnecting"]);
  });
});

describe("the caller", () => {
  it("can restart at a cursor, reconnect at once, and close from a listener", async () => {
    const stream = await opened();
    stream.restart("c50");
    await settle();
    expect(server.last.cursor).toBe("c50");
    server.last.sync({ mode: "resumed", events: 0 }, "c50");
    await settle();
    server.last.cut();
    await settle();
    const lines = server.lines.length;
    stream.reconnect();
    await settle();
    expect(server.lines).toHaveLength(lines + 1);
    stream.onStatus((status) => status === "open" && stream.close());
    server.last.sync({ mode: "resumed", events: 1 }, "c50");
    server.last.event(1, "c51");
    await settle();
    expect(stream.status).toBe("closed");
    expect(stream.stats.events).toBe(0);
  });

  it("gets an error for options that cannot work", () => {
    expect(() => createEventStream({ url, transport: "websocket" as never })).toThrow(/transport must be/);
    expect(() => createEventStream({ url, transport: "eventsource", headers: { a: "b" } })).toThrow(/cannot send headers/);
    expect(() => createEventStream({ url, token: "secret" as never })).toThrow(/token must be a function/);
    expect(() => createEventStream({ url, batch: "often" })).toThrow(/such as "250ms"/);
    const stream = start({ url: "/api/events" });
    return settle().then(() => {
      expect(stream.error).toMatchObject({ kind: "setup", fatal: true });
      expect(stream.error?.message).toMatch(/give an absolute one/);
    });
  });

  it("gets lines about what happens with the debug option", async () => {
    const lines: string[] = [];
    await opened({ debug: (line) => lines.push(line) });
    server.last.cut();
    await settle();
    expect(lines).toEqual(["connecting to /api/events, for new events", "open: live", "the connection failed or broke: retrying in 500 ms"]);
  });
});
