import { expect, test } from "vitest";
import { apiEnvironment, workerEnvironment } from "./child-environment.ts";

const options = {
  env: { PATH: "/bin", TL_LOG_LEVEL: "debug", TL_JWT_SECRET: "given to the supervisor" },
  secrets: {
    plane_api_key: "plane",
    program_api_key: "program",
    jwt_secret: "jwt",
    secret_key: "kept",
    postgres_password: "password",
    url: null,
  },
  databaseUrl: "postgres://localhost/x",
  port: 1,
  compileCache: "/cache",
};

test("the API gets what is unset, and what was given as it is", () => {
  expect(apiEnvironment(options)).toMatchObject({
    TL_PLANE_API_KEY: "plane",
    TL_JWT_SECRET: "given to the supervisor",
    TL_SECRET_KEY: "kept",
    DATABASE_URL: options.databaseUrl,
  });
});

test("the worker gets the same without what lets in callers", () => {
  const { TL_PLANE_API_KEY, TL_JWT_SECRET, ...rest } = apiEnvironment(options);
  expect([TL_PLANE_API_KEY, TL_JWT_SECRET]).not.toContain(undefined);
  expect(workerEnvironment(options)).toEqual(rest);
});
