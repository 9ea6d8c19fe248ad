// Tests that optimistic writes last until their own events have come, with a real server.

import { createCollection } from "@tanstack/db";
import { createClient } from "pgherald";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { pgheraldCollectionOptions } from "../src/index.js";
import { Server } from "./server.js";

interface Order {
  id: number;
  status: string;
  note: string;
}

const schema = `
  create table public.orders (id bigint primary key, status text not null, note text not null);
  insert into public.orders values (1, 'open', 'first');`;

/** Ends only what hangs. */
const WAIT = 60_000;

let server: Server;
let lists = 0;
beforeAll(async () => {
  server = await Server.start('tables: [{ name: public.orders, collection: orders, filter: "*" }]', schema);
});
afterAll(() => server?.stop());

const countLists: typeof fetch = (input, init) => {
  if (/\/api\/collections\/orders/.test(String(input))) lists++;
  return fetch(input, init);
};

/** Writes as an API does, and returns the number of the transaction. */
const write = (statement: string) => server.sql(`begin; ${statement}; select pgherald.xid(); commit`);
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

it("an insert, an update that leaves the filter, and a delete are held until their events, without loading anything again", async () => {
  const orders = createCollection(
    pgheraldCollectionOptions<Order, number>({
      client: createClient({ url: server.url, fetch: countLists }),
      name: "orders",
      where: { status: "open" },
      getKey: ({ id }) => id,
      writeTimeout: 60_000,
      onInsert: ({ transaction: { mutations: [{ modified }] } }) => write(`insert into public.orders values (${modified.id}, 'open', upper(${literal(modified.note)}))`),
      onUpdate: ({ transaction: { mutations: [{ key, changes }] } }) => write(`update public.orders set status = ${literal(changes.status!)} where id = ${key}`),
      onDelete: ({ transaction: { mutations: [{ key }] } }) => write(`delete from public.orders where id = ${key}`),
    }),
  );
  await orders.preload();
  await vi.waitFor(() => expect(orders.utils.getSnapshot()?.status).toBe("open"), WAIT);
  const seen: string[] = [];
  orders.subscribeChanges(() => seen.push([...orders.values()].map(({ id, note }) => `${id} ${note}`).sort().join()), { includeInitialState: true });

  const inserted = orders.insert({ id: 2, status: "open", note: "it's mine" });
  expect(orders.get(2)?.note).toBe("it's mine");
  await inserted.isPersisted.promise;
  await vi.waitFor(() => expect(orders.get(2)?.note).toBe("IT'S MINE"), WAIT);
  await orders.update(2, (order) => void (order.status = "closed")).isPersisted.promise;
  await vi.waitFor(() => expect(orders.has(2)).toBe(false), WAIT);
  await orders.delete(1).isPersisted.promise;
  await vi.waitFor(() => expect(orders.size).toBe(0), WAIT);
  expect(seen.filter((text, i) => text !== seen[i - 1])).toEqual(["1 first", "1 first,2 it's mine", "1 first,2 IT'S MINE", "1 first", ""]);
  expect(lists).toBe(1);
  await orders.cleanup();
});
