import { existsSync } from "node:fs";

/** Where Debian, Alpine and Fedora put it. */
const places = [
  `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/faketime/libfaketimeMT.so.1`,
  "/usr/lib/faketime/libfaketimeMT.so.1",
  "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/** What to do where a process cannot be given another clock. */
export const faketimeRemedy = "libfaketime is not there: apt-get install faketime";

export function hasFaketime(): boolean {
  return places.some((place) => existsSync(place));
}

/**
 * The variables under which a process's clock is off by so much, from its start on. Time goes on as it does, and so do
 * timers: only what time it is, is wrong.
 *
 * @throws Error where there is no libfaketime
 */
export function clockOffBy(seconds: number): Record<string, string> {
  const library = places.find((place) => existsSync(place));
  if (library === undefined) throw new Error(faketimeRemedy);
  return {
    LD_PRELOAD: library,
    FAKETIME: `${seconds < 0 ? "" : "+"}${seconds}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1",
  };
}
