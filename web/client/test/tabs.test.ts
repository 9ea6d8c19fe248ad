// @vitest-environment jsdom
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type Client, type Collection } from "../src/index.js";
import { loadSelections } from "../src/collection/lazy-selections.js";
import { loadSharing } from "../src/sources.js";
import { FakeBrowser, type Tab } from "./browser.js";
import { problem } from "./server.js";
import { isSameVersion, select, Table, type Row } from "./table.js";

const url = "http://pgherald.test";
let server: Table;
let browser: FakeBrowser;
let tabs: { tab: Tab; client: Client<{ rows: Row }> }[];

beforeAll(() => Promise.all([loadSharing(), loadSelections()]));
beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  server = new Table();
  browser = new FakeBrowser();
  browser.bindTimers();
  tabs = [];
});
afterEach(async () => {
  for (const { tab, client } of tabs) browser.run(tab, () => client.close());
  await vi.advanceTimersByTimeAsync(10); // messages in transit
  expect(vi.getTimerCount(), "timers of closed clients").toBe(0);
  vi.useRealTimers();
});

function openTab() {
  const tab: Tab = { dead: false };
  const client = browser.run(tab, () => createClient<{ rows: Row }>({ url }));
  const opened = {
    tab,
    client,
    open: (...statuses: string[]) => browser.run(tab, () => client.collection("rows", statuses.length === 0 ? {} : { where: { status: { in: statuses } } })),
    close: () => browser.run(tab, () => client.close()),
  };
  tabs.push(opened);
  return opened;
}

async function pass(milliseconds = 100): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await vi.advanceTimersByTimeAsync(milliseconds / 10);
    server.serve();
  }
  server.beat(); // the cursors of all streams become equal
  await vi.advanceTimersByTimeAsync(20);
}

const contents = () => [...server.connected.at(-1)!.url.searchParams].filter(([name]) => name.startsWith("q.")).map(([, content]) => content.match(/\((\w+)\)/)![1]);
const data = (rows: Collection<Row>) => rows.getSnapshot().data?.map(({ id, n }) => `${id}.${n}`).join();

describe("tabs with different collections", () => {
  it("share one connection, which has what all of them want", async () => {
    const all = ["a", "b", "c", "d", "e", "f", "g"].map((status) => openTab().open(status));
    await pass();
    expect([server.connected.length, contents()]).toEqual([1, ["a", "b", "c", "d", "e", "f", "g"]]);
    server.write({ id: 1, status: "a", n: 0 });
    server.write({ id: 1, status: "b", n: 1 });
    server.write({ id: 2, status: "g", n: 2 });
    await pass();
    expect(all.map(data)).toEqual(["", "1.1", "", "", "", "", "2.2"]);
    expect(server.connected).toHaveLength(1);
  });

  it("follow a tab that comes, and drop what a closed one wanted a moment later", async () => {
    const [first, second] = [openTab(), openTab()];
    const rows = first.open("a");
    await pass();
    const statuses = new Set<unknown>();
    rows.subscribe(() => statuses.add(rows.getSnapshot().stale || rows.getSnapshot().status));
    second.open("b");
    await pass();
    expect([server.connected.length, contents()]).toEqual([1, ["a", "b"]]);
    expect([...statuses].filter((status) => status !== "open")).toEqual([]);
    second.close();
    await pass(500);
    expect([server.connected.length, contents()]).toEqual([1, ["a", "b"]]);
    await pass(1000);
    expect([server.connected.length, contents()]).toEqual([1, ["a"]]);
  });

  it("need no other stream for what one of them has already", async () => {
    const [first, second] = [openTab(), openTab()];
    first.open("a");
    second.open("b");
    await pass();
    const lines = server.lines.length;
    const rows = second.open("a");
    server.write({ id: 1, status: "a", n: 1 });
    await pass();
    expect([data(rows), server.lines.length]).toEqual(["1.1", lines]);
    first.close(); // and with it the only one that wanted it before
    await pass(2000);
    server.write({ id: 1, status: "a", n: 2 });
    await pass();
    expect([data(rows), contents(), server.connected.length]).toEqual(["1.2", ["a", "b"], 1]);
  });

  it("fill a second stream with more than 16", async () => {
    const all = Array.from({ length: 6 }, (_, tab) => {
      const { open } = openTab();
      return Array.from({ length: 4 }, (_, i) => open(`s${4 * tab + i}`));
    });
    await pass(500);
    expect(server.connected.map(({ url }) => [...url.searchParams.keys()].filter((name) => name.startsWith("q.")).length).sort()).toEqual([16, 8]);
    for (let i = 0; i < 24; i++) server.write({ id: i, status: `s${i}`, n: i });
    await pass();
    expect(all.flat().map(data)).toEqual(Array.from({ length: 24 }, (_, i) => `${i}.${i}`));
  });

  it("go on without the tab of which the server refuses a selection", async () => {
    const [good, other, bad] = [openTab(), openTab(), openTab()];
    const [a, b] = [good.open("a"), other.open("b")];
    await pass();
    server.refuse = (content) => content.includes("bad");
    let refusals = 0;
    server.refuseStream = ({ search }) => (search.includes("bad") ? (refusals++, problem(400)) : undefined);
    server.listDelay = () => 500;
    const rows = bad.open("bad");
    await pass(400);
    expect(refusals).toBeGreaterThan(0); // of the stream that has what all want
    server.write({ id: 1, status: "a", n: 0 });
    await pass();
    expect(data(a)).toBe("1.0");
    await pass(500);
    expect(rows.getSnapshot()).toMatchObject({ data: undefined, error: { status: 400 } });
    await pass(3000);
    server.write({ id: 1, status: "a", n: 1 });
    server.write({ id: 2, status: "b", n: 2 });
    await pass();
    expect([data(a), data(b), server.connected.length]).toEqual(["1.1", "2.2", 1]);
  });

  it("have streams of their own where a proxy refuses so long a request", async () => {
    server.refuseStream = ({ search }) => (search.includes("q.1") ? new Response("", { status: 414 }) : undefined);
    const all = ["a", "b"].map((status) => openTab().open(status));
    await pass(300);
    server.write({ id: 1, status: "a", n: 1 });
    server.write({ id: 2, status: "b", n: 2 });
    await pass();
    expect([all.map(data), server.connected.length]).toEqual([["1.1", "2.2"], 2]);
  });

  it("have streams of their own where the browser has no locks to show", async () => {
    navigator.locks.query = () => Promise.reject(new Error("no"));
    const all = ["a", "b"].map((status) => openTab().open(status));
    server.write({ id: 1, status: "b", n: 1 });
    await pass();
    expect([all.map(data), server.connected.length]).toEqual([["", "1.1"], 2]);
  });

  it("leave no lock behind when a page hides while it changes what it wants", async () => {
    const { open } = openTab();
    open("a");
    await pass();
    open("b");
    await vi.advanceTimersByTimeAsync(10); // the new lock is requested, and not yet granted
    window.dispatchEvent(new Event("pagehide"));
    await pass();
    const { held } = await Promise.all([navigator.locks.query(), vi.advanceTimersByTimeAsync(10)]).then(([locks]) => locks);
    expect(held!.map(({ name }) => name)).toEqual([]);
  });

  it("drop what a crashed tab wanted within a minute", async () => {
    const [first, second] = [openTab(), openTab()];
    first.open("a");
    second.open("b");
    await pass();
    expect(contents()).toEqual(["a", "b"]);
    browser.kill(second.tab); // closing then reaches no other tab
    second.close();
    await pass(10_000);
    for (let i = 0; i < 8; i++) await pass(8000);
    expect([server.connected.length, contents()]).toEqual([1, ["a"]]);
  });

  it("withdraw what they want in the back/forward cache", async () => {
    const rows = openTab().open("a");
    await pass();
    window.dispatchEvent(new Event("pagehide"));
    await pass();
    expect(server.connected).toHaveLength(0);
    server.write({ id: 1, status: "a", n: 1 });
    window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await pass();
    expect([data(rows), server.connected.length]).toEqual(["1.1", 1]);
  });
});

describe("tabs that come, go and crash while rows change", () => {
  for (const seed of Array.from({ length: Number(process.env.SEEDS ?? 10) }, (_, i) => i + 1)) {
    it(`never go back, and end equal to the database on one stream (seed ${seed})`, async () => {
      let state = seed * 7919;
      const random = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n;
      vi.spyOn(Math, "random").mockImplementation(() => random(1000) / 1000);
      const delay = () => random(4);
      browser = new FakeBrowser(delay);
      const statuses = ["a", "b", "c", "d"];
      server.listDelay = () => random(3) * 10;
      const followed: { tab: Tab; rows: Collection<Row>; filter: string | null; version: number }[] = [];
      const violations: string[] = [];
      const check = () => {
        for (const item of followed) {
          const { data } = item.rows.getSnapshot();
          if (!data) continue;
          const from = server.versions.findIndex((version, i) => i >= item.version && JSON.stringify(select(version, item.filter)) === JSON.stringify(data));
          if (from < 0) violations.push(`${item.filter} at ${item.version}: ${JSON.stringify(data)}`);
          else item.version = from;
        }
      };
      const forget = (gone: Tab) => followed.splice(0, followed.length, ...followed.filter(({ tab }) => tab !== gone));
      for (let step = 0; step < 150; step++) {
        const action = random(14);
        const living = tabs.filter(({ tab }) => !tab.dead) as ReturnType<typeof openTab>[];
        if (action < 5) server.write(random(4) === 0 ? { id: random(5) } : { id: random(5), status: statuses[random(4)]!, n: step });
        if (server.versions.length > 1 && isSameVersion(server.versions)) server.versions.pop();
        if (action === 5 && living.length < 4) openTab();
        if ((action === 6 || action === 7) && living.length > 0 && followed.length < 8) {
          const { tab, open } = living[random(living.length)]!;
          const chosen = random(4) === 0 ? [] : statuses.slice(random(4), 4);
          const rows = open(...chosen);
          rows.subscribe(check);
          followed.push({ tab, rows, filter: chosen.length === 0 ? null : `in.(${chosen})`, version: 0 });
        }
        if (action === 8 && followed.length > 0) {
          const [{ tab, rows }] = followed.splice(random(followed.length), 1) as [(typeof followed)[0]];
          browser.run(tab, () => rows.close());
        }
        if (action === 9 && followed.length > 0) void followed[random(followed.length)]!.rows.refetch();
        if (action === 10 && random(4) === 0) server.cut();
        if (action === 11 && random(2) === 0 && living.length > 1) {
          const { tab, close } = living[random(living.length)]!;
          forget(tab);
          if (random(2) === 0) browser.kill(tab); // closing then reaches no other tab
          close();
          tab.dead = true;
        }
        if (action > 11) server.serve();
        await vi.advanceTimersByTimeAsync(random(15));
      }
      expect(violations).toEqual([]);
      for (let i = 0; i < 5; i++) await pass(8000);
      for (const { rows, filter } of followed) {
        expect(rows.getSnapshot()).toMatchObject({ status: "open", stale: false, error: null });
        expect(rows.getSnapshot().data).toEqual(select(server.versions.at(-1)!, filter));
      }
      expect(server.connected.length).toBe(followed.length > 0 ? 1 : 0);
    });
  }
});
