// Writes values into commands that bash, zsh, fish and PowerShell read alike. A value is data of strangers: a command must
// do nothing else, whatever it contains.
//
// A command quotes with single quotes only, because every shell expands something in double quotes. Since no two shells agree
// on how to write a single quote between single quotes, the text between them contains none: it is written as chr(39) in SQL,
// as \u0027 in JSON and as %27 in a URL. The same is done with every other character of a value that is neither a letter, a
// number nor harmless punctuation: PowerShell takes curly quotes for quotes, older versions of it pass double quotes and
// backslashes on unquoted, and control characters are keys to a terminal.

const UNSAFE = /([^\p{L}\p{N}\p{M} _.,:/@+=()#?-])/u;

/** As UNSAFE, for JSON: its double quotes are lost in older versions of PowerShell, which then splits it at spaces. */
const UNSAFE_IN_JSON = /([^\p{L}\p{N}\p{M}_.])/u;

/** What may not be between single quotes: single quotes, those of PowerShell, control and format characters, line ends. */
const UNQUOTABLE = /['\u2018-\u201b\p{C}\p{Zl}\p{Zp}]/u;

/** Quotes text for a shell, or returns null if that is impossible. */
export const shell = (text) => (UNQUOTABLE.test(text) ? null : `'${text}'`);

/** Joins the words of a command, or returns null if one of them could not be quoted. */
export const command = (...words) => (words.includes(null) ? null : words.join(' '));

/** Writes text as an expression of SQL. */
export function literal(text) {
  const parts = text.split(UNSAFE).map((part, i) => (i % 2 ? `chr(${part.codePointAt(0)})` : part && `$$${part}$$`)).filter(Boolean);
  if (parts.length === 0) return '$$$$';
  return parts.length === 1 ? parts[0] : `(${parts.join('||')})`;
}

/** Writes an object, whose members are strings, as JSON. */
export const json = (object) => `{${Object.entries(object).map(([name, value]) => `"${name}":"${escaped(value)}"`).join(',')}}`;

const escaped = (text) => text.split(UNSAFE_IN_JSON).map((part, i) => (i % 2 ? part.replace(/[^]/g, unit) : part)).join('');
const unit = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Writes a URL, with parameters. */
export function url(base, path, params = []) {
  const address = new URL(path, base).href.replace(/[^\w.:/?#[\]@%=&+*~-]/gu, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return params.length ? `${address}?${new URLSearchParams(params)}` : address;
}
