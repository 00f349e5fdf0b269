/** A module that never finishes loading. */
await new Promise(() => setInterval(() => {}, 1_000));
