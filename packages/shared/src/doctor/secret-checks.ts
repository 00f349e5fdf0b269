import type { Config } from "../config/config.ts";
import { error, ok, warning, type Finding } from "./finding.ts";
import { bitsOf } from "./secret-strength.ts";

/** A secret should be worth as many bits as nobody can try. 128 bits made at random are reckoned as 104 now and then. */
const enoughBits = 96;
const makeOne = "openssl rand -hex 32";
/** Passwords that come with images, examples and habits. */
const common = new Set(
  "postgres password secret changeme admin root redis test tl_engine tlengine example 123456 12345678 letmein".split(
    " ",
  ),
);

/** A secret by the name of the variable that holds it. */
interface Named {
  name: string;
  value: string;
}

/** Whether secrets are weak, or one and the same. What is wrong outright has stopped the start already. */
export function checkSecrets(config: Config): Finding[] {
  const made = madeSecrets(config);
  const findings = [
    ...made.flatMap((secret) => judgeStrength(secret)),
    ...judgeSame([...made, ...passwords(config)]),
    ...passwords(config).flatMap((password) => judgePassword(password)),
  ];
  if (findings.length > 0) return findings;
  return [
    ok(
      "secrets.strength",
      "No secret is weak or used twice",
      [...new Set(made.map(({ name }) => name))].join(", "),
    ),
  ];
}

function madeSecrets({ planeApiKeys, jwt, secretKeys }: Config): Named[] {
  return [
    ...planeApiKeys.map((value) => ({ name: "TL_PLANE_API_KEY", value })),
    ...(jwt?.kind === "secret" ? [{ name: "TL_JWT_SECRET", value: jwt.secret }] : []),
    ...secretKeys.map((value) => ({ name: "TL_SECRET_KEY", value })),
  ];
}

function passwords({ databaseUrl, redisUrl }: Config): Named[] {
  return [
    ["DATABASE_URL", databaseUrl],
    ["REDIS_URL", redisUrl],
  ].flatMap(([name, url]) => {
    const value = URL.parse(url ?? "")?.password;
    if (name == null || value === undefined || value === "") return [];
    return [{ name, value: decoded(value) }];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function judgeStrength({ name, value }: Named): Finding[] {
  const bits = Math.floor(bitsOf(value));
  if (bits >= enoughBits) return [];
  return [
    warning(
      "secrets.strength",
      `${name} is weak`,
      `it is worth ${bits} bits at most, because of runs and repeated pieces; ${enoughBits} are wanted`,
      `${name}=$(${name === "TL_SECRET_KEY" ? "openssl rand -base64 32" : makeOne})`,
    ),
  ];
}

function judgePassword({ name, value }: Named): Finding[] {
  if (!common.has(value.toLowerCase()) && value.length >= 12) return [];
  return [
    warning(
      "secrets.password",
      `The password in ${name} is weak`,
      common.has(value.toLowerCase())
        ? "it is one that everybody tries"
        : `it has ${value.length} characters; 12 are wanted`,
      name === "DATABASE_URL"
        ? 'psql "$DATABASE_URL" -c "\\password"   # a new one, as made by: openssl rand -hex 24; then change DATABASE_URL'
        : 'redis-cli -u "$REDIS_URL" config set requirepass "$(openssl rand -hex 24)"   # then change REDIS_URL',
    ),
  ];
}

function judgeSame(secrets: readonly Named[]): Finding[] {
  const byValue = Map.groupBy(secrets, ({ value }) => value);
  return [...byValue.values()].flatMap((same) => {
    const names = [...new Set(same.map(({ name }) => name))];
    if (names.length < 2) return [];
    return [
      error(
        "secrets.same",
        `${names.join(" and ")} hold the same secret`,
        "whoever learns the one has the other as well",
        names
          .slice(1)
          .map((name) => `${name}=$(${makeOne})`)
          .join("\n"),
      ),
    ];
  });
}
