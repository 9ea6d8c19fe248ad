import { expect, it, vi } from "vitest";
import { activities, activitiesOf, type Activity } from "../src/activities/index.js";

const fields = (id: string, more: object = {}) => ({
  id, category: "c", subcategory: "s", location: "Berlin", status: "open", reporter: "r", assignedTo: null, timestamp: `2026-01-0${id}`, ...more,
});
const created = (id: string, more = {}) => ({ type: "activity_created", data: fields(id, more) });
const updated = (id: string, more = {}) => ({ type: "activity_updated", data: { ...fields(id, more), updateType: "status", latestUpdate: null } });
const deleted = (id: string) => ({ type: "activity_deleted", data: { id, timestamp: "" } });
const none: ReadonlyMap<string, Activity> = new Map();

it("creates, updates, assigns and deletes", () => {
  const { apply } = activities();
  const one = apply(none, [created("1"), created("2")]);
  expect([...one.keys()]).toEqual(["2", "1"]);
  const two = apply(one, [updated("1", { status: "closed", timestamp: "2026-02" }), { type: "assignment_changed", data: fields("1", { status: "closed", assignedTo: "ann", newAssigneeId: "ann" }) }]);
  expect(two.get("1")).toEqual({
    id: "1", category: "c", subcategory: "s", location: "Berlin", status: "closed", reporter: "r", assignedTo: "ann",
    latestUpdate: null, createdAt: "2026-01-01", updatedAt: "2026-02",
  });
  expect(two.get("2")).toBe(one.get("2"));
  expect([...apply(two, [deleted("1"), deleted("9")]).keys()]).toEqual(["2"]);
  expect(one.get("1")!.status).toBe("open");
});

it("returns the same map if no event concerns it", () => {
  const { apply } = activities();
  expect(apply(none, [{ type: "order_paid", data: {} }])).toBe(none);
});

it("applies the creation, change and deletion of a row in one batch", () => {
  const { apply } = activities();
  expect(apply(none, [created("1"), updated("1"), deleted("1")]).size).toBe(0);
  expect(apply(none, [created("1"), deleted("1"), created("1", { status: "new" })]).get("1")!.status).toBe("new");
});

it("adds and removes rows as they match the filter", () => {
  const { apply } = activities({ query: { status: ["open", "waiting"], assignedTo: "", q: "BER" } });
  const one = apply(none, [created("1"), created("2", { status: "closed" }), created("3", { location: "Paris" }), created("4", { assignedTo: "ann" })]);
  expect([...one.keys()]).toEqual(["1"]);
  const two = apply(one, [updated("1", { status: "closed" }), updated("2", { status: "waiting" })]);
  expect([...two.keys()]).toEqual(["2"]);
  expect(two.get("2")!.createdAt).toBeNull();
  const three = apply(one, [updated("1", { status: "closed" }), updated("1", { status: "waiting" })]);
  expect(three.get("1")).toMatchObject({ status: "waiting", createdAt: "2026-01-01" });
});

it("holds at most max rows", () => {
  const { apply } = activities({ max: 2 });
  expect([...apply(none, [created("1"), created("2"), created("3")]).keys()]).toEqual(["3", "2"]);
});

it("says when only the database knows which rows there are, or where", async () => {
  const page = (ids: string[], next: string | null) => activitiesOf({ activities: ids.map((id) => ({ ...merged(id) })), cursor: "c", next }).data;
  const merged = (id: string) => ({ ...fields(id), createdAt: `2026-01-0${id}`, updatedAt: "", latestUpdate: null });
  const { apply, needsReload } = activities({ max: 3, query: { status: "open" } });
  const whole = page(["3", "1"], null);
  expect([needsReload(whole), needsReload(apply(whole, [deleted("3")]))]).toEqual([false, false]);
  const cut = page(["4", "3", "2"], "p2");
  expect(needsReload(cut)).toBe(false);
  expect(needsReload(apply(cut, [deleted("3")]))).toBe(true); // row 1 follows
  const grown = apply(apply(whole, [created("5"), created("6")]), [deleted("6")]);
  expect([[...grown.keys()], needsReload(grown)]).toEqual([["5", "3"], true]); // row 1 was dropped
  const moved = apply(whole, [updated("2")]); // created at an unknown time
  expect([moved.has("2"), needsReload(moved), needsReload(apply(moved, [deleted("2")]))]).toEqual([true, true, true]);
  const all = activities({ max: 3 });
  expect([...all.apply(cut, [updated("1")]).keys()]).toEqual(["4", "3", "2"]); // older than those
});

it("keeps the newest first", () => {
  const { apply } = activities();
  const one = apply(none, [created("5"), created("7")]);
  expect([...apply(one, [created("6"), created("8")]).keys()]).toEqual(["8", "7", "6", "5"]);
});

it("loads all pages, with the first page's cursor", async () => {
  const requests: string[] = [];
  const pages: Record<string, object> = {
    "": { activities: [{ ...fields("2"), timestamp: "t", createdAt: "t" }], cursor: "c1", next: "p 2" },
    "p 2": { activities: [fields("1")], cursor: "c2", next: null },
  };
  vi.stubGlobal("fetch", async (url: URL, init: RequestInit) => {
    requests.push(`${new URL(url).search} ${new Headers(init.headers).get("Authorization")}`);
    return Response.json(pages[new URL(url).searchParams.get("after") ?? ""]);
  });
  const { load } = activities({ url: "http://pgherald.test/api/activities", query: { status: ["a", "b"] }, max: 700, request: () => ({ headers: { Authorization: "Bearer t" } }) });
  const { data, cursor } = await load({ signal: new AbortController().signal });
  expect([[...data.keys()], cursor]).toEqual([["2", "1"], "c1"]);
  expect(data.get("2")).not.toHaveProperty("timestamp");
  expect(requests).toEqual(["?limit=500&status=a&status=b Bearer t", "?limit=500&status=a&status=b&after=p+2 Bearer t"]);
});

it("gets another token after a 401, and gives up on a relative address where there is no page", async () => {
  const { signal } = new AbortController();
  const sent: unknown[] = [];
  vi.stubGlobal("fetch", async (_: URL, { headers }: RequestInit) => {
    sent.push(new Headers(headers).get("Authorization"));
    return sent.length === 1 ? new Response("", { status: 401 }) : Response.json({ activities: [], cursor: "c1", next: null });
  });
  const token = ({ reason }: { reason: string }) => reason;
  await activities({ url: "http://pgherald.test/api/activities", token }).load({ signal });
  expect(sent).toEqual(["Bearer connect", "Bearer rejected"]);
  await expect(activities().load({ signal })).rejects.toMatchObject({ kind: "setup", fatal: true, message: expect.stringContaining("give an absolute one") });
});

it("distinguishes fatal from temporary errors", async () => {
  const { load } = activities({ url: "http://pgherald.test/api/activities" });
  const { signal } = new AbortController();
  const respondWith = (response: Response | Error) => vi.stubGlobal("fetch", async () => {
    if (response instanceof Error) throw response;
    return response;
  });
  respondWith(new Response('{"detail":"no"}', { status: 403, headers: { "Content-Type": "application/problem+json" } }));
  await expect(load({ signal })).rejects.toMatchObject({ fatal: true, status: 403, message: expect.stringContaining("no") });
  respondWith(new Response("", { status: 503, headers: { "Retry-After": "7" } }));
  await expect(load({ signal })).rejects.toMatchObject({ fatal: false, retryAfter: 7000 });
  respondWith(new TypeError("refused"));
  await expect(load({ signal })).rejects.toMatchObject({ fatal: false, kind: "network" });
});
