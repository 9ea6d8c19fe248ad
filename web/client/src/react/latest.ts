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
