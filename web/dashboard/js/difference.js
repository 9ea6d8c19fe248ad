// Compares two states of the activities. An unchanged activity is the same object in both.

const SHOWN = {
  status: ({ status }) => status,
  what: ({ category, subcategory, latestUpdate }) => [category, subcategory, latestUpdate?.notes, latestUpdate?.authorId].join('\u0000'),
  location: ({ location }) => location,
  assignedTo: ({ assignedTo }) => assignedTo,
  reporter: ({ reporter }) => reporter,
};

/** Returns the numbers of added, changed and removed activities, and `fields`: the changed fields by id, null for a new activity. */
export function difference(before, after) {
  const fields = new Map();
  let added = 0;
  for (const [id, activity] of after) {
    const old = before.get(id);
    if (old === activity) continue;
    if (!old) {
      added++;
      fields.set(id, null);
      continue;
    }
    const changed = new Set(Object.keys(SHOWN).filter((name) => SHOWN[name](old) !== SHOWN[name](activity)));
    if (changed.size > 0) fields.set(id, changed);
  }
  return { fields, added, changed: fields.size - added, removed: before.size + added - after.size };
}
