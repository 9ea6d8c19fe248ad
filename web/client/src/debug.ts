/** Receives one line about what the client does and why, and the values that belong to it. */
export type Debug = (line: string, detail?: unknown) => void;

/** Converts the `debug` option to a function. */
export function debugOf(option: boolean | Debug | undefined): Debug {
  if (typeof option === "function") return option;
  if (!option) return () => {};
  return (line, detail) => {
    if (detail === undefined) console.debug(`pgherald: ${line}`);
    else console.debug(`pgherald: ${line}`, detail);
  };
}
