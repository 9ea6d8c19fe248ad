/**
 * Returns the text of each object in an array of a JSON text, unchanged: `parsed`, the same array after JSON.parse, has rounded
 * large numbers. `path` has the names of the members that lead to the array.
 */
export function textsOf(json: string, path: readonly string[], parsed: readonly unknown[]): string[] {
  const texts = parsed.length === 0 ? [] : find(json, path);
  return texts.length === parsed.length ? texts : parsed.map((value) => JSON.stringify(value));
}

function find(json: string, path: readonly string[]): string[] {
  const mark = /["{}[\]:]/g;
  const texts: string[] = [];
  const names: string[] = []; // of the member at each depth
  let depth = 0;
  let from = 0;
  let name = "";
  for (let found = mark.exec(json); found; found = mark.exec(json)) {
    const { 0: char, index } = found;
    if (char === '"') {
      mark.lastIndex = endOfString(json, index);
      if (depth <= path.length) name = json.slice(index + 1, mark.lastIndex - 1);
    } else if (char === ":") names[depth] = name;
    else if (char === "{" || char === "[") {
      if (++depth === path.length + 2) from = index;
    } else if (depth-- === path.length + 2 && path.every((name, i) => names[i + 1] === name)) texts.push(json.slice(from, index + 1));
  }
  return texts;
}

/** Returns the index after a string. A regular expression would need a stack as long as the string. */
function endOfString(json: string, from: number): number {
  for (let end = from; ; ) {
    end = json.indexOf('"', end + 1);
    if (end < 0) return json.length;
    let escapes = 0;
    while (json[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
}
