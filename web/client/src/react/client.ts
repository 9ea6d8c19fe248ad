"use client";
import { createContext, createElement, useContext, type ReactElement, type ReactNode } from "react";
import { clientOfPage } from "../bindings/collection.js";
import type { Client } from "../client.js";

const ClientContext = createContext<Client<any> | null>(null);

/** Gives the components in it a client. */
export function ClientProvider({ client, children }: { client: Client<any>; children?: ReactNode }): ReactElement {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Provides the client that the options name, or the one of the nearest ClientProvider, or that of the page's server. */
export function useClient(client: Client<any> | undefined): Client<any> {
  const given = useContext(ClientContext);
  return client ?? given ?? clientOfPage();
}
