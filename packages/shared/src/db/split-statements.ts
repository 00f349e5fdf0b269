/** What may hold a semicolon that ends nothing: comments, quoted names and texts, dollar-quoted bodies. */
const token =
  /--[^\n]*|\/\*|"(?:[^"]|"")*"|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$([A-Za-z_]\w*)?\$|[A-Za-z_][\w$]*|;/gs;

/**
 * The statements of an SQL script, without the comments around them.
 * Bodies between `BEGIN ATOMIC` and `END` are not understood: write them dollar-quoted.
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let from = 0;
  const look = new RegExp(token);
  for (let found = look.exec(script); found !== null; found = look.exec(script)) {
    const [text, tag] = found;
    if (text === "/*") look.lastIndex = endOfComment(script, found.index);
    else if (text.startsWith("$")) {
      const end = script.indexOf(`$${tag ?? ""}$`, look.lastIndex);
      look.lastIndex = end === -1 ? script.length : end + text.length;
    } else if (text === ";") {
      statements.push(script.slice(from, found.index));
      from = look.lastIndex;
    }
  }
  statements.push(script.slice(from));
  return statements.map(withoutLeadingComments).filter((statement) => statement !== "");
}

/** Comments of this kind may hold others. */
function endOfComment(script: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(script); mark !== null; mark = marks.exec(script)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return script.length;
}

function withoutLeadingComments(statement: string): string {
  let rest = statement.trim();
  for (;;) {
    if (rest.startsWith("--")) rest = rest.slice(`${rest}\n`.indexOf("\n")).trimStart();
    else if (rest.startsWith("/*")) rest = rest.slice(endOfComment(rest, 0)).trimStart();
    else return rest;
  }
}
