import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient } from "../../src/index.js";
import { ScriptedServer } from "../server.js";
import { frameworks, type Shown } from "./frameworks.js";

describe.each(Object.entries(frameworks))("pgherald/%s", (_, mount) => {
  let server: ScriptedServer;
  let page: HTMLElement;
  let shown: Shown;
  let lists: string[];

  beforeEach(async () => {
    vi.useFakeTimers();
    server = new ScriptedServer();
    lists = [];
    server.list = (url) => {
      if (url.pathname === "/api/collections") return Response.json({ collections: [{ name: "orders", key: ["id"], fields: [{ name: "id" }, { name: "status" }], filter: [] }] });
      const status = url.searchParams.get("where.status")!.slice("eq.".length);
      lists.push(status);
      const row = { id: status.length, status };
      return Response.json({ rows: [row], keys: [String(row.id)], cursor: `c${lists.length}`, next: null });
    };
    page = document.createElement("div");
    shown = mount(page, createClient({ url: "http://pgherald.test" }));
    await pass();
  });
  afterEach(async () => {
    shown.unmount();
    await pass(300);
    expect(server.lines.filter(({ aborted }) => !aborted)).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  const pass = (milliseconds = 20) => vi.advanceTimersByTimeAsync(milliseconds);
  const content = () => [page.querySelector("p")!.textContent, page.querySelector("b")!.textContent];
  const open = () => server.lines.filter(({ aborted }) => !aborted);
  /** The stream, which rows and events share. */
  const line = () => open()[0]!;
  const selected = () => open().map(({ url }) => [...url.searchParams].filter(([name]) => name.startsWith("q.")).map(([, content]) => content));

  it("shows a collection, follows it, and passes on what to do with it", async () => {
    expect([content(), lists]).toEqual([["4", "connecting"], ["open"]]);
    line().sync({ mode: "resumed", events: 0 }, "c1");
    line().send({ id: 1, type: "order_created", data: { id: 3, status: "open" }, collection: "orders", op: "insert", key: "3", xid: "700", timestamp: 1 }, "c2");
    const arrived = shown.awaitXid("700");
    await pass();
    expect(content()[0]).toBe("3,4");
    await arrived;
    const loaded = shown.refetch();
    await pass();
    await loaded;
    expect([content()[0], lists]).toEqual(["4", ["open", "open"]]);
  });

  it("shows other rows and events once what it selects changes, and closes the streams before", async () => {
    expect(selected()).toEqual([["collection:orders;where.status=eq.open", "events;types=open"]]);
    await shown.select({ status: "closed" });
    expect(content()[0]).toBe("loading");
    await pass();
    expect([content()[0], lists]).toEqual(["6", ["open", "closed"]]);
    expect(selected()).toEqual([["collection:orders;where.status=eq.closed", "events;types=closed"]]);
  });

  it("keeps the last events", async () => {
    line().sync({ mode: "live" }, "c0");
    await pass();
    expect(content()[1]).toBe("open");
    for (let id = 1; id <= 3; id++) line().event(id, `c${id}`);
    await pass();
    expect(content()[1]).toBe("2,3");
    shown.clear();
    await pass();
    expect(content()[1]).toBe("open");
  });

  it("closes its streams while disabled, and keeps the rows", async () => {
    await shown.select({ enabled: false });
    await pass();
    expect([content(), open()]).toEqual([["4", "closed"], []]);
    await shown.select({ enabled: true });
    await pass();
    expect([lists, selected().flat().length, open().length]).toEqual([["open", "open"], 2, 1]);
  });

  it("shows the state of all connections of the client", async () => {
    const status = () => page.querySelector("i")!.textContent;
    expect(status()).toBe("connecting");
    line().sync({ mode: "resumed", events: 0 }, "c1");
    await pass();
    expect(status()).toBe("open");
    line().cut();
    await pass();
    expect(status()).toBe("reconnecting");
    await shown.select({ enabled: false });
    await pass();
    expect(status()).toBe("closed");
  });
});
