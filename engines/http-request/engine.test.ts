import {
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
  type InputOf,
} from "@tl-engine/engine-kit";
import { createRecorder, runEngine } from "@tl-engine/engine-kit/testing";
import { describe, expect, it } from "vitest";

import { httpRequestContract } from "./contract.ts";
import httpRequest from "./engine.ts";

type Input = InputOf<typeof httpRequestContract>;

// The door itself is proved in packages/outbound. Here stands its port, so that what the engine asks
// of it and makes of its answers can be seen.
interface Asked {
  url: string;
  options: HttpRequestOptions | undefined;
}

function run(input: Input, answer: Partial<HttpResponse> & { body?: string | Uint8Array } = {}) {
  const { body = "", ...facts } = answer;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const asked: Asked[] = [];
  const connections: (string | undefined)[] = [];
  const client: HttpClient = {
    async request(url, options) {
      asked.push({ url, options });
      const text = () => new TextDecoder().decode(bytes);
      return {
        status: 200,
        headers: {},
        url,
        redirects: 0,
        durationMs: 12,
        bytes,
        text,
        json: () => JSON.parse(text()) as unknown,
        ...facts,
      };
    },
  };
  const clients = {
    http(connection?: string) {
      connections.push(connection);
      return client;
    },
  };
  return { asked, connections, output: runEngine(httpRequest, input, { clients }) };
}

const url = "https://api.example/x";

describe("the call", () => {
  it("is one GET with the defaults that the contract shows", async () => {
    const { asked, output } = run({ url });
    await output;
    expect(asked).toEqual([
      {
        url,
        options: {
          method: "GET",
          headers: undefined,
          json: undefined,
          body: undefined,
          timeout: undefined,
          maxResponseBytes: 5 * 1024 * 1024,
          redirect: "follow",
          acceptStatus: undefined,
          idempotent: undefined,
          step: "request",
        },
      },
    ]);
  });

  it("passes on what was given", async () => {
    const { asked, output } = run({
      url,
      method: "POST",
      headers: { "x-a": "1" },
      json: null,
      timeout: "5m",
      max_response_bytes: 10,
      follow_redirects: false,
      accept_status: [404, "5xx"],
      idempotent: true,
    });
    await output;
    expect(asked[0]?.options).toEqual({
      method: "POST",
      headers: { "x-a": "1" },
      json: null,
      body: undefined,
      timeout: "5m",
      maxResponseBytes: 10,
      redirect: "none",
      acceptStatus: [404, "5xx"],
      idempotent: true,
      step: "request",
    });
  });

  it.each([
    ["https://h/", { a: "b c&d", n: 1, t: true }, "https://h/?a=b+c%26d&n=1&t=true"],
    ["https://h/?x=1", { a: ["1", 2] }, "https://h/?x=1&a=1&a=2"],
    ["https://h/p#f", { ä: "ö" }, "https://h/p?%C3%A4=%C3%B6#f"],
    ["https://h/p#f#g", { a: "" }, "https://h/p?a=#f#g"],
    ["https://h/", {}, "https://h/"],
    ["https://h/", { a: [] }, "https://h/"],
  ])("adds to %s the query %j", async (before, query, after) => {
    const { asked, output } = run({ url: before, query });
    await output;
    expect(asked[0]?.url).toBe(after);
  });

  it("goes through the connection that is named, to a path below it", async () => {
    const { asked, connections, output } = run({
      connection: "crm",
      url: "/contacts",
      query: { a: 1 },
    });
    await output;
    expect(connections).toEqual(["crm"]);
    expect(asked[0]?.url).toBe("/contacts?a=1");
  });

  it("is not made to a path without a connection", async () => {
    const { asked, output } = run({ url: "/contacts" });
    await expect(output).rejects.toMatchObject({ code: "input_invalid", retryable: false });
    expect(asked).toEqual([]);
  });

  it("is not made for json together with text, nor tried again", async () => {
    const { asked, output } = run({ url, method: "POST", json: 1, text: "1" });
    await expect(output).rejects.toMatchObject({ code: "input_invalid", retryable: false });
    expect(asked).toEqual([]);
  });

  it.each([
    { url: "file:///etc/passwd" },
    { url: "ftp://h/" },
    { url: "path" },
    { url: "//host/path", connection: "crm" },
    { url: "/\\host/path", connection: "crm" },
    { url: "/a b", connection: "crm" },
    { url: "/path", connection: "CRM" },
    { url: "http://user:pw@h/" },
    { url: "http://h/a b" },
    { url: "http://h/\r\nx: y" },
    { url, method: "CONNECT" },
    { url, method: "get" },
    { url, timeout: "5 minutes" },
    { url, timeout: "0s" },
    { url, max_response_bytes: 0 },
    { url, max_response_bytes: 5 * 1024 * 1024 + 1 },
    { url, accept_status: [] },
    { url, accept_status: [99] },
    { url, accept_status: "all" },
    { url, headers: { a: 1 } },
    { url, query: { a: null } },
    { url, unknown: 1 },
    {},
  ])("is refused by the schema for %j", async (input) => {
    const { asked, output } = run(input as Input);
    await expect(output).rejects.toMatchObject({ code: "input_invalid" });
    expect(asked).toEqual([]);
  });
});

describe("the result", () => {
  it("tells where the answer came from", async () => {
    const headers = { "content-type": "application/json", "x-a": "1" };
    const { output } = run(
      { url },
      { status: 201, headers, url: "https://b/", redirects: 2, body: '{"a":[1]}' },
    );
    expect(await output).toEqual({
      status: 201,
      url: "https://b/",
      headers,
      body: { a: [1] },
      body_encoding: "json",
      bytes: 9,
      duration_ms: 12,
      redirects: 2,
    });
  });

  const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  it.each([
    ["application/json", "1", 1, "json"],
    ["application/json; charset=utf-8", "null", null, "json"],
    ["Application/Problem+JSON", '{"a":1}', { a: 1 }, "json"],
    ["application/json", "{broken", "{broken", "text"],
    ["application/json", '"\\u0000"', '"\\u0000"', "text"],
    ["application/json", '{"\\u0000":1}', '{"\\u0000":1}', "text"],
    ["application/json", '"\\ud800"', '"\\ud800"', "text"],
    ["application/json", "[1e400]", "[1e400]", "text"],
    ["application/json", deep(251), deep(251), "text"],
    ["application/json", deep(100_000), deep(100_000), "text"],
    ["text/plain", "größe", "größe", "text"],
    ["text/html; charset=x", "<p>", "<p>", "text"],
    ["image/svg+xml", "<svg/>", "<svg/>", "text"],
    ["application/x-ndjson", "1\n2", "1\n2", "text"],
    ["text/plain", "a\0b", "YQBi", "base64"],
    ["text/plain", Uint8Array.of(0xff, 0xfe), "//4=", "base64"],
    ["image/png", "png", "cG5n", "base64"],
    ["application/jsonp", "x", "eA==", "base64"],
    ["", "text", "text", "text"],
    ["", Uint8Array.of(0x80), "gA==", "base64"],
    ["application/json", "", null, "none"],
    ["image/png", "", null, "none"],
  ])("of type %j with the body %j", async (type, body, expected, encoding) => {
    const { output } = run({ url }, { headers: { "content-type": type }, body });
    expect(await output).toMatchObject({ body: expected, body_encoding: encoding });
  });

  it("is in the form that was asked for", async () => {
    const answer = { headers: { "content-type": "image/png" }, body: '{"a":1}' };
    const body = async (response: "json" | "text" | "base64") =>
      (await run({ url, response }, answer).output).body;
    expect(await body("json")).toEqual({ a: 1 });
    expect(await body("text")).toBe('{"a":1}');
    expect(await body("base64")).toBe("eyJhIjoxfQ==");
  });

  it("fails where that form can't hold the body", async () => {
    const { output } = run({ url, response: "text" }, { body: "a\0b" });
    await expect(output).rejects.toMatchObject({ code: "upstream_error", retryable: false });
  });
});

it("lets the door's errors pass as they are", async () => {
  const error = Object.assign(new Error("503"), { code: "upstream_error", retryable: true });
  const client: HttpClient = { request: () => Promise.reject(error) };
  const recorder = createRecorder();
  const output = runEngine(httpRequest, { url }, { clients: { http: () => client }, recorder });
  await expect(output).rejects.toBe(error);
  expect(recorder.logs).toEqual([]);
});

describe("Protocol Buffers", () => {
  const proto = {
    "shop.proto": `syntax = "proto3";
package shop;
message Order { string id = 1; int64 cents = 2; repeated string tags = 3; }`,
  };
  // id = "A-17", cents = 1500, tags = ["x"]
  const wire = new Uint8Array([10, 4, 65, 45, 49, 55, 16, 220, 11, 26, 1, 120]);
  const order = { id: "A-17", cents: "1500", tags: ["x"] };
  const types = { proto, request: "shop.Order", response: "shop.Order" };

  it("go out encoded and come back as JSON", async () => {
    const { asked, output } = run(
      { url, method: "POST", json: order, protobuf: types },
      { body: wire, headers: { "content-type": "application/x-protobuf; v=1" } },
    );
    expect(await output).toMatchObject({ body: order, body_encoding: "json", bytes: wire.length });
    expect(asked[0]?.options).toMatchObject({
      body: wire,
      json: undefined,
      headers: { accept: "application/x-protobuf", "content-type": "application/x-protobuf" },
    });
  });

  it("leave the caller's headers, and an error in JSON, as they are", async () => {
    const { asked, output } = run(
      {
        url,
        method: "POST",
        json: order,
        headers: { "Content-Type": "application/vnd.google.protobuf" },
        protobuf: types,
      },
      { body: '{"error":"no"}', headers: { "content-type": "application/json" } },
    );
    expect(await output).toMatchObject({ body: { error: "no" }, body_encoding: "json" });
    expect(asked[0]?.options?.headers).toEqual({
      accept: "application/x-protobuf",
      "Content-Type": "application/vnd.google.protobuf",
    });
  });

  it.each<[string, Partial<Input>, string]>([
    ["a field that the type has not", { json: { item: 1 }, protobuf: types }, "input_invalid"],
    ["a type that is not there", { protobuf: { ...types, request: "shop.No" } }, "input_invalid"],
    ["no source", { protobuf: { request: "shop.Order" } }, "input_invalid"],
    ["two sources", { protobuf: { ...types, descriptor_set: "" } }, "input_invalid"],
    [
      "no descriptor set",
      { protobuf: { descriptor_set: "////", request: "a.B" } },
      "input_invalid",
    ],
  ])("are the caller's to mend: %s", async (_name, input, code) => {
    const { output } = run({ url, method: "POST", json: {}, ...input });
    await expect(output).rejects.toMatchObject({ code, retryable: false });
  });

  it.each<[string, number[]]>([
    ["a length beyond the buffer", [10, 127, 65]],
    ["a wrong wire type", [13, 1]],
    ["groups 101 deep", Array.from({ length: 101 }, () => [0xfb, 0x01]).flat()],
  ])("that cannot be decoded fail, and nothing crashes: %s", async (_name, bytes) => {
    const headers = { "content-type": "application/protobuf" };
    const { output } = run({ url, protobuf: types }, { body: new Uint8Array(bytes), headers });
    await expect(output).rejects.toMatchObject({ code: "upstream_error", retryable: false });
  });
});
