import type { ActivitiesPage } from "pgherald/activities";
import { LiveActivities } from "./live-activities";

/** The server loads the list for each request; the browser continues at its cursor. */
export const dynamic = "force-dynamic";

async function firstPage(): Promise<ActivitiesPage | undefined> {
  try {
    const url = process.env.PGHERALD_URL ?? "http://127.0.0.1:8080";
    const response = await fetch(`${url}/api/activities?limit=100&status=open`, { cache: "no-store" });
    return response.ok ? ((await response.json()) as ActivitiesPage) : undefined;
  } catch {
    return undefined; // the browser loads the list instead
  }
}

export default async function Page() {
  return (
    <main>
      <h1>Open activities</h1>
      <LiveActivities page={await firstPage()} />
    </main>
  );
}
