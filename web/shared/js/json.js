// Indents and colours JSON text. It does not parse numbers, so 12345678901234567890 stays exact.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

/** Returns the tokens of the text as nodes with classes. Text that is not JSON is returned unchanged. */
export function highlighted(text) {
  const tokens = text.match(TOKEN) ?? [];
  if (tokens.join('') !== text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')) return [text];
  const nodes = [];
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  tokens.forEach((token, i) => {
    if (token === '{' || token === '[') {
      const empty = tokens[i + 1] === '}' || tokens[i + 1] === ']';
      if (!empty) depth++;
      nodes.push(token, empty ? '' : line());
    } else if (token === '}' || token === ']') {
      const empty = tokens[i - 1] === '{' || tokens[i - 1] === '[';
      if (!empty) depth--;
      nodes.push(empty ? '' : line(), token);
    } else if (token === ',') nodes.push(token, line());
    else if (token === ':') nodes.push(': ');
    else nodes.push(coloured(token, tokens[i + 1] === ':'));
  });
  return nodes;
}

function coloured(token, key) {
  const span = document.createElement('span');
  span.className = key ? 'j-key' : token[0] === '"' ? 'j-string' : /\d/.test(token) ? 'j-number' : 'j-word';
  span.textContent = token;
  return span;
}
