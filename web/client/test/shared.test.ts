// @vitest-environment jsdom
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { canShare, createEventStream, type EventStream, type EventStreamOptions } from "../src/index.js";
import { loadSharing } from "../src/sources.js";
import { FakeBrowser, type Tab } from "./browser.js";
import { Log } from "./log.js";
import { settle } from "./server.js";

const url = "http://pgherald.test/api/events";

let server: Log;
let browser: FakeBrowser;
let tabs: { tab: Tab; stream: EventStream; received: number[]; log: string[] }[];

beforeAll(loadSharing);
beforeEach(() => {
  vi.useFakeTimers();
  server = new Log();
  browser = new FakeBrowser();
  tabs = [];
});
afterEach(async () => {
  for (const { stream } of tabs) stream.close();
  await vi.advanceTimersByTimeAsync(10); // messages in transit
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function openTab(options: EventStreamOptions = {}) {
  browser.current = { dead: false };
  const received: number[] = [];
  const log: string[] = [];
  const stream = createEventStream({
    url,
    onEvent: (event) => received.push(event.id!),
    onStatus: (status) => log.push(status),
    onReset: ({ reason }) => log.push(`reset ${reason}`),
    onError: (error) => log.push(`${error.fatal ? "fatal" : "error"} ${error.kind} ${error.status ?? ""}`.trim()),
    ...options,
  });
  const made = { tab: browser.current, stream, received, log };
  tabs.push(made);
  return made;
}

async function serveAll(milliseconds = 20): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await vi.advanceTimersByTimeAsync(milliseconds / 4);
    server.serve();
  }
  await vi.advanceTimersByTimeAsync(5);
}

describe("the tabs of a browser", () => {
  it("share one connection", async () => {
    for (let i = 0; i < 10; i++) openTab();
    await serveAll();
    server.write([1]);
    server.write([2, 3]);
    await serveAll();
    expect(tabs.map(({ received }) => received)).toEqual(Array(10).fill([1, 2, 3]));
    expect(tabs.map(({ log }) => log)).toEqual(Array(10).fill(["connecting", "open"]));
    expect(tabs.map(({ stream }) => stream.stats.role).sort()).toEqual([...Array(9).fill("follower"), "leader"]);
    expect(tabs.map(({ stream }) => stream.lastEventId)).toEqual(Array(10).fill("c3"));
    expect(server.lines).toHaveLength(1);
  });

  it("continue without a gap when the leader crashes or closes, also within a transaction", async () => {
    for (let i = 0; i < 4; i++) openTab({ since: "c0" });
    await serveAll();
    server.write([1, 2, 3]);
    server.serve(2);
    await settle();
    await settle();
    const first = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    browser.kill(first.tab);
    server.write([4]);
    await serveAll();
    const second = tabs.find(({ tab, stream }) => !tab.dead && stream.stats.role === "leader")!;
    second.stream.close();
    server.write([5]);
    await serveAll();
    const left = tabs.filter((tab) => tab !== first && tab !== second);
    expect(left.map(({ received }) => received)).toEqual([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
    expect(server.lines).toHaveLength(3);
  });

  it("catch up from an older cursor, and then share", async () => {
    openTab({ since: "c0" });
    await serveAll();
    for (const id of [1, 2, 3]) server.write([id]);
    await serveAll();
    const late = openTab({ since: "c1" });
    await serveAll();
    expect(late.received).toEqual([2, 3]);
    expect(late.stream.stats.role).toBe("follower");
    expect(server.connections).toBe(1);
    late.stream.restart("c0");
    await serveAll();
    expect(late.received).toEqual([2, 3, 1, 2, 3]);
    expect(late.stream.stats.role).toBe("follower");
    server.write([4]);
    await serveAll();
    expect(tabs.map(({ received }) => received.at(-1))).toEqual([4, 4]);
    expect(tabs[0]!.received).toEqual([1, 2, 3, 4]);
  });

  it("let the leader restart at another cursor without an effect on the others", async () => {
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await serveAll();
    for (const id of [1, 2, 3]) server.write([id]);
    await serveAll();
    const leader = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    leader.stream.restart("c1");
    await serveAll();
    server.write([4]);
    await serveAll();
    expect(leader.received).toEqual([1, 2, 3, 2, 3, 4]);
    expect(tabs.find((tab) => tab !== leader)!.received).toEqual([1, 2, 3, 4]);
    expect(server.connections).toBe(1);
  });

  it("all receive resets, failures and refusals", async () => {
    openTab();
    openTab();
    await serveAll();
    server.last.sync({ mode: "reset", reason: "pruned" }, "c0");
    await serveAll();
    server.cut();
    await serveAll();
    server.script.push(new Response("", { status: 403 }), new Response("", { status: 403 }));
    await vi.advanceTimersByTimeAsync(5000);
    for (const { log, stream } of tabs) {
      expect(log).toEqual(["connecting", "open", "reset pruned", "error network", "reconnecting", "fatal http 403", "closed"]);
      expect(stream.error).toMatchObject({ status: 403, fatal: true });
    }
  });

  it("take over from a frozen leader, which becomes a follower", async () => {
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await serveAll();
    const leader = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    const other = tabs.find((tab) => tab !== leader)!;
    leader.tab.dead = true; // it holds the lock but sends nothing
    browser.current = other.tab;
    await vi.advanceTimersByTimeAsync(4600); // 3 s of silence, and 1.5 s without an answer
    expect(other.log).toEqual(["connecting", "open", "reconnecting"]);
    await vi.advanceTimersByTimeAsync(2350); // and 2.5 s
    leader.tab.dead = false;
    await vi.advanceTimersByTimeAsync(80);
    server.write([1]);
    await serveAll();
    expect(other.stream.stats.role).toBe("leader");
    expect(other.received).toEqual([1]);
    server.beat();
    await serveAll();
    expect(leader.received).toEqual([1]);
  });

  it("are open again when a leader answers that was blocked for a moment", async () => {
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await serveAll();
    const leader = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    const other = tabs.find((tab) => tab !== leader)!;
    leader.tab.dead = true;
    await vi.advanceTimersByTimeAsync(4700);
    expect(other.stream.status).toBe("reconnecting");
    leader.tab.dead = false;
    server.write([1]);
    await serveAll();
    expect([other.stream.status, other.received, other.stream.stats.role]).toEqual(["open", [1], "follower"]);
    expect(server.lines).toHaveLength(1);
  });

  it("share only equal streams, and none with a token or headers but without a group", async () => {
    expect(canShare()).toBe(true);
    openTab({ types: ["a"] });
    openTab({ token: () => "t" });
    openTab({ shared: false });
    openTab({ headers: { Authorization: "Bearer t" } });
    expect(() => createEventStream({ url, shared: true, token: () => "t" })).toThrow(/name the group/);
    await serveAll();
    expect(tabs.map(({ stream }) => stream.stats.role).sort()).toEqual(["leader", "own", "own", "own"]);
  });

  it("lose nothing when a message cannot be posted", async () => {
    for (let i = 0; i < 3; i++) openTab({ since: "c0" });
    await serveAll();
    browser.refuse = (data) => JSON.stringify(data).includes('"kind":"deliver"');
    server.write([1, 2]);
    await serveAll();
    expect(tabs.find(({ stream }) => stream.stats.role === "leader")!.received).toEqual([1, 2]);
    browser.refuse = () => false;
    server.write([3]);
    await serveAll();
    server.write([4]);
    await serveAll();
    expect(tabs.map(({ received }) => received)).toEqual(Array(3).fill([1, 2, 3, 4]));
    expect(server.connections).toBe(1);
    browser.refuse = () => true;
    server.write([5]);
    await serveAll();
    browser.refuse = () => false;
    await serveAll(12_000); // the others do not hear from the leader, and one takes over
    expect(tabs.map(({ received }) => received)).toEqual(Array(3).fill([1, 2, 3, 4, 5]));
  });

  it("lose nothing that could not be posted while one of them catches up", async () => {
    openTab({ since: "c0" });
    await serveAll();
    for (const id of [1, 2, 3]) server.write([id]);
    await serveAll();
    const late = openTab({ since: "c0" });
    await vi.advanceTimersByTimeAsync(5);
    server.serve(1);
    await vi.advanceTimersByTimeAsync(5);
    expect(late.stream.stats.role).toBe("catching-up");
    browser.refuse = (data) => JSON.stringify(data).includes('"kind":"deliver"');
    server.write([4]);
    server.serve(1);
    await vi.advanceTimersByTimeAsync(5);
    browser.refuse = () => false;
    server.write([5]);
    await serveAll();
    expect(late.received).toEqual([1, 2, 3, 4, 5]);
    expect(late.stream.stats.role).toBe("follower");
  });

  it("skip only the transaction within which they joined, also if they lose a message of it", async () => {
    openTab({ since: "c0" });
    await serveAll();
    server.write([1, 2]);
    server.serve(1);
    await settle();
    const late = openTab();
    await vi.advanceTimersByTimeAsync(5);
    browser.refuse = (data) => JSON.stringify(data).includes('"kind":"deliver"');
    server.serve();
    await vi.advanceTimersByTimeAsync(5);
    browser.refuse = () => false;
    await serveAll();
    server.write([3, 4]);
    await serveAll();
    expect(late.received.slice(-2)).toEqual([3, 4]);
    expect(tabs[0]!.received).toEqual([1, 2, 3, 4]);
  });

  it("keep their leader when another tab closes its stream while it receives", async () => {
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await serveAll();
    const leader = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    const other = tabs.find((tab) => tab !== leader)!;
    other.stream.on("*", () => other.stream.close());
    const frames = [1, 2].map((id) => `id: c${id}\ndata: ${JSON.stringify({ id, type: "t", data: {}, timestamp: 1 })}\n\n`);
    server.last.write(frames.join("")); // which arrive, and are posted, together
    await vi.advanceTimersByTimeAsync(20_000);
    expect([leader.received, other.received]).toEqual([[1, 2], [1]]);
    expect(server.lines).toHaveLength(1);
    expect(leader.stream.stats.role).toBe("leader");
  });

  it("connect on their own where the browser refuses the lock", async () => {
    navigator.locks.request = () => Promise.reject(new DOMException("no", "SecurityError"));
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await serveAll();
    server.write([1]);
    await serveAll();
    expect(tabs.map(({ received }) => received)).toEqual([[1], [1]]);
    expect(server.connections).toBe(2);
  });

  it("disconnect in the back/forward cache and resume at their cursors", async () => {
    const { received, stream } = openTab({ since: "c0" });
    await serveAll();
    window.dispatchEvent(new Event("pagehide"));
    await serveAll();
    expect(server.connections).toBe(0);
    server.write([1]);
    window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await serveAll();
    expect(received).toEqual([1]);
    expect(stream.status).toBe("open");
  });
});

/** Returns a generator of pseudo-random numbers, so that a failure can be repeated. */
function random(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return seed / 2 ** 32;
  };
}

it("delivers each event once and in order while tabs open, close, crash and lose their connection", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const chance = random(seed);
    vi.spyOn(Math, "random").mockImplementation(chance);
    const pick = (n: number) => Math.floor(chance() * n);
    server = new Log();
    browser = new FakeBrowser(() => pick(4));
    tabs = [];
    const starts: number[] = [];
    let id = 0;
    for (let step = 0; step < 60; step++) {
      const living = tabs.filter(({ tab }) => !tab.dead);
      const action = pick(10);
      if (action < 4) server.write(Array.from({ length: 1 + pick(3) }, () => ++id));
      else if (action === 4 && living.length < 6) {
        const whole = server.events.flatMap((event, i) => (event.cursor ? [i + 1] : []));
        const from = whole.length > 0 ? whole.at(-1 - pick(Math.min(3, whole.length)))! : 0;
        starts.push(from);
        openTab({ since: from === 0 ? "c0" : server.events[from - 1]!.cursor });
      } else if (action === 5 && living.length > 1) {
        const victim = living[pick(living.length)]!;
        if (pick(2)) browser.kill(victim.tab); // closing then reaches no other tab
        victim.stream.close();
        victim.tab.dead = true;
      } else if (action === 6 && pick(3) === 0) server.cut();
      server.serve(pick(3) === 0 ? Infinity : 1 + pick(3));
      await vi.advanceTimersByTimeAsync(pick(3));
    }
    for (let i = 0; i < 4; i++) {
      await serveAll(4000);
      server.beat();
    }
    const all = server.events.map((event) => event.id);
    tabs.forEach(({ tab, received, stream }, i) => {
      if (tab.dead) return stream.close();
      expect(received, `seed ${seed}, tab ${i}`).toEqual(all.slice(starts[i]));
      expect(stream.status, `seed ${seed}, tab ${i}`).toBe("open");
    });
    expect(tabs.filter(({ tab, stream }) => !tab.dead && stream.stats.role === "catching-up"), `seed ${seed}`).toEqual([]);
    for (const { stream } of tabs) stream.close();
    await settle();
  }
});
