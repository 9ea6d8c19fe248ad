"use client";

import { activities, activitiesOf, type ActivitiesPage } from "pgherald/activities";
import { useLiveQuery } from "pgherald/react";

const open = activities({ query: { status: "open" }, max: 100 });

export function LiveActivities({ page }: { page: ActivitiesPage | undefined }) {
  const { data, stale, error, refetch } = useLiveQuery({
    ...open,
    queryKey: ["open"],
    initial: page && activitiesOf(page),
  });
  if (!data) return error ? <p role="alert">{error.message}</p> : <p>Loading…</p>;
  return (
    <>
      <p role="status">
        {data.size} open{stale && ", reconnecting…"} <button onClick={refetch}>Reload</button>
      </p>
      <ul>
        {[...data.values()].map((activity) => (
          <li key={activity.id}>
            {activity.category} in {activity.location}, {activity.assignedTo ?? "Unassigned"}
          </li>
        ))}
      </ul>
    </>
  );
}
