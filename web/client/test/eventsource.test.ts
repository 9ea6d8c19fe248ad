import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createEventStream, type EventStream, type EventStreamOptions } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

/** Fakes the parts of the browser's EventSource that the client uses. */
class FakeEventSource {
  static all: FakeEventSource[] = [];
  onopen?: () => void;
  onmessage?: (message: { data: string; lastEventId: string }) => void;
  onerror?: () => void;
  closed = false;
  lastEventId = "";

  constructor(readonly url: URL) {
    FakeEventSource.all.push(this);
  }

  send(envelope: object, id?: string): void {
    if (id !== undefined) this.lastEventId = id;
    this.onmessage?.({ data: JSON.stringify(envelope), lastEventId: this.lastEventId });
  }

  close(): void {
    this.closed = true;
  }
}

beforeAll(() => import("../src/transport-eventsource.js"));

const url = "http://pgherald.test/api/events";
let server: ScriptedServer;
let stream: EventStream;
const last = () => FakeEventSource.all.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  FakeEventSource.all = [];
  vi.stubGlobal("EventSource", FakeEventSource);
  server = new ScriptedServer();
});
afterEach(() => {
  stream.close();
  expect(FakeEventSource.all.every(({ closed }) => closed)).toBe(true);
  vi.useRealTimers();
});

async function start(options: EventStreamOptions = {}): Promise<void> {
  stream = createEventStream({ url, transport: "eventsource", ...options });
  await settle();
}

it("delivers each event once across a reconnect", async () => {
  await start();
  const received: unknown[] = [];
  stream.on("*", (event, meta) => received.push([event.id, meta.cursor]));
  const event = (id: number) => ({ id, type: "activity_deleted", data: {}, timestamp: 1 });
  last().onopen!();
  last().send({ type: "sync", data: { mode: "live" }, timestamp: 1 }, "c0");
  last().send(event(1), "c1");
  last().send(event(2));
  expect(stream.status).toBe("open");
  last().onerror!();
  expect([stream.status, last().closed]).toEqual(["reconnecting", true]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(last().url.searchParams.get("lastEventId")).toBe("c1");
  last().send({ type: "sync", data: { mode: "resumed", events: 2 }, timestamp: 1 }, "c1");
  last().send(event(2));
  last().send(event(3), "c3");
  expect(received).toEqual([[1, "c1"], [2, null], [3, "c3"]]);
});

it("repeats a refused request with fetch to learn the reason", async () => {
  server.script.push(problem(403, { detail: "not you" }));
  await start();
  last().onerror!();
  await settle();
  expect(stream.error).toMatchObject({ fatal: true, status: 403 });
  expect(stream.status).toBe("closed");
});

it("learns why the server lets a stream that continues end at once", async () => {
  await start();
  last().onopen!();
  last().send({ type: "sync", data: { mode: "live" }, timestamp: 1 }, "c0");
  last().onerror!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(last().url.searchParams.get("lastEventId")).toBe("c0");
  server.script.push(problem(429, { code: "limit_user" }, { "Retry-After": "60" }));
  last().onopen!();
  last().onerror!();
  await settle();
  expect(stream.error).toMatchObject({ fatal: false, status: 429, code: "limit_user" });
  await vi.advanceTimersByTimeAsync(50_000);
  expect(FakeEventSource.all).toHaveLength(2);
});

it("retries if the server was unreachable", async () => {
  server.script.push(new TypeError("refused"));
  await start();
  last().onerror!();
  await settle();
  expect(stream.error).toMatchObject({ fatal: false, kind: "network" });
  await vi.advanceTimersByTimeAsync(1000);
  expect(FakeEventSource.all).toHaveLength(2);
});

it("exchanges its token for a new ticket at each attempt", async () => {
  let n = 0;
  server.post = () => new Response(JSON.stringify({ ticket: `t${++n}`, expires: 0 }), { status: 201 });
  await start({ token: () => "secret" });
  expect(server.posts.map((p) => [p.url.href, p.headers.get("Authorization")])).toEqual([["http://pgherald.test/api/tickets", "Bearer secret"]]);
  expect(last().url.search).toBe("?ticket=t1");
  last().onerror!();
  await settle();
  await vi.advanceTimersByTimeAsync(1000);
  expect(last().url.search).toBe("?ticket=t2");
});

it("gives up where there is no EventSource, such as in Node, and says why", async () => {
  vi.stubGlobal("EventSource", undefined);
  const errors: unknown[] = [];
  stream = createEventStream({ url, transport: "eventsource", onError: (error) => errors.push(error) });
  await settle();
  expect(errors).toMatchObject([{ kind: "setup", fatal: true, message: expect.stringContaining("there is no EventSource here") }]);
  await vi.advanceTimersByTimeAsync(120_000);
  expect([stream.status, errors.length]).toEqual(["closed", 1]);
});
