// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createEventStream, type EventStream } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

let server: ScriptedServer;
let stream: EventStream;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.9);
  server = new ScriptedServer();
  stream = createEventStream({ url: "api/events", shared: false });
  await settle();
});
afterEach(() => {
  stream.close();
  vi.useRealTimers();
});

const visible = () => document.dispatchEvent(new Event("visibilitychange"));
const restored = () => window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));

async function open(): Promise<void> {
  server.last.sync({ mode: "live" }, "c0");
  await settle();
}

it("resolves its URL against the page", () => {
  expect(server.last.url.pathname).toBe("/api/events");
});

for (const [name, comeBack] of Object.entries({ visible, restored, online: () => window.dispatchEvent(new Event("online")) })) {
  it(`does not wait for the back-off when the page returns: ${name}`, async () => {
    await open();
    server.last.cut();
    await settle();
    comeBack();
    await settle();
    expect(server.lines).toHaveLength(2);
    expect(server.last.cursor).toBe("c0");
  });
}

it("keeps an open connection when the page is shown again", async () => {
  await open();
  visible();
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
  window.dispatchEvent(new Event("online"));
  await settle();
  expect(server.lines).toHaveLength(1);
});

it("replaces an open connection when the network was lost", async () => {
  await open();
  window.dispatchEvent(new Event("offline"));
  window.dispatchEvent(new Event("online"));
  await settle();
  expect(server.lines).toHaveLength(2);
  expect(server.lines[0]!.aborted).toBe(true);
});

it("detects a silence that a sleeping timer missed", async () => {
  await open();
  vi.setSystemTime(Date.now() + 100_000); // the machine slept: time passed, timers did not run
  visible();
  expect(stream.error?.kind).toBe("silent");
});

it("does not repeat a running attempt, and honours Retry-After", async () => {
  visible();
  await settle();
  expect(server.lines).toHaveLength(1);
  await open();
  server.script.push(problem(503, {}, { "Retry-After": "30" }));
  server.last.end();
  await vi.advanceTimersByTimeAsync(1000);
  expect(server.lines).toHaveLength(2);
  visible();
  restored();
  await settle();
  expect(server.lines).toHaveLength(2);
});

it("ignores the page when closed", async () => {
  await open();
  stream.close();
  restored();
  await vi.advanceTimersByTimeAsync(100_000);
  expect(server.lines).toHaveLength(1);
});
