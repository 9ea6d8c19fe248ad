import type { Description } from "./api.js";
import type { Entry } from "./window.js";

/** The order of a list, as the database has it. */
export interface RowOrder {
  compare(a: Entry<unknown>, b: Entry<unknown>): number;
  /** False if it depends on texts: then the database's collation decides, and `compare` is a guess. */
  isExact: boolean;
}

type Compare = (a: unknown, b: unknown) => number;

const orderItem = /("(?:[^"\\]|\\.)*"|[^,."]+)(?:\.(asc|desc))?(?:,|$)/gy;

/** Returns the order of a collection's list with the parameter `order`. The key follows, in the direction of the last field. */
export function rowOrder({ filter, key }: Description, order: string): RowOrder {
  const kinds = new Map(filter.map((field) => [field.name, field]));
  const terms = [...order.matchAll(orderItem)].map(([, name, direction]) => {
    const field = name!.startsWith('"') ? name!.slice(1, -1).replace(/\\(.)/g, "$1") : name!;
    return { field, compare: comparer(kinds.get(field)), sign: direction === "desc" ? -1 : 1 };
  });
  const keySign = terms.at(-1)?.sign ?? 1;
  const keyTerms = key.map((column) => comparer(kinds.get(column)));
  return {
    isExact: terms.every(({ field }) => isExact(kinds.get(field))) && key.every((column) => isExact(kinds.get(column))),
    compare(a, b) {
      for (const { field, compare, sign } of terms) {
        const order = compare((a.row as Record<string, unknown>)[field], (b.row as Record<string, unknown>)[field]);
        if (order !== 0) return sign * order;
      }
      return keySign * compareKeys(a.key, b.key, keyTerms);
    },
  };
}

type Field = Description["filter"][number] | undefined;

function isExact(field: Field): boolean {
  return field !== undefined && field.kind !== "text";
}

/** Returns a comparison of two values as JSON has them. A null is greater than any value. */
function comparer(field: Field): Compare {
  const compare = compareValues(field);
  return (a, b) => {
    if (a == null || b == null) return Number(a == null) - Number(b == null);
    return compare(a, b);
  };
}

function compareValues(field: Field): Compare {
  switch (field?.kind) {
    case "integer":
    case "numeric":
      return compareNumbers;
    case "enum": {
      const rank = new Map(field.labels?.map((label, i) => [label, i]));
      return (a, b) => (rank.get(a as string) ?? 0) - (rank.get(b as string) ?? 0);
    }
    case "date":
    case "timestamp":
    case "timestamptz":
      return compareTimes;
    default:
      return compareOrdered;
  }
}

function compareOrdered(a: any, b: any): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const digits = /^-?\d+$/;

/** Compares numbers, or texts of numbers, such as a bigint that is shown as a text. NaN is greater than any number. */
function compareNumbers(a: any, b: any): number {
  if (typeof a === "string" && digits.test(a)) a = BigInt(a);
  if (typeof b === "string" && digits.test(b)) b = BigInt(b);
  if (typeof a === "string") a = Number(a);
  if (typeof b === "string") b = Number(b);
  if (a !== a || b !== b) return Number(a !== a) - Number(b !== b);
  return compareOrdered(a, b);
}

/** Compares dates and times in the form of PostgreSQL's JSON, in which those of one year are in the order of their characters. */
function compareTimes(a: any, b: any): number {
  return compareOrdered(year(a), year(b)) || compareOrdered(afterYear(a), afterYear(b));
}

function year(time: string): number {
  if (time.endsWith("infinity")) return time.startsWith("-") ? -Infinity : Infinity;
  return parseInt(time, 10) * (time.endsWith(" BC") ? -1 : 1);
}

function afterYear(time: string): string {
  return time.slice(time.indexOf("-", 1));
}

/** Compares the texts of keys. That of several columns is a JSON array. */
function compareKeys(a: string, b: string, terms: readonly Compare[]): number {
  if (terms.length === 1) return terms[0]!(a, b);
  const left = keyParts(a);
  const right = keyParts(b);
  for (const [i, compare] of terms.entries()) {
    const order = compare(left[i], right[i]);
    if (order !== 0) return order;
  }
  return compareOrdered(a, b);
}

/** Returns the values of a key of several columns. */
export function keyParts(key: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(key);
    return Array.isArray(parts) ? parts : [key];
  } catch {
    return [key];
  }
}
