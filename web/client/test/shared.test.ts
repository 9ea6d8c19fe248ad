// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { canShare, createEventStream, type EventStream, type EventStreamOptions } from "../src/index.js";
import { FakeBrowser, type Tab } from "./browser.js";
import { type Line, ScriptedServer, settle } from "./server.js";

const url = "http://pgherald.test/api/events";

/** A server with a log: everyone who comes gets what they missed, and what happens from then on. */
class Log extends ScriptedServer {
  readonly events: { id: number; cursor?: string }[] = [];
  private served = new Map<Line, number>();

  get head(): string {
    return this.events.findLast((event) => event.cursor)?.cursor ?? "c0";
  }

  get connections(): number {
    return [...this.served.keys()].filter((line) => !line.aborted).length;
  }

  write(ids: number[]): void {
    for (const id of ids) this.events.push({ id, cursor: id === ids.at(-1) ? `c${id}` : undefined });
  }

  /** Serves those who wait; at most `limit` events each. */
  serve(limit = Infinity): void {
    for (const line of this.lines) {
      if (line.aborted) {
        this.served.delete(line);
        continue;
      }
      let at = this.served.get(line);
      if (at === undefined) {
        at = line.cursor === null || line.cursor === "c0" ? (line.cursor === null ? this.events.length : 0) : this.events.findIndex((event) => event.cursor === line.cursor) + 1;
        line.sync(line.cursor === null ? { mode: "live" } : { mode: "resumed", events: this.events.length - at }, line.cursor ?? this.head);
      }
      const end = Math.min(this.events.length, at + limit);
      for (const event of this.events.slice(at, end)) line.event(event.id, event.cursor);
      this.served.set(line, end);
    }
  }

  beat(): void {
    for (const line of this.served.keys()) if (!line.aborted && this.served.get(line) === this.events.length) line.heartbeat(this.head);
  }

  cut(): void {
    for (const line of this.served.keys()) {
      if (!line.aborted) line.cut();
      line.aborted = true;
    }
  }
}

let server: Log;
let browser: FakeBrowser;
let tabs: { tab: Tab; stream: EventStream; heard: number[]; log: string[] }[];

beforeEach(() => {
  vi.useFakeTimers();
  server = new Log();
  browser = new FakeBrowser();
  tabs = [];
});
afterEach(async () => {
  for (const { stream } of tabs) stream.close();
  await vi.advanceTimersByTimeAsync(10); // messages on their way
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function openTab(options: EventStreamOptions = {}) {
  browser.current = { dead: false };
  const heard: number[] = [];
  const log: string[] = [];
  const stream = createEventStream({
    url,
    onEvent: (event) => heard.push(event.id!),
    onStatus: (status) => log.push(status),
    onReset: ({ reason }) => log.push(`reset ${reason}`),
    onError: (error) => log.push(`${error.fatal ? "fatal" : "error"} ${error.kind} ${error.status ?? ""}`.trim()),
    ...options,
  });
  const made = { tab: browser.current, stream, heard, log };
  tabs.push(made);
  return made;
}

async function calm(milliseconds = 20): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await vi.advanceTimersByTimeAsync(milliseconds / 4);
    server.serve();
  }
  await vi.advanceTimersByTimeAsync(5);
}

describe("the tabs of a browser", () => {
  it("share one connection", async () => {
    for (let i = 0; i < 10; i++) openTab();
    await calm();
    server.write([1]);
    server.write([2, 3]);
    await calm();
    expect(tabs.map(({ heard }) => heard)).toEqual(Array(10).fill([1, 2, 3]));
    expect(tabs.map(({ log }) => log)).toEqual(Array(10).fill(["connecting", "open"]));
    expect(tabs.map(({ stream }) => stream.stats.role).sort()).toEqual([...Array(9).fill("follower"), "leader"]);
    expect(tabs.map(({ stream }) => stream.lastEventId)).toEqual(Array(10).fill("c3"));
    expect(server.lines).toHaveLength(1);
  });

  it("go on without a gap when the leader crashes or closes, within a transaction as well", async () => {
    for (let i = 0; i < 4; i++) openTab({ since: "c0" });
    await calm();
    server.write([1, 2, 3]);
    server.serve(2);
    await settle();
    await settle();
    const first = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    browser.kill(first.tab);
    server.write([4]);
    await calm();
    const second = tabs.find(({ tab, stream }) => !tab.dead && stream.stats.role === "leader")!;
    second.stream.close();
    server.write([5]);
    await calm();
    const left = tabs.filter((tab) => tab !== first && tab !== second);
    expect(left.map(({ heard }) => heard)).toEqual([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
    expect(server.lines).toHaveLength(3);
  });

  it("who come with an older cursor catch up, and then share", async () => {
    openTab({ since: "c0" });
    await calm();
    for (const id of [1, 2, 3]) server.write([id]);
    await calm();
    const late = openTab({ since: "c1" });
    await calm();
    expect(late.heard).toEqual([2, 3]);
    expect(late.stream.stats.role).toBe("follower");
    expect(server.connections).toBe(1);
    late.stream.restart("c0");
    await calm();
    expect(late.heard).toEqual([2, 3, 1, 2, 3]);
    expect(late.stream.stats.role).toBe("follower");
    server.write([4]);
    await calm();
    expect(tabs.map(({ heard }) => heard.at(-1))).toEqual([4, 4]);
    expect(tabs[0]!.heard).toEqual([1, 2, 3, 4]);
  });

  it("let the leader go elsewhere without the others noticing", async () => {
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await calm();
    for (const id of [1, 2, 3]) server.write([id]);
    await calm();
    const leader = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    leader.stream.restart("c1");
    await calm();
    server.write([4]);
    await calm();
    expect(leader.heard).toEqual([1, 2, 3, 2, 3, 4]);
    expect(tabs.find((tab) => tab !== leader)!.heard).toEqual([1, 2, 3, 4]);
    expect(server.connections).toBe(1);
  });

  it("all hear of a reset, a failure and a refusal", async () => {
    openTab();
    openTab();
    await calm();
    server.last.sync({ mode: "reset", reason: "pruned" }, "c0");
    await calm();
    server.cut();
    await calm();
    server.script.push(new Response("", { status: 403 }), new Response("", { status: 403 }));
    await vi.advanceTimersByTimeAsync(5000);
    for (const { log, stream } of tabs) {
      expect(log).toEqual(["connecting", "open", "reset pruned", "error network", "reconnecting", "fatal http 403", "closed"]);
      expect(stream.error).toMatchObject({ status: 403, fatal: true });
    }
  });

  it("take over from a leader that is frozen, and take it back as a follower", async () => {
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await calm();
    const leader = tabs.find(({ stream }) => stream.stats.role === "leader")!;
    const other = tabs.find((tab) => tab !== leader)!;
    leader.tab.dead = true; // it holds the lock, and says nothing
    browser.current = other.tab;
    await vi.advanceTimersByTimeAsync(90_000 + 4950);
    leader.tab.dead = false;
    await vi.advanceTimersByTimeAsync(80);
    server.write([1]);
    await calm();
    expect(other.stream.stats.role).toBe("leader");
    expect(other.heard).toEqual([1]);
    server.beat();
    await calm();
    expect(leader.heard).toEqual([1]);
  });

  it("share only what is the same, and nothing where a token is not named", async () => {
    expect(canShare()).toBe(true);
    openTab({ types: ["a"] });
    openTab({ token: () => "t" });
    openTab({ shared: false });
    expect(() => createEventStream({ url, shared: true, token: () => "t" })).toThrow(/name the group/);
    await calm();
    expect(tabs.map(({ stream }) => stream.stats.role).sort()).toEqual(["leader", "own", "own"]);
  });

  it("connect all the same where the browser refuses the lock", async () => {
    navigator.locks.request = () => Promise.reject(new DOMException("no", "SecurityError"));
    openTab({ since: "c0" });
    openTab({ since: "c0" });
    await calm();
    server.write([1]);
    await calm();
    expect(tabs.map(({ heard }) => heard)).toEqual([[1], [1]]);
    expect(server.connections).toBe(2);
  });

  it("leave for the back/forward cache and come back where they were", async () => {
    const { heard, stream } = openTab({ since: "c0" });
    await calm();
    window.dispatchEvent(new Event("pagehide"));
    await calm();
    expect(server.connections).toBe(0);
    server.write([1]);
    window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await calm();
    expect(heard).toEqual([1]);
    expect(stream.status).toBe("open");
  });
});

/** A small generator of numbers, so that a failure can be repeated. */
function random(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return seed / 2 ** 32;
  };
}

it("deliver each event once and in order, whoever comes, goes, crashes or is cut off", async () => {
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
      const what = pick(10);
      if (what < 4) server.write(Array.from({ length: 1 + pick(3) }, () => ++id));
      else if (what === 4 && living.length < 6) {
        const whole = server.events.flatMap((event, i) => (event.cursor ? [i + 1] : []));
        const from = whole.length > 0 ? whole.at(-1 - pick(Math.min(3, whole.length)))! : 0;
        starts.push(from);
        openTab({ since: from === 0 ? "c0" : server.events[from - 1]!.cursor });
      } else if (what === 5 && living.length > 1) {
        const victim = living[pick(living.length)]!;
        if (pick(2)) browser.kill(victim.tab);
        else {
          victim.stream.close();
          victim.tab.dead = true;
        }
      } else if (what === 6 && pick(3) === 0) server.cut();
      server.serve(pick(3) === 0 ? Infinity : 1 + pick(3));
      await vi.advanceTimersByTimeAsync(pick(3));
    }
    for (let i = 0; i < 4; i++) {
      await calm(4000);
      server.beat();
    }
    const all = server.events.map((event) => event.id);
    tabs.forEach(({ tab, heard, stream }, i) => {
      if (tab.dead) return stream.close();
      expect(heard, `seed ${seed}, tab ${i}`).toEqual(all.slice(starts[i]));
      expect(stream.status, `seed ${seed}, tab ${i}`).toBe("open");
    });
    expect(tabs.filter(({ tab, stream }) => !tab.dead && stream.stats.role === "catching-up"), `seed ${seed}`).toEqual([]);
    for (const { stream } of tabs) stream.close();
    await settle();
  }
}, 60_000);
