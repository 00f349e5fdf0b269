/** A module that ends its thread. */
process.exit(7);
