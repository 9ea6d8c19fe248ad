import { expect, it } from "vitest";
import type { Description } from "../src/collection/api.js";
import { rowOrder } from "../src/collection/order.js";
import { changedWindow } from "../src/collection/changed-window.js";
import { Window } from "../src/collection/window.js";

const fields: Description["filter"] = [
  { name: "id", kind: "integer", operators: [] },
  { name: "n", kind: "numeric", operators: [] },
  { name: "at", kind: "timestamptz", operators: [] },
  { name: "mood", kind: "enum", operators: [], labels: ["zz", "aa"] },
  { name: "text", kind: "text", operators: [] },
];
const description: Description = { name: "t", key: ["id"], fields: [], filter: fields };

function sorted(order: string, rows: object[]): unknown[] {
  const { compare } = rowOrder(description, order);
  return rows.map((row, i) => ({ key: String(i), row })).sort(compare).map(({ row }) => Object.values(row)[0]);
}

it("orders values as PostgreSQL does", () => {
  const numbers = [{ n: null }, { n: "NaN" }, { n: 2 }, { n: "Infinity" }, { n: "9007199254740993" }, { n: "9007199254740992" }, { n: -1 }];
  expect(sorted("n", numbers)).toEqual([-1, 2, "9007199254740992", "9007199254740993", "Infinity", "NaN", null]);
  expect(sorted("n.desc", numbers)[0]).toBe(null);
  const times = ["infinity", "10000-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5+00:00", "2026-01-01T00:00:00+00:00", "0044-03-15T00:00:00+00:00 BC", "-infinity", "0044-03-16T00:00:00+00:00 BC"];
  expect(sorted("at", times.map((at) => ({ at })))).toEqual([times[5], times[4], times[6], times[3], times[2], times[1], times[0]]);
  expect(sorted("mood", [{ mood: "aa" }, { mood: null }, { mood: "zz" }])).toEqual(["zz", "aa", null]);
});

it("orders equal rows by the key, in the direction of the last field", () => {
  const rows = [{ key: "9", row: { n: 1 } }, { key: "10", row: { n: 1 } }];
  expect(rows.toSorted(rowOrder(description, "n").compare).map(({ key }) => key)).toEqual(["9", "10"]);
  expect(rows.toSorted(rowOrder(description, "n.desc").compare).map(({ key }) => key)).toEqual(["10", "9"]);
  const pairs = rowOrder({ ...description, key: ["id", "n"] }, "");
  expect(pairs.compare({ key: "[9, 2]", row: {} }, { key: "[10, 1]", row: {} })).toBeLessThan(0);
});

it("holds what the list has, whatever changes, until it must be loaded again", () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  let reloads = 0;
  for (let history = 0; history < 60; history++) {
    const text = ["", "n", "n.desc", "mood,n.desc"][history % 4]!;
    const order = rowOrder(description, text);
    const table = new Map<string, { n: number | null; mood: string }>();
    const newRow = () => ({ n: random(4) ? random(20) : null, mood: ["zz", "aa"][random(2)]! });
    for (let i = 0; i < 30; i++) table.set(String(random(60)), newRow());
    const list = () => [...table].map(([key, row]) => ({ key, row })).sort(order.compare);
    const limit = 1 + random(6);
    const load = () => {
      const all = list();
      const held = all.slice(0, Window.size(limit));
      return new Window(held, all.length > held.length ? held.at(-1)! : null, limit, description, text);
    };
    let window = load();
    for (let step = 0; step < 60; step++) {
      const changes = new Map<string, { n: number | null; mood: string } | null>();
      for (let i = 0; i <= random(3); i++) changes.set(String(random(60)), random(2) ? newRow() : null);
      for (const [key, row] of changes) row === null ? table.delete(key) : table.set(key, row);
      window = changedWindow(window, changes);
      if (window.needsReload) {
        reloads++;
        window = load();
      }
      const expected = list().slice(0, limit);
      expect(window.keys).toEqual(expected.map(({ key }) => key));
      expect(window.rows).toEqual(expected.map(({ row }) => row));
      if (table.size > limit) expect(window.hasMore).toBe(true);
    }
  }
  expect(reloads).toBeGreaterThan(5);
});

it("knows that it does not know the order of texts", () => {
  const order = rowOrder(description, "text");
  expect(order.isExact).toBe(false);
  const window = new Window([{ key: "1", row: { text: "a", n: 1 } }], null, 10, description, "text");
  expect(changedWindow(window, new Map([["1", { text: "a", n: 2 }]])).needsReload).toBe(false);
  expect(changedWindow(window, new Map([["2", { text: "b", n: 2 }]])).needsReload).toBe(true);
  const byKey = new Window<{ text: string; n: number }>([], null, 10, { ...description, key: ["text"] }, "");
  expect(changedWindow(byKey, new Map([["2", { text: "b", n: 2 }]])).needsReload).toBe(false);
});

it("is the same window if nothing that it holds changes", () => {
  const entry = { key: "1", row: { n: 1 } };
  const window = new Window([entry], entry, 1, description, "n");
  expect(changedWindow(window, new Map([["2", { n: 2 }], ["3", null]]))).toBe(window);
});
