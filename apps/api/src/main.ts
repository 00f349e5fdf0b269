import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";

// `npm run api`. Two things have to be said before anything else is loaded, and save 50 MiB of an idle process'
// memory together.
//
// With the compile cache Node need not strip types again: the stripper takes 20 MiB here. It lies in a folder
// of our own, since what lies in a shared one could be somebody else's code.
enableCompileCache(
  process.env["NODE_COMPILE_CACHE"] ??
    fileURLToPath(new URL("../../../node_modules/.cache/compile", import.meta.url)),
);
// V8 answers the loading of modules with a nursery of its full size, and never gives it back while
// nothing happens. It may grow once there is work (api-main.ts).
setFlagsFromString("--semi-space-growth-factor=1");
await import("./api-main.ts");
