import type * as outbound from "@tl-engine/outbound";
import { expect, expectTypeOf, test } from "vitest";
import { type GrpcClient } from "./grpc-client.ts";
import { type SmtpClient } from "./smtp-client.ts";
import { type WebSocketClient } from "./websocket-client.ts";
import {
  type ClientsOf,
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
  useOf,
} from "./clients.ts";

test("clients are what the outbound door gives", () => {
  expectTypeOf<HttpRequestOptions>().toEqualTypeOf<outbound.HttpRequestOptions>();
  expectTypeOf<HttpResponse>().toEqualTypeOf<outbound.HttpResponse>();
  expectTypeOf<HttpClient>().toEqualTypeOf<outbound.HttpClient>();
  expectTypeOf<GrpcClient>().toEqualTypeOf<outbound.GrpcClient>();
  expectTypeOf<WebSocketClient>().toEqualTypeOf<outbound.WebSocketClient>();
  expectTypeOf<SmtpClient>().toEqualTypeOf<outbound.SmtpClient>();
});

test("an engine has the clients that it names, with the connections that it names", () => {
  type OfKind = ClientsOf<"http">;
  expectTypeOf<Parameters<OfKind["http"]>>().toEqualTypeOf<[connection?: string | undefined]>();
  type OfConnections = ClientsOf<"http:crm" | "http:erp">;
  expectTypeOf<Parameters<OfConnections["http"]>>().toEqualTypeOf<[connection: "crm" | "erp"]>();
  expectTypeOf<ClientsOf<"http">>().not.toHaveProperty("grpc");
});

test("words of uses are a kind, or a kind with a connection's id", () => {
  expect(useOf("http")).toEqual({ kind: "http", connection: null });
  expect(useOf("http:crm")).toEqual({ kind: "http", connection: "crm" });
  for (const wrong of ["ftp", "http:", "http:CRM", "http:a b", ":crm", 7, null]) {
    expect(useOf(wrong)).toBeNull();
  }
});
