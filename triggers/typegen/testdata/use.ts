// Compiled by a test: what a program may and may not do with the generated types.
import type { Collections, Events, Filters, OrderItems, Tasks } from "./types";

const task: Tasks = { id: "9007199254740993", state: null };
export const id: string = task.id;

export function total(items: OrderItems[]): number {
  // @ts-expect-error: a price may be null
  items.map((item) => item.price * item.quantity);
  return items.reduce((sum, item) => sum + (item.price ?? 0) * item.quantity, 0);
}

export const filter: Partial<Filters["order_items"]> = { feeling: "so-so" };
// @ts-expect-error: no label of the enum
export const wrong: Partial<Filters["order_items"]> = { feeling: "glad" };
// @ts-expect-error: no filter field
export const unknown: keyof Filters["order_items"] = "doc";

export function listen<Type extends keyof Events>(_: Type, __: (data: Events[Type]) => void): void {}
listen("task.deleted", (data) => data.state?.length);
listen("order_items_created", (data) => data.tags?.map((tag) => tag?.length));
export const rows: Collections["sales.order_items"][] = [{ id: 1, line: 2 }];
