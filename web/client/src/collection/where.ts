/** A value to compare with. A Date is its `toISOString`, for a timestamptz. */
export type FilterValue = string | number | bigint | boolean | Date;

/** What a field of type T is compared with. Numbers may be texts or bigints, so that they keep all digits. */
export type OperandOf<T> = unknown extends T
  ? FilterValue
  : T extends string
    ? T | Date
    : T extends number
      ? number | bigint | string
      : T extends boolean
        ? boolean
        : never;

/** Comparisons, of which all must hold. A comparison with null asks for null; any other is never true for a field that is null. */
export interface Operators<Operand> {
  eq?: Operand | null;
  neq?: Operand | null;
  in?: readonly Operand[];
  gt?: Operand;
  gte?: Operand;
  lt?: Operand;
  lte?: Operand;
  /** One comparison, whose opposite must hold. */
  not?: Omit<Operators<Operand>, "not">;
}

/** A condition for each field, of which all must hold: a value, null, or operators. */
export type Where<Row = Record<string, unknown>> = {
  readonly [Field in keyof Row & string]?: OperandOf<Row[Field]> | null | Operators<OperandOf<Row[Field]>>;
};

type Condition = FilterValue | null | Operators<FilterValue>;

/** The parameters of a filter, by name. */
export interface FilterParams {
  /** By field. */
  where: Record<string, string[]>;
  any: string[];
}

const names = new Set(["eq", "neq", "in", "gt", "gte", "lt", "lte"]);

/** Writes a filter in the grammar of lists and streams. Throws a TypeError if it cannot. */
export function filterParams(where: object = {}, any?: readonly object[]): FilterParams {
  const fields = Object.entries(where).map(([field, condition]) => [field, comparisons(field, condition as Condition, String)] as const);
  return { where: Object.fromEntries(fields), any: any === undefined ? [] : [group(any)] };
}

/** Writes a word of a list or a group. Words with one of the characters in `special` are quoted. */
export function quote(word: string, special = /[,()"\\]/): string {
  return word !== "" && !special.test(word) ? word : `"${word.replace(/["\\]/g, "\\$&")}"`;
}

function group(alternatives: readonly object[]): string {
  if (alternatives.length === 0) throw new TypeError("any is an empty list, which nothing matches: leave it out");
  const items = alternatives.map((where) => {
    const all = Object.entries(where).flatMap(([field, condition]) =>
      comparisons(field, condition as Condition, quote).map((comparison) => `${quote(field, /[.,()"\\]/)}.${comparison}`),
    );
    if (all.length === 0) throw new TypeError("any has an alternative without a condition");
    return all.length === 1 ? all[0] : `and(${all.join(",")})`;
  });
  return `(${items.join(",")})`;
}

/** Returns the comparisons of a field, such as "gt.100". `write` writes a value that is not in a list. */
function comparisons(field: string, condition: Condition, write: (value: string) => string): string[] {
  if (Array.isArray(condition)) throw new TypeError(`where.${field} is a list: write { in: ["a", "b"] }`);
  if (!isOperators(condition)) return [comparison(field, "eq", condition, write)];
  const all = Object.entries(condition).flatMap(([name, operand]) => {
    if (name !== "not") return comparison(field, name, operand, write);
    const negated = isOperators(operand) ? comparisons(field, operand, write) : [];
    if (negated.length !== 1) throw new TypeError(`where.${field}.not must have one operator, as in { not: { in: ["a", "b"] } }`);
    return negated[0]!.startsWith("not.") ? negated[0]!.slice("not.".length) : `not.${negated[0]}`;
  });
  if (all.length === 0) throw new TypeError(`where.${field} has no operator: leave it out`);
  return all;
}

function isOperators(condition: unknown): condition is Operators<FilterValue> {
  return typeof condition === "object" && condition !== null && !(condition instanceof Date);
}

function comparison(field: string, name: string, operand: unknown, write: (value: string) => string): string {
  if (!names.has(name)) throw new TypeError(`where.${field} has the operator ${name}: there are ${[...names].join(", ")} and not`);
  if (operand === null && name === "eq") return "is.null";
  if (operand === null && name === "neq") return "not.is.null";
  if (name !== "in") return `${name}.${write(text(field, operand))}`;
  if (!Array.isArray(operand)) throw new TypeError(`where.${field}.in must be a list`);
  return `in.(${operand.map((value) => quote(text(field, value))).join(",")})`;
}

function text(field: string, value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) return String(value);
  throw new TypeError(`where.${field} is compared with ${String(value)}: leave the field out, or use null for a null in the database`);
}
