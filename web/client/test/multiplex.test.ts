import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type Client, type ClientOptions, type EventStream, type EventsOptions } from "../src/index.js";
import { Journal } from "./journal.js";
import { problem } from "./server.js";

const url = "http://pgherald.test";
let server: Journal;
let client: Client;

const start = (options: ClientOptions = {}) => (client = createClient({ url, ...options }));

beforeAll(() => import("../src/transport-poll.js")); // modules are not loaded in the fake time of the tests
beforeEach(() => {
  vi.useFakeTimers({ now: 1_764_000_000_000 });
  server = new Journal();
  start();
});
afterEach(() => {
  client.close();
  expect(server.connected, "connections of a closed client").toHaveLength(0);
  expect(vi.getTimerCount(), "timers of a closed client").toBe(0);
  vi.useRealTimers();
});

async function pass(milliseconds = 50): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await vi.advanceTimersByTimeAsync(milliseconds / 5);
    server.serve();
  }
  await vi.advanceTimersByTimeAsync(1);
}

/** A stream with what it has received. */
function follow(types: string[], options: EventsOptions = {}) {
  const ids: number[] = [];
  const log: string[] = [];
  const stream: EventStream = client.events({ ...(types.length > 0 && { types }), ...options, onReset: ({ reason }) => log.push(reason), onStatus: (status) => log.push(status) });
  stream.on("*", ({ id }) => ids.push(id!));
  return { stream, ids, log };
}

const contents = (line = server.connected.at(-1)!) => [...line.url.searchParams].filter(([name]) => name.startsWith("q.")).map(([, content]) => decodeURIComponent(content));

describe("the streams of events of a client", () => {
  it("share one connection, of which each has its own events", async () => {
    const all = ["a", "b", "c", "d", "e", "f", "g"].map((type) => follow([type]));
    const every = follow([]);
    const same = follow(["a"]);
    await pass();
    expect(server.lines).toHaveLength(1);
    expect(contents()).toEqual(["events", ...["a", "b", "c", "d", "e", "f", "g"].map((type) => `events;types=${type}`)]);
    const [a, b] = server.write("a", "b");
    const [g] = server.write("g");
    await pass();
    expect(all.map(({ ids }) => ids)).toEqual([[a], [b], [], [], [], [], [g]]);
    expect([every.ids, same.ids]).toEqual([[a, b, g], [a]]);
    expect(all[2]!.stream).toMatchObject({ status: "open", lastEventId: "c2", error: null });
    expect(server.pages).toBe(0);
    for (const { stream } of [...all, every]) stream.close();
    await pass(1100);
    expect(server.connected.map(({ url }) => url.search)).toEqual(["?types=a&since=c2"]);
    same.stream.close();
  });

  it("have an alone one as every server has it", async () => {
    const { stream } = follow(["b", "a"], { key: ["7", "2"], where: { location: "A;B" } });
    await pass();
    expect(server.last.url.search).toBe("?key=2&key=7&types=a%2Cb&where.location=A%3BB");
    stream.close();
  });

  it("begin at the time at which they are opened, without a change for the others", async () => {
    const first = follow(["a"]);
    await pass();
    server.write("b"); // which the stream does not have, so that its cursor stays
    await pass();
    const second = follow(["b"]);
    await vi.advanceTimersByTimeAsync(12);
    server.pageDelay = 5;
    server.serve(); // the next connection is open, and the page requested
    await vi.advanceTimersByTimeAsync(1);
    const [a, b] = server.write("a", "b");
    server.serve();
    await pass();
    expect(server.lines).toHaveLength(2);
    const [later] = server.write("b");
    await pass();
    expect([first.ids, second.ids]).toEqual([[a], [b, later]]);
    expect(first.log).toEqual(["connecting", "open"]);
    expect(second.log).toEqual(["connecting", "open"]);
    expect(server.pages).toBe(1);
  });

  it("begin with a whole transaction, and those before keep theirs", async () => {
    const first = follow(["a", "b"]);
    await pass();
    const written = server.write("a", "b", "a");
    server.serve(2); // without the end of the transaction
    await vi.advanceTimersByTimeAsync(1);
    expect(first.ids).toEqual(written.slice(0, 1)); // the second may be the last of its transaction
    const same = follow(["a", "b"]);
    await pass();
    const next = server.write("b");
    await pass();
    expect([first.ids, same.ids]).toEqual([[...written, ...next], next]);
    expect(first.stream.stats.duplicates).toBe(0);
  });

  it("keep an incomplete transaction when others join", async () => {
    const first = follow(["a", "b"]);
    const cursors: (string | null)[] = [];
    first.stream.on("*", (_, { cursor }) => cursors.push(cursor));
    await pass();
    const written = server.write("a", "b", "c", "a", "c");
    server.serve(2);
    await vi.advanceTimersByTimeAsync(1);
    const second = follow(["c"]);
    await pass();
    expect(first.ids).toEqual([written[0], written[1], written[3]]);
    expect(cursors).toEqual([null, null, "c1"]);
    expect(second.ids).toEqual([]); // it was written before
  });

  it.each([0, 30])("begin after a cursor, without a gap or a repetition, with pages that take %i ms", async (pageDelay) => {
    const before = [server.write("b"), server.write("b"), server.write("a", "b")];
    const first = follow(["a"]);
    await pass();
    server.pageDelay = pageDelay;
    const second = follow(["b"], { since: "c1" });
    const newest = follow(["b"], { since: "c3" });
    const during = [server.write("b")];
    await vi.advanceTimersByTimeAsync(15);
    during.push(server.write("b", "a"));
    await pass(200);
    during.push(server.write("b"));
    await pass();
    expect(second.ids).toEqual([...before[1]!, before[2]![1], ...during[0]!, during[1]![0], ...during[2]!]);
    expect(newest.ids).toEqual([...during[0]!, during[1]![0], ...during[2]!]);
    expect(first.ids).toEqual([during[1]![1]]);
    expect(server.connected).toHaveLength(1);
    expect(second.log).toEqual(["connecting", "open"]);
    expect(second.stream.stats.role).toBe("own");
  });

  it("begin all the same if the page does not come", async () => {
    const first = follow(["a"]);
    await pass();
    const [missed] = server.write("b");
    server.page = () => new Promise<Response>(() => {});
    const second = follow(["b"]);
    await pass();
    const [b] = server.write("b");
    await pass(9000);
    expect([second.stream.status, second.ids]).toEqual(["connecting", []]);
    await pass(2000);
    expect([second.stream.status, second.ids, first.ids]).toEqual(["open", [missed, b], []]);
  });

  it("resume after they were closed", async () => {
    const first = follow(["a"]);
    const second = follow(["b"]);
    await pass();
    const [, b] = server.write("a", "b");
    await pass();
    second.stream.close();
    const missed = server.write("b");
    await pass(1200);
    expect(contents()).toEqual([]);
    second.stream.connect();
    await pass(100);
    const next = server.write("b");
    await pass();
    expect(second.ids).toEqual([b, ...missed, ...next]);
    expect([first.ids.length, first.log, server.connected.length]).toEqual([1, ["connecting", "open"], 1]);
  });

  it("begin together after the same cursor on one connection", async () => {
    server.write("a", "b");
    const [first, second] = [follow(["a"], { since: "c0" }), follow(["b"], { since: "c0" })];
    await pass();
    expect([first.ids, second.ids, server.lines.length, server.pages]).toEqual([[1], [2], 1, 0]);
  });

  it("deliver all that was missed while they were disconnected", async () => {
    const [first, second] = [follow(["a"]), follow(["b"])];
    await pass();
    server.write("a", "b");
    await pass();
    server.cut();
    server.write("b", "a");
    await pass(3000);
    expect([first.ids, second.ids]).toEqual([[1, 4], [2, 3]]);
    expect(first.log).toEqual(["connecting", "open", "reconnecting", "open"]);
    expect(first.stream.stats).toMatchObject({ opens: 2, reconnects: 1, events: 2 });
  });

  it("all get a reset, but not one that begins after it", async () => {
    const [first, second] = [follow(["a"]), follow(["b"])];
    await pass();
    server.last.sync({ mode: "reset", reason: "pruned" }, "c0");
    await pass();
    const third = follow(["c"]);
    await pass();
    expect([first.log, second.log, third.log].map((log) => log.filter((line) => line === "pruned").length)).toEqual([1, 1, 0]);
  });

  it("need another connection for more than 16 of them", async () => {
    const all = Array.from({ length: 20 }, (_, i) => follow([`t${i}`]));
    await pass();
    expect(server.lines.map((line) => contents(line).length)).toEqual([16, 4]);
    const written = server.write(...Array.from({ length: 20 }, (_, i) => `t${i}`));
    await pass();
    expect(all.flatMap(({ ids }) => ids)).toEqual(written);
  });

  it("have connections of their own with windows or conflation", async () => {
    follow(["a"], { batch: "250ms" });
    follow(["a"], { conflate: true });
    follow(["a"]);
    await pass();
    expect(server.lines.map(({ url }) => url.search).sort()).toEqual(["?types=a", "?types=a&batch=250ms", "?types=a&conflate=1"]);
  });

  it("go on without one that the server refuses, which gets the error", async () => {
    server.refuseStream = ({ searchParams }) => {
      const [name] = [...searchParams].find(([, content]) => content.includes("misspelt")) ?? [];
      return name === undefined ? undefined : problem(400, { detail: "misspelt", errors: [{ field: name, detail: "misspelt" }] });
    };
    const errors: string[] = [];
    const [good, bad, other] = [follow(["a"]), follow(["misspelt"], { onError: ({ message }) => errors.push(message) }), follow(["b"])];
    await pass(200);
    expect(server.connected.map((line) => contents(line))).toEqual([["events;types=a", "events;types=b"]]);
    expect([good.stream.status, bad.stream.status, other.stream.status]).toEqual(["open", "closed", "open"]);
    expect(errors).toEqual([expect.stringContaining("misspelt")]);
    server.refuseStream = () => undefined;
    bad.stream.connect();
    await pass();
    expect(bad.stream.status).toBe("open");
  });

  it("have connections of their own on a server that knows no selections of events", async () => {
    server.refuseStream = ({ searchParams }) => {
      const [name] = [...searchParams].find(([, content]) => content.startsWith("events")) ?? [];
      return name?.startsWith("q.") ? problem(400, { errors: [{ field: name, detail: "must begin with the collection" }] }) : undefined;
    };
    const all = [follow(["a"]), follow(["b"]), follow(["c"])];
    await pass(200);
    const late = follow(["d"]);
    await pass(100);
    expect(server.connected.map(({ url }) => url.search).sort()).toEqual(["?types=a", "?types=b", "?types=c", "?types=d"]);
    server.write("a", "b", "c", "d");
    await pass();
    expect([...all, late].map(({ ids }) => ids)).toEqual([[1], [2], [3], [4]]);
  });

  it("are closed by a fatal error, and connect again", async () => {
    server.script.push(problem(403, { detail: "no" }));
    const errors: string[] = [];
    const [first, second] = [follow(["a"], { onError: ({ message }) => errors.push(message) }), follow(["b"], { onError: ({ message }) => errors.push(message) })];
    await pass();
    expect([first.stream.status, second.stream.status, errors.length]).toEqual(["closed", "closed", 2]);
    first.stream.connect();
    await pass();
    second.stream.connect();
    await pass();
    server.write("a", "b");
    await pass();
    expect([first.ids, second.ids, server.connected.length]).toEqual([[1], [2], 1]);
  });

  it("may be closed within a listener", async () => {
    const first = follow(["a", "b"]);
    const second = follow(["b"]);
    first.stream.on("b", () => {
      first.stream.close();
      second.stream.close();
    });
    await pass();
    server.write("a", "b", "b");
    await pass();
    expect([first.ids, second.ids]).toEqual([[1, 2], []]);
    second.stream.connect();
    await pass(100);
    expect(second.ids).toEqual([2, 3]);
  });

  it("share a connection with the client's token", async () => {
    start({ token: () => "secret" });
    follow(["a"]);
    await pass();
    follow(["b"]);
    await pass();
    expect(server.lines.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer secret", "Bearer secret"]);
    expect(server.connected).toHaveLength(1);
  });

  it("deliver each event once, however they come and go", async () => {
    let seed = 17;
    const random = (below: number) => Math.floor(((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648) * below);
    const types = ["a", "b", "c", "d"];
    const streams: (ReturnType<typeof follow> & { types: string[]; from: number })[] = [];
    for (let step = 0; step < 400; step++) {
      switch (random(8)) {
        case 0: {
          if (streams.length > 24) break;
          const chosen = types.filter(() => random(2) === 0);
          const from = random(server.transactions.length + 1);
          streams.push({ ...follow(chosen, { since: `c${from}` }), types: chosen, from });
          break;
        }
        case 1:
          streams[random(streams.length)]?.stream.close();
          break;
        case 2:
          streams[random(streams.length)]?.stream.connect();
          break;
        case 3:
          if (random(3) === 0) server.cut();
          break;
        case 4:
          server.serve(random(4));
          break;
        case 5:
          server.beat();
          break;
        default:
          server.write(...Array.from({ length: 1 + random(4) }, () => types[random(4)]!));
      }
      server.pageDelay = random(2) * 20;
      await vi.advanceTimersByTimeAsync(random(3) * random(40));
    }
    for (const { stream } of streams) stream.connect();
    for (let i = 0; i < 8; i++) await pass(5000);
    for (const { ids, types, from, stream } of streams) {
      const wanted = server.transactions.slice(from).flatMap((events) => events.filter(({ type }) => types.length === 0 || types.includes(type)).map(({ id }) => id));
      expect([...ids].sort((a, b) => a - b), `${types} after c${from}, ${stream.status}`).toEqual(wanted);
    }
    expect(server.connected.length).toBe(Math.ceil(new Set(streams.map(({ types }) => types.join())).size / 16));
  });
});
