import { defineEngine, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({}),
  output: z.object({
    environment: z.record(z.string(), z.string()),
    /** What somebody added to the prototype of all objects. */
    polluted: z.array(z.string()),
  }),
} as const;

const look = () => {
  const polluted: string[] = [];
  // oxlint-disable-next-line guard-for-in -- what is inherited is what is looked for
  for (const name in {}) polluted.push(name);
  const environment = Object.fromEntries(
    // oxlint-disable-next-line node/no-process-env -- what an engine sees of it
    Object.entries(process.env).map(([name, value]) => [name, value ?? ""]),
  );
  return { environment, polluted };
};

/** What an engine sees of the process that it runs in. */
export default [
  defineEngine({ ...contract, id: "surroundings", run: look }),
  defineEngine({ ...contract, id: "surroundings.thread", isolation: "thread", run: look }),
  defineEngine({ ...contract, id: "surroundings.process", isolation: "process", run: look }),
];
