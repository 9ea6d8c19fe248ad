import { expect, it } from "vitest";
import { filterParams } from "../src/collection/where.js";

it("writes comparisons in the server's grammar", () => {
  const where = {
    status: { in: ["open", 'a "b"', "c,d", "(e)", "f\\g", ""] },
    total: { gt: 100, lte: 12345678901234567890n },
    note: null,
    paid: true,
    file: "eq.txt, raw \"value\"",
    placed: { gte: new Date("2026-01-31T12:30:00Z") },
    customer: { neq: null },
    kind: { not: { in: [1, 2] } },
  };
  expect(filterParams(where)).toEqual({
    where: {
      status: ['in.(open,"a \\"b\\"","c,d","(e)","f\\\\g","")'],
      total: ["gt.100", "lte.12345678901234567890"],
      note: ["is.null"],
      paid: ["eq.true"],
      file: ['eq.eq.txt, raw "value"'],
      placed: ["gte.2026-01-31T12:30:00.000Z"],
      customer: ["not.is.null"],
      kind: ["not.in.(1,2)"],
    },
    any: [],
  });
});

it("writes alternatives as a group, in which all is quoted", () => {
  const any = [{ status: "a,b" }, { total: { gt: 1, lt: 5 }, "odd.field": { not: { neq: null } } }];
  expect(filterParams({}, any).any).toEqual(['(status.eq."a,b",and(total.gt.1,total.lt.5,"odd.field".is.null))']);
});

it.each([
  [{ a: undefined }, "where.a is compared with undefined"],
  [{ a: ["x"] }, 'write { in: ["a", "b"] }'],
  [{ a: {} }, "where.a has no operator"],
  [{ a: { like: "x" } }, "where.a has the operator like"],
  [{ a: { in: "x" } }, "where.a.in must be a list"],
  [{ a: { in: [null] } }, "where.a is compared with null"],
  [{ a: { not: { gt: 1, lt: 2 } } }, "where.a.not must have one operator"],
])("refuses %j", (where, message) => {
  expect(() => filterParams(where)).toThrow(message);
});

it("refuses alternatives that match nothing or everything", () => {
  expect(() => filterParams({}, [])).toThrow("any is an empty list");
  expect(() => filterParams({}, [{}])).toThrow("any has an alternative without a condition");
});
