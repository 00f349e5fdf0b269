/** A module that does not load. */
throw new Error("this module needs something that is not there");
