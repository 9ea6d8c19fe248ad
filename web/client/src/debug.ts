/** Takes one line that says what the client does and why, and the values it is about. */
export type Debug = (line: string, detail?: unknown) => void;

/** Makes the `debug` option a function. */
export function debugOf(option: boolean | Debug | undefined): Debug {
  if (typeof option === "function") return option;
  if (!option) return () => {};
  return (line, detail) => {
    if (detail === undefined) console.debug(`pgherald: ${line}`);
    else console.debug(`pgherald: ${line}`, detail);
  };
}
