/**
 * The types of the events of the example's tables. `web/events_test.go` parses this file and compares it
 * with the spec of the example, so each member needs a line of its own.
 */

/** The fields that every event about an activity has. */
export interface ActivityFields {
  id: string;
  category: string;
  subcategory: string;
  location: string;
  status: string;
  reporter: string;
  assignedTo: string | null;
  /** The time of the change, in the format of `toISOString`. */
  timestamp: string;
}

/** The newest note about an activity. */
export interface LatestUpdate {
  notes: string;
  authorId: string;
  updateType: string;
}

export interface ActivityCreated extends ActivityFields {}

export interface ActivityUpdated extends ActivityFields {
  updateType: "status" | "assignment" | "general";
  latestUpdate: LatestUpdate | null;
}

/** The previous and the new assignee. A field is absent if the activity was or is unassigned. */
export interface AssignmentChanged extends ActivityFields {
  oldAssigneeId?: string;
  newAssigneeId?: string;
}

export interface ActivityDeleted {
  id: string;
  timestamp: string;
}

/** The events of the example's tables, by type. */
export interface ActivityEvents {
  activity_created: ActivityCreated;
  activity_updated: ActivityUpdated;
  assignment_changed: AssignmentChanged;
  activity_deleted: ActivityDeleted;
}
