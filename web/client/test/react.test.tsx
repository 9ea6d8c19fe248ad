// @vitest-environment jsdom
import { act, StrictMode, useState, type ReactElement } from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type Loaded } from "../src/index.js";
import { ClientProvider, useCollection, useEvents, useLiveQuery, useRealtimeUpdates, useStatus, type RealtimeUpdates, type RealtimeUpdatesOptions, type UseCollection, type UseEvents, type UseLiveQuery, type UseLiveQueryOptions, type UseStatus } from "../src/react/index.js";
import { ScriptedServer } from "./server.js";

const url = "http://pgherald.test/api/events";
let server: ScriptedServer;
let root: Root;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  server = new ScriptedServer();
  root = createRoot(document.createElement("div"));
});
afterEach(async () => {
  await act(() => root.unmount());
  await pass(300);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const pass = (milliseconds = 20) => act(() => vi.advanceTimersByTimeAsync(milliseconds));
const render = (element: ReactElement) => act(() => root.render(element));

async function open(): Promise<void> {
  await pass();
  server.last.sync({ mode: "live" }, "c0");
  await pass();
}

describe("useRealtimeUpdates", () => {
  let seen: RealtimeUpdates;
  let renders: number;
  const Probe = (options: RealtimeUpdatesOptions) => {
    renders++;
    seen = useRealtimeUpdates({ url, ...options });
    return <p>{seen.status}</p>;
  };
  beforeEach(() => {
    renders = 0;
  });

  it("returns isConnected and events", async () => {
    await render(<Probe />);
    expect(seen).toMatchObject({ isConnected: false, status: "connecting", events: [], lastEvent: null, error: null });
    await open();
    expect(seen.isConnected).toBe(true);
    server.last.event(1, "c1");
    server.last.event(2, "c2");
    await pass();
    expect(seen.events.map((event) => event.id)).toEqual([1, 2]);
    expect(seen.lastEvent?.id).toBe(2);
    expect(seen.stats.events).toBe(2);
  });

  it("opens one connection under StrictMode, and closes it with the last component", async () => {
    await render(<StrictMode><Probe /></StrictMode>);
    await open();
    expect(server.lines.filter((line) => !line.aborted)).toHaveLength(1);
    expect(server.lines).toHaveLength(1);
    await render(<StrictMode><p /></StrictMode>);
    await pass();
    expect(server.last.aborted).toBe(true);
  });

  it("calls the newest functions without a reconnect", async () => {
    const calls: string[] = [];
    const tokens: string[] = [];
    const element = (n: number) => (
      <Probe types={["activity_deleted"]} headers={{ "X-A": "1" }} onEvent={() => calls.push(`event ${n}`)} onReset={() => calls.push(`reset ${n}`)}
        token={() => { tokens.push(`token ${n}`); return `t${n}`; }} />
    );
    await render(element(1));
    await open();
    await render(element(2));
    server.last.event(1, "c1");
    server.last.sync({ mode: "reset", reason: "pruned" }, "c2");
    await pass();
    expect(server.lines).toHaveLength(1);
    expect(calls).toEqual(["event 2", "reset 2"]);
    server.last.end();
    await pass(5000);
    expect(tokens).toEqual(["token 1", "token 2"]);
  });

  it("reconnects when a value changes", async () => {
    await render(<Probe types={["a"]} />);
    await open();
    await render(<Probe types={["b"]} />);
    await pass();
    expect(server.lines.map((line) => [line.url.searchParams.get("types"), line.aborted])).toEqual([["a", true], ["b", false]]);
  });

  it("renders once for a burst, and keeps at most `history` events", async () => {
    await render(<Probe history={10} />);
    await open();
    const before = renders;
    for (let id = 1; id <= 5000; id++) server.last.event(id, `c${id}`);
    await pass();
    expect(renders - before).toBeLessThan(5);
    expect(seen.events.map((event) => event.id)).toEqual([4991, 4992, 4993, 4994, 4995, 4996, 4997, 4998, 4999, 5000]);
    expect(seen.stats.events).toBe(5000);
    act(() => seen.clear());
    expect(seen.events).toEqual([]);
    expect(seen.lastEvent?.id).toBe(5000);
  });

  it("is closed while disabled, and resumes at its cursor", async () => {
    await render(<Probe enabled={false} />);
    await pass();
    expect(seen.status).toBe("closed");
    expect(server.lines).toHaveLength(0);
    await render(<Probe />);
    await open();
    await render(<Probe enabled={false} />);
    await pass();
    expect([seen.status, server.last.aborted]).toEqual(["closed", true]);
    await render(<Probe />);
    await pass();
    expect(server.last.cursor).toBe("c0");
  });

  it("keeps its snapshot while nothing changes", async () => {
    let rerender!: (n: number) => void;
    const snapshots: unknown[] = [];
    const Parent = () => {
      rerender = useState(0)[1];
      snapshots.push(useRealtimeUpdates({ url }));
      return null;
    };
    await render(<Parent />);
    await open();
    act(() => rerender(1));
    act(() => rerender(2));
    expect(snapshots.at(-1)).toBe(snapshots.at(-2));
  });

  it("shows its error, and does not connect in server rendering", async () => {
    server.script.push(new Response("", { status: 403 }));
    await render(<Probe />);
    await pass();
    expect(seen).toMatchObject({ status: "closed", error: { fatal: true, status: 403 } });
    const lines = server.lines.length;
    expect(renderToString(<Probe />)).toBe("<p>connecting</p>");
    expect(server.lines).toHaveLength(lines);
  });
});

describe("useLiveQuery", () => {
  let seen: UseLiveQuery<string[]>;
  let loads: { status: string; resolve: (loaded: Loaded<string[]>) => void }[];
  const Probe = ({ status = "open", ...options }: { status?: string } & Partial<UseLiveQueryOptions<string[]>>) => {
    seen = useLiveQuery<string[]>({
      queryKey: [status],
      load: () => new Promise((resolve) => loads.push({ status, resolve })),
      apply: (data, events) => [...data, ...events.map((event) => `${status} ${event.id}`)],
      stream: { url, onStatus: () => {} },
      ...options,
    });
    return <p>{seen.data?.join() ?? "loading"}</p>;
  };
  beforeEach(() => {
    loads = [];
  });
  const loaded = async (data: string[], cursor: string) => {
    loads.at(-1)!.resolve({ data, cursor });
    await pass();
    server.last.sync({ mode: "resumed", events: 0 }, cursor);
    await pass();
  };

  it("loads, follows, and loads again after a reset, also under StrictMode", async () => {
    await render(<StrictMode><Probe /></StrictMode>);
    expect(seen).toMatchObject({ data: undefined, loading: true });
    expect(loads).toHaveLength(1);
    await loaded(["a"], "c0");
    expect(server.lines).toHaveLength(1);
    await render(<StrictMode><Probe /></StrictMode>);
    server.last.event(1, "c1");
    await pass();
    expect(seen).toMatchObject({ data: ["a", "open 1"], status: "open", stale: false });
    await pass(6000);
    server.last.sync({ mode: "reset", reason: "pruned" }, "c9");
    await pass();
    expect(seen).toMatchObject({ stale: true, loading: true });
    await loaded(["b"], "c10");
    expect(seen).toMatchObject({ data: ["b"], stale: false, loading: false });
    expect(server.last.cursor).toBe("c10");
  });

  it("loads another list when its key changes, and closes the previous stream", async () => {
    await render(<Probe />);
    await loaded(["a"], "c0");
    await render(<Probe status="closed" />);
    await pass();
    expect(loads.map((load) => load.status)).toEqual(["open", "closed"]);
    expect(server.lines[0]!.aborted).toBe(true);
    await loaded(["b"], "c5");
    expect(seen.data).toEqual(["b"]);
    act(() => void seen.refetch());
    expect(loads).toHaveLength(3);
  });

  it("starts with a list that a server loaded, in HTML and in the page", async () => {
    const initial = { data: ["from", "server"], cursor: "c7" };
    expect(renderToString(<Probe initial={initial} />)).toBe("<p>from,server</p>");
    await render(<Probe initial={initial} />);
    await pass();
    expect(loads).toHaveLength(0);
    expect(server.last.cursor).toBe("c7");
  });

  it("takes that list for its key only", async () => {
    const initial = { data: ["open ones"], cursor: "c7" };
    await render(<StrictMode><Probe initial={initial} /></StrictMode>);
    await render(<StrictMode><Probe initial={{ ...initial }} status="closed" /></StrictMode>);
    expect(seen.data).toBeUndefined();
    expect(loads.at(-1)!.status).toBe("closed");
    await render(<StrictMode><Probe initial={{ data: ["waiting ones"], cursor: "c8" }} status="waiting" /></StrictMode>);
    expect(seen.data).toEqual(["waiting ones"]);
  });

  it("neither loads nor connects while disabled", async () => {
    await render(<Probe enabled={false} />);
    await pass();
    expect([loads.length, server.lines.length]).toEqual([0, 0]);
  });
});

describe("useCollection", () => {
  interface Order {
    id: number;
    status: string;
  }
  const client = createClient({ url: "http://pgherald.test" });
  let seen: UseCollection<Order>;
  let lists: string[];
  const Orders = ({ status, enabled }: { status: string; enabled?: boolean }) => {
    seen = useCollection<Order>("orders", { where: { status: { in: [status] } }, limit: 10, enabled });
    return <p>{seen.data?.map(({ id }) => id).join() ?? "loading"}</p>;
  };
  const page = (status: string, enabled?: boolean) => (
    <StrictMode><ClientProvider client={client}><Orders status={status} enabled={enabled} /></ClientProvider></StrictMode>
  );
  beforeEach(() => {
    lists = [];
    server.list = (url) => {
      if (url.pathname === "/api/collections") return Response.json({ collections: [{ name: "orders", key: ["id"], fields: [{ name: "id" }, { name: "status" }], filter: [] }] });
      const status = url.searchParams.get("where.status")!;
      lists.push(status);
      const row = { id: status.length, status };
      return Response.json({ rows: [row], keys: [String(row.id)], cursor: `c${lists.length}`, next: null });
    };
  });

  it("loads once under StrictMode, follows, and keeps its snapshot while nothing changes", async () => {
    await render(page("open"));
    await pass();
    expect([lists, server.lines.length]).toEqual([["in.(open)"], 1]);
    server.last.sync({ mode: "resumed", events: 0 }, "c1");
    await pass();
    expect(seen).toMatchObject({ status: "open", data: [{ id: 9 }], keys: ["9"], stale: false });
    const before = seen;
    await render(page("open")); // with a new object for `where`
    expect(seen).toBe(before);
    server.last.send({ id: 1, type: "order_created", data: { id: 3, status: "open" }, collection: "orders", op: "insert", key: "3", xid: "1", timestamp: 1 }, "c2");
    await pass();
    expect(seen.data!.map(({ id }) => id)).toEqual([3, 9]);
    expect(server.lines).toHaveLength(1);
  });

  it("loads others when its filter changes, and closes the previous stream", async () => {
    await render(page("open"));
    await pass();
    await render(page("closed"));
    await pass();
    expect(lists).toEqual(["in.(open)", "in.(closed)"]);
    expect(server.lines.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(seen.data).toEqual([{ id: 11, status: "in.(closed)" }]);
    await act(() => seen.refetch());
    expect(lists).toHaveLength(3);
  });

  it("neither loads nor connects while disabled or in server rendering", async () => {
    await render(page("open", false));
    await pass();
    expect(renderToString(<Orders status="open" />)).toBe("<p>loading</p>");
    expect([lists.length, server.lines.length]).toEqual([0, 0]);
  });
});

describe("useEvents", () => {
  const client = createClient({ url: "http://pgherald.test/base", token: () => "t" });
  type Events = Record<"order_paid" | "a" | "b" | "c", { cents: number }>;
  let seen: UseEvents<Events>;
  let heard: string[];
  const Feed = ({ types, name = "a", enabled }: { types: (keyof Events)[]; name?: string; enabled?: boolean }) => {
    seen = useEvents<Events>({ types, history: 2, enabled, onEvent: (event) => heard.push(`${name} ${event.id}`) });
    return <p>{seen.events.map(({ id }) => id).join() || seen.status}</p>;
  };
  const page = (feed: ReactElement) => <StrictMode><ClientProvider client={client}>{feed}</ClientProvider></StrictMode>;
  beforeEach(() => {
    heard = [];
  });

  it("opens one stream of its client, keeps the last events, and calls the newest function", async () => {
    await render(page(<Feed types={["order_paid"]} />));
    await open();
    expect(server.lines.map(({ url }) => url.href)).toEqual(["http://pgherald.test/base/api/events?types=order_paid"]);
    expect(server.last.headers.get("Authorization")).toBe("Bearer t");
    await render(page(<Feed types={["order_paid"]} name="b" />));
    for (let id = 1; id <= 3; id++) server.last.event(id, `c${id}`, "order_paid", { cents: id });
    await pass();
    expect(seen).toMatchObject({ isConnected: true, lastEvent: { data: { cents: 3 } }, events: [{ id: 2 }, { id: 3 }] });
    expect([heard, server.lines.length]).toEqual([["b 1", "b 2", "b 3"], 1]);
    act(() => seen.clear());
    expect(seen.events).toEqual([]);
  });

  it("opens another when its filter changes, and none while disabled or on a server", async () => {
    await render(page(<Feed types={["a"]} />));
    await open();
    await render(page(<Feed types={["b"]} />));
    await pass();
    expect(server.lines.map(({ url, aborted }) => [url.searchParams.get("types"), aborted])).toEqual([["a", true], ["b", false]]);
    await render(page(<Feed types={["b"]} enabled={false} />));
    await pass();
    expect([seen.status, server.last.aborted]).toEqual(["closed", true]);
    expect(renderToString(page(<Feed types={["c"]} />))).toBe("<p>connecting</p>");
    expect(server.lines).toHaveLength(2);
  });
});

describe("useStatus", () => {
  it("shows the worst state of the client's collections and streams", async () => {
    const client = createClient({ url: "http://pgherald.test" });
    const Feed = () => <p>{useEvents({ types: ["a"] }).status}</p>;
    let seen!: UseStatus;
    const Mark = () => {
      seen = useStatus();
      return <p>{seen.status}</p>;
    };
    const page = (feed: ReactElement | null) => <StrictMode><ClientProvider client={client}><Mark />{feed}</ClientProvider></StrictMode>;
    expect(renderToString(page(<Feed />))).toContain("<p>closed</p>");
    await render(page(<Feed />));
    await open();
    expect(seen).toMatchObject({ status: "open", isConnected: true, error: null });
    server.last.cut();
    await pass();
    expect(seen).toMatchObject({ status: "reconnecting", isConnected: false, error: { kind: "network" } });
    await render(page(null));
    await pass();
    expect(seen).toMatchObject({ status: "closed", isConnected: false });
  });
});
