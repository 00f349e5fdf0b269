import type { Command } from "commander";
import type { Cli, GlobalOptions } from "../cli.ts";
import { exitCodes } from "../explain-error.ts";
import { showFindings } from "../show-findings.ts";

/** Nobody waits longer for an answer, ms. */
const patienceMs = 5_000;

export function addDoctorCommand(program: Command, cli: Cli): void {
  program
    .command("doctor")
    .summary("look at the whole deployment, and say what mends it")
    .description(
      "Look at a deployment: Redis, PostgreSQL, its settings and secrets, what waits and who serves it. " +
        "Run it where the processes run, with their environment; without DATABASE_URL it looks at what `npm start` runs here. " +
        "It changes nothing and shows no secret. Exit code 1 with errors, 3 when nothing answers.",
    )
    .action(async (_: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      // The other commands speak to the API alone, and do without all of this.
      const [{ examine }, { worstLevel, worstFirst }] = await Promise.all([
        import("@tl-engine/shared/doctor/examine.ts"),
        import("@tl-engine/shared/doctor/finding.ts"),
      ]);
      const { findings, reached } = await examine({
        ...cli.config.deployment(),
        get: async (url) => {
          const signal = AbortSignal.any([cli.signal, AbortSignal.timeout(patienceMs)]);
          const answer = await fetch(url, { signal });
          return { status: answer.status, text: await answer.text() };
        },
      });
      const status = worstLevel(findings);
      cli.terminal.write(
        json
          ? JSON.stringify({ status, reached, findings: worstFirst(findings) })
          : showFindings(findings, cli.terminal),
      );
      if (!reached) cli.setExitCode(exitCodes.unreachable);
      else if (status === "error") cli.setExitCode(exitCodes.failed);
    });
}
