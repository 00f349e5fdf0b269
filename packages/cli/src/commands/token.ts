import type { Command } from "commander";
import { SignJWT } from "jose";
import type { Cli, GlobalOptions } from "../cli.ts";
import { timeOption } from "../option-parsers.ts";

interface TokenOptions extends GlobalOptions {
  sub: string;
  scope?: string;
  expires?: Date;
}

export function addTokenCommand(program: Command, cli: Cli): void {
  program
    .command("token")
    .summary("sign a front end's token")
    .description(
      "Sign a front end's token (HS256), with TL_JWT_SECRET or the data folder's secret. Asks no server.",
    )
    .requiredOption("--sub <subject>", "whom it stands for")
    .option("--scope <scopes>", "what it may do, space-separated; without: read, execute, cancel")
    .option("--expires <time>", "when it ends, as 30m or a date (default: 1h)", timeOption)
    .action(async (_: unknown, command: Command) => {
      const {
        sub,
        scope,
        expires = timeOption("1h"),
        json,
      } = command.optsWithGlobals<TokenOptions>();
      const { secret, issuer, audience } = cli.config.signing();
      const token = await new SignJWT(scope === undefined ? {} : { scope })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setSubject(sub)
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(expires)
        .sign(new TextEncoder().encode(secret));
      const facts = { token, sub, scope: scope ?? null, expires_at: expires.toISOString() };
      cli.terminal.write(json ? JSON.stringify(facts) : token);
    });
}
