import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { createEventStream, type EventStream, type TokenReason } from "../src/index.js";
import { problem, ScriptedServer, settle } from "./server.js";

const url = "http://pgherald.test/api/events";
beforeAll(() => import("../src/renewal.js"));

let server: ScriptedServer;
let stream: EventStream;
let reasons: TokenReason[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new ScriptedServer();
  reasons = [];
});
afterEach(() => {
  stream.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function start(): void {
  stream = createEventStream({
    url,
    token: async ({ reason }) => {
      reasons.push(reason);
      return `token${reasons.length}`;
    },
  });
}

async function opened(seconds: number): Promise<void> {
  start();
  await settle();
  server.last.sync({ mode: "live", connection: "k/1", expires: Date.now() + seconds * 1000 }, "c0");
  await settle();
}

async function beats(n: number): Promise<void> {
  for (let i = 0; i < n; i++) {
    server.last.heartbeat("c1");
    await vi.advanceTimersByTimeAsync(30_000);
  }
}

it("sends the token", async () => {
  await opened(600);
  expect(server.last.headers.get("Authorization")).toBe("Bearer token1");
});

it("renews in place before each expiry", async () => {
  await opened(600);
  server.post = () => new Response(JSON.stringify({ expires: Date.now() + 600_000 }));
  await beats(15);
  await vi.advanceTimersByTimeAsync(29_000);
  expect(server.posts).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1000);
  expect(server.posts.map((p) => [p.url.pathname, p.headers.get("Authorization")])).toEqual([["/api/events/k%2F1/token", "Bearer token2"]]);
  await beats(16);
  expect(server.posts).toHaveLength(2);
  expect(reasons).toEqual(["connect", "renew", "renew"]);
  expect(server.lines).toHaveLength(1);
});

it("uses the server's clock", async () => {
  start();
  await settle();
  const serverNow = Date.now() + 3_600_000; // our clock is an hour behind
  server.last.sync({ mode: "live", connection: "k1", expires: serverNow + 60_000 }, "c0", serverNow);
  await settle();
  server.post = () => new Response("{}");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(server.posts).toHaveLength(1);
});

it("reconnects if the server no longer has the stream", async () => {
  await opened(60);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(server.posts).toHaveLength(1);
  await settle();
  expect(server.lines).toHaveLength(2);
  expect(server.last.cursor).toBe("c0");
});

it("retries a renewal until the token expires, then reconnects", async () => {
  await opened(60);
  server.post = () => problem(503);
  await vi.advanceTimersByTimeAsync(58_000);
  expect(server.posts.length).toBeGreaterThan(3);
  expect(server.lines).toHaveLength(2);
});

it("reconnects with a new token after sync expired", async () => {
  await opened(60);
  server.last.sync({ mode: "expired" }, "c7");
  server.last.end();
  await settle();
  expect(reasons).toEqual(["connect", "renew"]);
  expect([server.last.cursor, server.last.headers.get("Authorization")]).toEqual(["c7", "Bearer token2"]);
});

it("gets another token once after a rejection, and then fails", async () => {
  server.script.push(problem(401), problem(401));
  start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reasons).toEqual(["connect", "rejected"]);
  expect(server.lines).toHaveLength(2);
  expect(stream.error).toMatchObject({ fatal: true, status: 401 });
});

it("does not connect without a token while the callback throws", async () => {
  let fail = true;
  stream = createEventStream({
    url,
    token: () => {
      if (fail) throw new Error("the login is down");
      return "late";
    },
  });
  await settle();
  expect(stream.error).toMatchObject({ kind: "token", fatal: false });
  expect(server.lines).toHaveLength(0);
  fail = false;
  await vi.advanceTimersByTimeAsync(1000);
  expect(server.last.headers.get("Authorization")).toBe("Bearer late");
});

it("says that a token cannot be sent, and sends the next one", async () => {
  let token = "…";
  stream = createEventStream({ url, token: async () => token });
  await settle();
  expect(stream.error?.message).toContain("the token has characters that no header can carry");
  expect(stream.error?.fatal).toBe(false);
  expect(server.lines).toEqual([]);
  token = "ok";
  await vi.advanceTimersByTimeAsync(1000);
  expect(server.last.headers.get("Authorization")).toBe("Bearer ok");
});
