import { expect, it } from "vitest";
import { follow } from "../src/sync.js";

it("writes all rows once they can be parsed, and none before", () => {
  let data = [{ id: 1, note: "bad" }, { id: 2, note: "b" }];
  let update = () => {};
  const rows = {
    getSnapshot: () => ({ data, keys: data.map(({ id }) => String(id)), error: null, status: "open", loading: false }),
    subscribe: (listener: () => void) => ((update = listener), () => {}),
    start: () => {},
    close: () => {},
  };
  const calls: unknown[] = [];
  const target = {
    begin: () => calls.push("begin"),
    write: ({ value }: { value: { id: number } }) => calls.push(value.id),
    commit: () => calls.push("commit"),
    markReady: () => calls.push("ready"),
    markError: () => calls.push("error"),
  };
  const parse = (row: { id: number; note: string }) => {
    if (row.note === "bad") throw new Error("bad");
    return row;
  };
  follow(rows as never, target as never, { getKey: (row: { id: number }) => row.id, parse });
  expect(() => update()).toThrow("bad");
  expect(calls).toEqual([]);
  data = [{ id: 1, note: "a" }, data[1]!];
  update();
  expect(calls).toEqual(["begin", 1, 2, "commit", "ready"]);
});
