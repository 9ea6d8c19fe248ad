"use client";
import { useEffect, useRef } from "react";

/** Keeps the value of the last committed render, so that a new function causes no reconnect. */
export function useLatest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
}

/** Serializes options in one canonical form, without functions. A hook opens another stream only if this changes. */
export function keyOf(options: object): string {
  return JSON.stringify(options, (_, value: unknown) => {
    if (typeof value === "function") return "function";
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
