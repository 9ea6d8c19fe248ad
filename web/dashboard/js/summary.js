// Says in a line what an event tells.

/** How much of an event of an unknown type is shown in its line. */
const MAX_LINE = 300;

/** Returns plain text, which the caller must not treat as HTML. */
export function summary({ type, data }) {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return compact(data);
  switch (type) {
    case 'activity_created':
      return join(what(data), `by ${data.reporter}`, data.assignedTo && `→ ${data.assignedTo}`);
    case 'activity_updated':
      return join(changed(data), what(data), data.latestUpdate?.notes && `“${data.latestUpdate.notes}”`);
    case 'assignment_changed':
      return join(`${data.oldAssigneeId ?? 'nobody'} → ${data.newAssigneeId ?? 'nobody'}`, what(data));
    case 'activity_deleted':
      return String(data.id);
    case 'presence_updated':
      return `${data.userId} is ${data.isOnline ? 'online' : 'offline'}`;
    default:
      return compact(data);
  }
}

function what({ category, subcategory, location }) {
  return `${category}/${subcategory} @ ${location}`;
}

function changed({ updateType, status, assignedTo }) {
  return updateType === 'assignment' ? `→ ${assignedTo ?? 'nobody'}` : status;
}

function join(...parts) {
  return parts.filter(Boolean).join(' · ');
}

function compact(data) {
  const text = JSON.stringify(data) ?? '';
  return text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
}
