import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createEventStream, type EventStream, type EventStreamOptions } from "../src/index.js";
import { type Answer, problem, ScriptedServer, settle } from "./server.js";

beforeAll(() => import("../src/transport-poll.js"));

const url = "http://pgherald.test/api/events";
let server: ScriptedServer;
let stream: EventStream;
let log: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  log = [];
});
afterEach(() => {
  stream.close();
  expect(vi.getTimerCount(), "timers of a closed stream").toBe(0);
  vi.useRealTimers();
});

const page = (ids: number[], cursor: string, members: object = {}) =>
  Response.json({ events: ids.map((id) => ({ id, type: "order_paid", data: {}, timestamp: 1 })), cursor, more: false, ...members });

async function start(script: Answer[], options: EventStreamOptions = {}): Promise<void> {
  server.script.push(...script);
  stream = createEventStream({
    url,
    onEvent: (event, { cursor }) => log.push(`${event.id} ${cursor}`),
    onStatus: (status) => log.push(status),
    onReset: ({ reason }) => log.push(`reset ${reason}`),
    onError: (error) => log.push(`${error.fatal ? "fatal" : "error"} ${error.kind}`),
    ...options,
  });
  await settle();
}
const requests = () => server.lines.map(({ url: { searchParams: p }, headers }) => {
  const cursor = p.get("lastEventId") ?? p.get("since");
  return `${headers.get("Accept") === "application/json" ? "page" : "stream"} ${cursor}${p.has("wait") ? ` wait ${p.get("wait")}` : ""}`;
});

it("asks for one page after another, and delivers what a stream would", async () => {
  await start(
    [page([1, 2], "c2", { more: true }), page([3], "c3"), page([], "c4"), page([], "c9", { sync: { mode: "reset", reason: "pruned" } }), page([5], "c10"), "hang"],
    { transport: "poll", since: "c0", batch: "250ms" },
  );
  await vi.advanceTimersByTimeAsync(2000); // after the two that found nothing at once
  expect(log).toEqual(["connecting", "open", "1 null", "2 c2", "3 c3", "reset pruned", "5 c10"]);
  expect(requests()).toEqual(["page c0", "page c2", "page c3 wait 25000ms", "page c4 wait 25000ms", "page c9 wait 25000ms", "page c10 wait 25000ms"]);
  expect(server.last.url.searchParams.has("batch")).toBe(false);
  expect([stream.status, stream.lastEventId, stream.stats.heartbeats]).toEqual(["open", "c10", 1]);
});

it("does not spin where the server, or a proxy, does not wait", async () => {
  await start(Array.from({ length: 100 }, (_, i) => page([], i < 50 ? `c${i}` : "same", { more: i >= 50 })), { transport: "poll", since: "c0" });
  expect(requests()).toHaveLength(2); // the first does not ask to wait
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.lines.length).toBeGreaterThan(55);
  expect(server.lines.length).toBeLessThan(65);
  const { length } = server.lines;
  stream.close();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(5000);
  expect(server.lines).toHaveLength(length);
});

it("shows that the server is stale, drains, or refuses", async () => {
  await start([page([], "c1", { sync: { mode: "stale", since: "2026-01-02T03:04:05Z" } }), page([1], "c2"), page([], "c3", { sync: { mode: "draining" } })], { transport: "poll", since: "c0" });
  expect(log).toEqual(["connecting", "stale", "open", "1 c2", "reconnecting"]);
  server.script.push(problem(403));
  await vi.advanceTimersByTimeAsync(2000);
  expect(log.slice(5)).toEqual(["fatal http", "closed"]);
});

it("falls back to pages when a proxy lets nothing through, and goes back once a stream works", async () => {
  await start(["hang", page([], "c1", { sync: { mode: "live" } }), "hang"], { heartbeatTimeout: 200_000 });
  await vi.advanceTimersByTimeAsync(30_000);
  expect([stream.status, requests()]).toEqual(["open", ["stream null", "page null", "page c1 wait 25000ms"]]);
  server.script.push("stream"); // which stays mute
  await vi.advanceTimersByTimeAsync(60_000);
  const probe = server.last;
  expect([requests().at(-1), probe.aborted]).toEqual(["stream c1", false]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([probe.aborted, stream.status]).toEqual([true, "open"]);
});

it("does not wait long for the first event of a response that has begun", async () => {
  await start(["stream", page([], "c1", { sync: { mode: "live" } }), "hang"]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([stream.status, requests()]).toEqual(["open", ["stream null", "page null", "page c1 wait 25000ms"]]);
  const polled = server.last;
  await vi.advanceTimersByTimeAsync(60_000);
  const probe = server.last;
  expect(requests().at(-1)).toBe("stream c1");
  probe.sync({ mode: "resumed", events: 0 }, "c1");
  await settle();
  expect([probe.aborted, polled.aborted, requests().at(-1)]).toEqual([true, true, "stream c1"]);
  server.last.sync({ mode: "resumed", events: 1 }, "c1");
  server.last.event(7, "c7");
  await settle();
  expect(log.slice(-3)).toEqual(["reconnecting", "open", "7 c7"]);
});

it("tries a stream and pages in turns while neither works", async () => {
  await start(["hang", "hang", "hang"]);
  await vi.advanceTimersByTimeAsync(62_000);
  expect(requests()).toEqual(["stream null", "page null", "stream null"]);
  expect(log).toContain("error silent");
});

it("delivers nothing of a page after a listener has closed the stream, and the rest when it connects again", async () => {
  const onEvent = ({ id }: { id?: number }) => {
    log.push(`${id}`);
    if (id === 1) stream.close();
  };
  await start([page([1, 2, 3], "c3"), page([1, 2, 3], "c3"), "hang"], { transport: "poll", since: "c0", onEvent });
  expect([log, stream.lastEventId]).toEqual([["connecting", "open", "1", "closed"], "c0"]);
  stream.connect();
  await settle();
  expect(log.slice(4)).toEqual(["reconnecting", "open", "2", "3"]);
});

it("has the text of each event as the server sent it, in pages and in batches", async () => {
  const events = ['{"id":1,"type":"a","data":{"n":12345678901234567890,"s":"}]{\\\\\\"["},"timestamp":1}', '{"id":2, "type":"a","data":[[1.0],{"events":[{}]}],"timestamp":1}'];
  const raws: string[] = [];
  const onEvent = (_: unknown, { raw }: { raw: string }) => raws.push(raw);
  const body = `{ "other":[[{}]], "events": [ ${events.join(" , ")} ],"cursor":"c2","more":false}`;
  await start([new Response(body, { headers: { "Content-Type": "application/json" } }), "hang"], { transport: "poll", since: "c0", onEvent });
  expect(raws).toEqual(events);
  stream.close();
  await start(["stream"], { onEvent });
  server.last.sync({ mode: "live" }, "c2");
  server.last.write(`id: c3\ndata: {"type":"batch","data":{"events":[${events.join().replaceAll('"id":', '"id":1')}]},"timestamp":1}\n\n`);
  await settle();
  expect(raws.slice(2)).toEqual(events.map((event) => event.replace('"id":', '"id":1')));
});
