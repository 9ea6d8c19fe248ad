"use client";
import { useEffect, useRef } from "react";

/** Holds what was passed with the last render that came to be: a new function is no reason to reconnect. */
export function useLatest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
}

/** One spelling of options without functions: what must change for there to be another stream. */
export function keyOf(options: object): string {
  return JSON.stringify(options, (_, value: unknown) => {
    if (typeof value === "function") return "function";
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
