/** A module that offers no engine. */
export default { id: "test.none" };
