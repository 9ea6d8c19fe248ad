// Reads JSON without losing digits: a number that JavaScript would write differently (12345678901234567890, 12.50) keeps its text.

/** A number as the database wrote it. */
export class Exact {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }

  valueOf() {
    return Number(this.text);
  }

  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.text) : Number(this.text);
  }
}

const UNUSUAL = /\d{16}|[\d.]{17}|\.\d*0[,}\]\s]|\d[eE]|\.0*[,}\]\s]/;

/** Parses JSON. Where the browser does not show the reviver the source, digits may be lost, as with JSON.parse. */
export function parse(text) {
  if (!UNUSUAL.test(text)) return JSON.parse(text); // a reviver is slow, and most texts need none
  return JSON.parse(text, (key, value, context) => (typeof value === 'number' && context?.source !== undefined && context.source !== String(value) ? new Exact(context.source) : value));
}

/** Returns the text of a value as one reads it: a string without quotes, and JSON for objects. */
export function textOf(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return value instanceof Exact ? value.text : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Returns whether two values have the same JSON. */
export const isEqual = (a, b) => a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));
