// Runs inside of an expression's realm (realm.ts). Only texts cross the border, besides the three
// functions of `outside`, which no expression can reach. Its value is this function.
// oxlint-disable-next-line eslint/no-unused-expressions -- the value of this script
(async function evaluate(expression, data, bindings, outside) {
  /** The most that one sequence may hold, and how deep evaluation may nest. */
  const limits = { stack: 1000, sequence: 1_000_000 };
  /**
   * Characters of one text. JSONata makes a text of any length at one stroke, and one that does not
   * fit into the thread's heap would end not the thread but the whole process.
   */
  const longestText = 4_000_000;
  const longestResult = 3 * longestText;
  /** Errors whose value is a limit or a size, and no data. */
  const limitCodes = ["D1011", "D1012", "D2014", "D2015"];
  /** How long evaluation runs before it lets its thread hear of a timeout or a cancel. */
  const breathMs = 25;

  // JSONata asks a browser's window for base64.
  globalThis.window = {
    btoa: (text) => outside.encode(text),
    atob: (text) => outside.decode(text),
  };
  const tooLong = () => new Error(`a text is longer than ${longestText} characters`);
  const fit = (length) => {
    if (length > longestText) throw tooLong();
  };

  let last = Date.now();
  const breathe = () => {
    if (Date.now() - last < breathMs) return undefined;
    return outside.pause().then(() => {
      last = Date.now();
    });
  };

  /** Functions whose result may be far longer than what they are given: judged before they run. */
  const judges = {
    pad: (text, width, filler) => fit(Math.abs(width) * Math.max(1, filler?.length ?? 1)),
    join: (parts, separator) => {
      const list = Array.isArray(parts) ? parts : [parts];
      let length = 0;
      for (const part of list) length += String(part).length + (separator?.length ?? 0);
      fit(length);
    },
    // Every character may become a text of its own.
    split: (text) => fit(2 * (typeof text === "string" ? text.length : 0)),
    string: (value) => fit(lengthOf(value, longestText)),
  };

  let parsed = false;
  try {
    const compiled = globalThis.jsonata(expression, limits);
    parsed = true;
    for (const [name, judge] of Object.entries(judges)) {
      // JSONata's own function, under its own signature.
      const own = await globalThis.jsonata(`$${name}`).evaluate(null);
      compiled.registerFunction(
        name,
        function (...args) {
          judge(...args);
          return own.implementation.apply(this, args);
        },
        own.signature.definition,
      );
    }
    compiled.assign(Symbol.for("jsonata.__evaluate_entry"), breathe);
    compiled.assign(Symbol.for("jsonata.__evaluate_exit"), (_expr, _input, _frame, result) => {
      if (typeof result === "string" && result.length > longestText) throw tooLong();
    });
    const result = await compiled.evaluate(JSON.parse(data), JSON.parse(bindings));
    if (lengthOf(result, longestResult) > longestResult) {
      return JSON.stringify({ error: { tooLarge: true, parsed } });
    }
    const text = JSON.stringify(result, (_, value) => {
      if (typeof value === "number" && !Number.isFinite(value)) {
        throw new Error(`the result holds ${value}, which JSON has not`);
      }
      return isFunction(value) ? undefined : value;
    });
    return JSON.stringify({ result: text ?? (result === undefined ? "null" : "") });
  } catch (error) {
    const { code, position, token } = Object(error);
    return JSON.stringify({ error: { code, message: wordsOf(error), position, token, parsed } });
  }

  /** JSONata quotes the values that it stumbled over; those are the caller's data, and a message goes into logs. */
  function wordsOf(error, members = ["value", "value2", "exp"]) {
    const { code, message, error: inner } = Object(error);
    if (!parsed || typeof message !== "string" || limitCodes.includes(code)) return message;
    if (inner !== undefined) {
      // An expression that may be data itself, of which the message quotes the message.
      const words = wordsOf(inner, [...members, "token"]);
      return `what $eval was given failed: ${inner.code}: ${words}`;
    }
    return members.reduce((words, name) => {
      const quoted = JSON.stringify(error[name]);
      return quoted === undefined ? words : words.replaceAll(quoted, "…");
    }, message);
  }

  function isFunction(value) {
    const { _jsonata_function: own, _jsonata_lambda: lambda } = Object(value);
    return typeof value === "function" || own === true || lambda === true;
  }

  /** Characters that a value has at least once written out; counts no further than `enough`. */
  function lengthOf(value, enough) {
    let length = 0;
    const visit = (at) => {
      if (length > enough || isFunction(at)) return;
      length += typeof at === "string" ? at.length + 2 : 1;
      if (typeof at !== "object" || at === null) return;
      for (const key of Object.keys(at)) {
        length += Array.isArray(at) ? 1 : key.length + 3;
        visit(at[key]);
      }
    };
    visit(value);
    return length;
  }
});
