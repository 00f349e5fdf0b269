import type * as outbound from "@tl-engine/outbound";
import { expectTypeOf, test } from "vitest";
import { type HttpClient, type HttpRequestOptions, type HttpResponse } from "./clients.ts";

test("clients are what the outbound door gives", () => {
  expectTypeOf<HttpRequestOptions>().toEqualTypeOf<outbound.HttpRequestOptions>();
  expectTypeOf<HttpResponse>().toEqualTypeOf<outbound.HttpResponse>();
  expectTypeOf<HttpClient>().toEqualTypeOf<outbound.HttpClient>();
});
