"use client";
import { useMemo } from "react";
import { statusStore, type UseStatus, type UseStatusOptions } from "../bindings/status.js";
import { useClient } from "./client.js";
import { useStore } from "./use-store.js";

/** Provides a component with the state of its client's connections: the worst of its collections and streams. */
export function useStatus(options: UseStatusOptions = {}): UseStatus {
  const client = useClient(options.client);
  return useStore(useMemo(() => statusStore(client), [client]), true);
}
