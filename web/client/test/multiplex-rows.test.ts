// @vitest-environment jsdom
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type Client, type EventStream } from "../src/index.js";
import { loadSelections } from "../src/collection/lazy-selections.js";
import { loadSharing } from "../src/sources.js";
import { FakeBrowser, type Tab } from "./browser.js";
import { Table, type Row } from "./table.js";

const url = "http://pgherald.test";
let server: Table;
let browser: FakeBrowser;
let tabs: { tab: Tab; client: Client<{ rows: Row }> }[];

beforeAll(() => Promise.all([loadSharing(), loadSelections(), import("../src/transport-poll.js")]));
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

function openTab(shared = true) {
  const tab: Tab = { dead: false };
  const client = browser.run(tab, () => createClient<{ rows: Row }>({ url, shared }));
  tabs.push({ tab, client });
  return {
    tab,
    rows: (status: string) => browser.run(tab, () => client.collection("rows", { where: { status: { in: [status] } } })),
    events: (...types: string[]) => browser.run(tab, () => follow(client.events({ types }))),
  };
}

function follow(stream: EventStream<any>) {
  const ids: number[] = [];
  stream.on("*", ({ id }) => ids.push(id!));
  return { ids, stream };
}

async function pass(milliseconds = 100): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await vi.advanceTimersByTimeAsync(milliseconds / 10);
    server.serve();
  }
  server.beat(); // the cursors of all streams become equal
  await vi.advanceTimersByTimeAsync(20);
}

const contents = () => [...server.connected.at(-1)!.url.searchParams].filter(([name]) => name.startsWith("q.")).map(([, content]) => decodeURIComponent(content));

describe("streams of events", () => {
  it("share the connection of collections, which begins at the first list", async () => {
    const { rows, events } = openTab(false);
    server.write({ id: 1, status: "a", n: 0 });
    const [list, row, other] = [rows("a"), events("row"), events("other")];
    await pass();
    expect([server.lines.length, contents()]).toEqual([1, ["collection:rows;where.status=in.(a)", "events;types=other", "events;types=row"]]);
    server.write({ id: 1, status: "b", n: 1 });
    await pass();
    expect([list.getSnapshot().data, row.ids, row.stream.status, other.stream.status]).toEqual([[], [2], "open", "open"]);
  });

  it("do not wait for a list that takes long, which is read again then", async () => {
    const { rows, events } = openTab(false);
    server.listDelay = () => 1500;
    const [list, row] = [rows("a"), events("row")];
    await pass(1100);
    server.listDelay = () => 0;
    expect(row.stream.status).toBe("open");
    server.write({ id: 1, status: "a", n: 1 });
    await pass(3000);
    await pass();
    expect([row.ids, list.getSnapshot().data, list.getSnapshot().status]).toEqual([[1], [{ id: 1, status: "a", n: 1 }], "open"]);
    expect(server.connected).toHaveLength(1);
  });

  it("share one connection over all tabs, with collections, also when the first one closes", async () => {
    const [first, second] = [openTab(), openTab()];
    const one = [first.events("row"), first.events("row", "a"), first.events("row", "b")];
    await pass();
    server.write({ id: 1, status: "a", n: 1 });
    await pass();
    const two = [second.events("row", "c"), second.events("row", "d")];
    const list = second.rows("a");
    await pass(300);
    expect([server.connected.length, contents().length]).toEqual([1, 6]);
    server.write({ id: 1, status: "a", n: 2 });
    await pass();
    expect([...one, ...two].map(({ ids }) => ids)).toEqual([[1, 2], [1, 2], [1, 2], [2], [2]]);
    browser.run(first.tab, () => tabs[0]!.client.close());
    server.write({ id: 1, status: "a", n: 3 });
    await pass(2000);
    expect(two.map(({ ids }) => ids)).toEqual([[2, 3], [2, 3]]);
    expect(list.getSnapshot().data).toEqual([{ id: 1, status: "a", n: 3 }]);
    expect(server.connected).toHaveLength(1);
  });
});
