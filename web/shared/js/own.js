// Reads members whose names come from the database or from a server. A column may be called "constructor": what every object
// inherits must not be taken for its value.

/** Returns a member that the object has itself; undefined if it has none. */
export const own = (object, name) => (object !== null && object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined);

/** Returns an object without inherited members, into which any name may be written. */
export const record = () => Object.create(null);
