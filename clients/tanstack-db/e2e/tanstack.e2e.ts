// Runs the suites of TanStack DB for collections, which are not on npm, against a real server: README.md says how.

import { BasicIndex, createCollection, type Collection } from "@tanstack/db";
import { createClient, type Client } from "pgherald";
import { afterAll, beforeAll, describe } from "vitest";
import { pgheraldCollectionOptions } from "../src/index.js";
import { Server } from "./server.js";

const source = process.env.TANSTACK_DB_E2E;
if (!source) throw new Error("set TANSTACK_DB_E2E to packages/db-collection-e2e in a checkout of TanStack/db");

type Row = Record<string, any> & { id: string };
type Table = "users" | "posts" | "comments";

const schema = `
  create table public.users (id uuid primary key, name text not null, email text, age integer not null, "isActive" boolean not null,
    "createdAt" timestamptz not null, metadata jsonb, "deletedAt" timestamptz);
  create table public.posts (id uuid primary key, "userId" uuid not null, title text not null, content text, "viewCount" integer not null,
    "largeViewCount" bigint not null, "publishedAt" timestamptz, "deletedAt" timestamptz);
  create table public.comments (id uuid primary key, "postId" uuid not null, "userId" uuid not null, text text not null,
    "createdAt" timestamptz not null, "deletedAt" timestamptz)`;

const spec = `tables: [${["users", "posts", "comments"].map((table) => `{ name: public.${table}, collection: ${table}, filter: "*", bigint: text }`)}]`;

/** Makes dates and bigints of what JSON has, as the rows of the suites have them. */
function parse(raw: Row): Row {
  const entries = Object.entries(raw).map(([name, value]) => {
    if (value !== null && /At$/.test(name)) return [name, new Date(value as string)];
    return [name, name === "largeViewCount" ? BigInt(value as string) : value];
  });
  return Object.fromEntries(entries) as Row;
}

const suite = (name: string) => import(/* @vite-ignore */ `${source}/src/suites/${name}.suite.ts`) as Promise<Record<string, (getConfig: () => Promise<any>) => void>>;
const { generateSeedData } = (await import(/* @vite-ignore */ `${source}/src/fixtures/seed-data.ts`)) as { generateSeedData(): Record<Table, Row[]> };
const suites = [
  (await suite("predicates")).createPredicatesTestSuite!,
  (await suite("pagination")).createPaginationTestSuite!,
  (await suite("joins")).createJoinsTestSuite!,
  (await suite("deduplication")).createDeduplicationTestSuite!,
  (await suite("collation")).createCollationTestSuite!,
  (await suite("mutations")).createMutationsTestSuite!,
  (await suite("live-updates")).createLiveUpdatesTestSuite!,
];

describe("the suites of TanStack DB", () => {
  let server: Server | undefined;
  let client: Client;
  let collections: Record<"eager" | "onDemand", Record<Table, Collection<Row, string>>> | undefined;

  const json = (value: unknown) => JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? String(member) : member));
  const insert = async (table: Table, rows: readonly Row[]) =>
    void (await server!.sql(`insert into public.${table} select * from json_populate_recordset(null::public.${table}, $json$${json(rows)}$json$)`));
  const open = (table: Table, index: object = {}) =>
    createCollection(pgheraldCollectionOptions<Row, string>({ client, name: table, getKey: ({ id }) => id, parse, startSync: true, ...index }));
  const openAll = (index?: object) => ({ users: open("users", index), posts: open("posts", index), comments: open("comments", index) }) as unknown as Record<Table, Collection<Row, string>>;

  beforeAll(async () => {
    server = await Server.start(spec, schema);
    const seed = generateSeedData();
    for (const table of ["users", "posts", "comments"] as const) await insert(table, seed[table]);
    client = createClient({ url: server.url });
    collections = { eager: openAll(), onDemand: openAll({ autoIndex: "eager", defaultIndexType: BasicIndex }) };
    for (const kind of Object.values(collections ?? {})) await Promise.all(Object.values(kind).map((collection) => collection.preload()));
  }, 300_000);
  afterAll(async () => {
    for (const kind of Object.values(collections ?? {})) await Promise.all(Object.values(kind).map((collection) => collection.cleanup()));
    await server?.stop();
  }, 300_000);

  const mutations = {
    insertUser: (user: Row) => insert("users", [user]),
    insertPost: (post: Row) => insert("posts", [post]),
    deleteUser: async (id: string) => void (await server!.sql(`delete from public.users where id = '${id}'`)),
    updateUser: async (id: string, updates: object) => {
      const names = Object.keys(updates).map((name) => `"${name}"`);
      const values = names.map((name) => `new.${name}`);
      await server!.sql(`update public.users set (${names}) = row(${values}) from json_populate_record(null::public.users, $json$${json(updates)}$json$) new where users.id = '${id}'`);
    },
  };
  for (const create of suites) create(async () => ({ collections, mutations, hasReplicationLag: true, setup: async () => {}, teardown: async () => {} }));
});
