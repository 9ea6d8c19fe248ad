// Describes an event in one line.

/** How many characters of an event of an unknown type are shown. */
const MAX_LINE = 300;

const UNASSIGNED = 'Unassigned';

/** Returns a plain text, which the caller must not use as HTML. */
export function summary({ type, data, oversized }) {
  if (oversized === true) return 'too large: it arrived without its data';
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return compact(data);
  switch (type) {
    case 'activity_created':
      return join(subject(data), `by ${data.reporter}`, data.assignedTo && `→ ${data.assignedTo}`);
    case 'activity_updated':
      return join(changed(data), subject(data), data.latestUpdate?.notes && `“${data.latestUpdate.notes}”`);
    case 'assignment_changed':
      return join(`${data.oldAssigneeId ?? UNASSIGNED} → ${data.newAssigneeId ?? UNASSIGNED}`, subject(data));
    case 'activity_deleted':
      return String(data.id);
    case 'presence_updated':
      return `${data.userId} is ${data.isOnline ? 'online' : 'offline'}`;
    default:
      return compact(data);
  }
}

function subject({ category, subcategory, location }) {
  return `${category}/${subcategory} @ ${location}`;
}

function changed({ updateType, status, assignedTo }) {
  return updateType === 'assignment' ? `→ ${assignedTo ?? UNASSIGNED}` : status;
}

function join(...parts) {
  return parts.filter(Boolean).join(' · ');
}

function compact(data) {
  const text = JSON.stringify(data) ?? '';
  return text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
}
