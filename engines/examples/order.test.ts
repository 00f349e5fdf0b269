import { type HttpClient, type HttpResponse } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";
import order from "./order.ts";

const input = { shop: "https://shop.example", sku: "A-17", quantity: 2 };

/** A shop that always answers the same. */
function shop(status: number, body: unknown = {}): { http: () => HttpClient } {
  const answer = { status, json: () => body } as HttpResponse;
  return { http: () => ({ request: () => Promise.resolve(answer) }) };
}

test("an order is placed", async () => {
  const clients = shop(201, { id: "o-1" });
  expect(await runEngine(order, input, { clients })).toEqual({ order_id: "o-1" });
});

test("what is not sold is not asked for again; what is out of stock is, later", async () => {
  await expect(runEngine(order, input, { clients: shop(404) })).rejects.toMatchObject({
    retryable: false,
  });
  await expect(runEngine(order, input, { clients: shop(409) })).rejects.toMatchObject({
    retryAfterMs: 15 * 60_000,
  });
});
