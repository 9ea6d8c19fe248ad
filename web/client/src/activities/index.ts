export { activities, activitiesOf, type Activities, type ActivitiesPage, type ActivitiesOptions, type Activity, type ActivityQuery } from "./activities.js";
export type * from "./events.js";
