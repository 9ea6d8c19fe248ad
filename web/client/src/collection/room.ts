/** The most selections of a stream, and the most bytes of them, encoded. The server allows 16 and 16 KiB. */
const mostSelections = 16;
export const mostBytes = 12_000;

/** The most bytes of what tabs share: nginx and others take 8 KiB of a request line, with the cursor, unless they are set up for more. */
export const mostSharedBytes = 5_000;

/** Reports whether one stream can have all these selections. */
export function fit(contents: readonly string[], most: number): boolean {
  return contents.length <= mostSelections && encodeURIComponent(contents.join()).length < most;
}

export function includesAll(contents: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((content) => contents.includes(content));
}
