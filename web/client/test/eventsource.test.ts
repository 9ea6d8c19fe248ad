import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createEventStream, type EventStream, type EventStreamOptions } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

/** The browser's EventSource, as far as it is used, in the test's hands. */
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
  expect(last().closed).toBe(true);
  vi.useRealTimers();
});

async function start(options: EventStreamOptions = {}): Promise<void> {
  stream = createEventStream({ url, transport: "eventsource", ...options });
  await settle();
}

it("delivers each event once across a break", async () => {
  await start();
  const heard: unknown[] = [];
  stream.on("*", (event, meta) => heard.push([event.id, meta.cursor]));
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
  expect(heard).toEqual([[1, "c1"], [2, null], [3, "c3"]]);
});

it("asks why it was refused, since an EventSource does not say", async () => {
  server.script.push(problem(403, { detail: "not you" }));
  await start();
  last().onerror!();
  await settle();
  expect(stream.error).toMatchObject({ fatal: true, status: 403 });
  expect(stream.status).toBe("closed");
});

it("tries again if the server was only away", async () => {
  server.script.push(new TypeError("refused"));
  await start();
  last().onerror!();
  await settle();
  expect(stream.error).toMatchObject({ fatal: false, kind: "network" });
  await vi.advanceTimersByTimeAsync(1000);
  expect(FakeEventSource.all).toHaveLength(2);
});

it("trades its token for a ticket, each time a new one", async () => {
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
