import { defineEngine, z } from "@tl-engine/engine-kit";

const input = z.strictObject({
  /** Which connection; none: `path` is a whole address. */
  connection: z.string().optional(),
  path: z.string().default("/"),
  /** Calls at once. */
  times: z.number().default(1),
  /** First one call that has no more time than this, and whose failure is no matter. */
  impatient: z.string().optional(),
  /** So often, by one client. */
  rounds: z.number().default(1),
});
const output = z.strictObject({ statuses: z.array(z.number()) });

/** Calls the outside, where it is told to. */
const anywhere = (suffix: string, isolation: "inline" | "thread" | "process") =>
  defineEngine({
    id: `test.call${suffix}`,
    version: 1,
    timeout: { default: "10s", max: "1h" },
    backoff: { initial: "1ms", max: "10ms" },
    isolation,
    uses: ["http"],
    input,
    output,
    async run({ connection, path, times, rounds, impatient }, ctx) {
      const client = ctx.clients.http(connection);
      if (impatient !== undefined) {
        await client.request(path, { timeout: impatient }).catch(() => undefined);
      }
      const statuses: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const calls = Array.from({ length: times }, () => client.request(path));
        for (const { status } of await Promise.all(calls)) statuses.push(status);
      }
      return { statuses };
    },
  });

/** Calls through the one connection that it names. */
const crm = defineEngine({
  id: "test.call.crm",
  version: 1,
  backoff: { initial: "1ms", max: "10ms" },
  uses: ["http:crm"],
  input: z.strictObject({}),
  output,
  async run(_, ctx) {
    const { status } = await ctx.clients.http("crm").request("/contacts");
    return { statuses: [status] };
  },
});

/** Leaves a call behind that nobody waits for. */
const careless = defineEngine({
  id: "test.call.careless",
  version: 1,
  uses: ["http"],
  input: z.strictObject({ connection: z.string() }),
  output,
  run({ connection }, ctx) {
    ctx.clients
      .http(connection)
      .request("/")
      .catch((error: unknown) => ctx.log.info(`left behind: ${String(error)}`));
    return { statuses: [] };
  },
});

export default [
  anywhere("", "inline"),
  anywhere(".thread", "thread"),
  anywhere(".process", "process"),
  crm,
  careless,
];
