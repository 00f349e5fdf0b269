import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";

import { signWebhook } from "./sign-webhook.ts";

const secret = `whsec_${randomBytes(32).toString("base64")}`;
const other = `whsec_${randomBytes(24).toString("base64")}`;
const now = (): number => Math.floor(Date.now() / 1000);
const body = '{"type":"execution.succeeded","data":{"größe":1}}';
const message = () => ({ id: "0a1b", timestamp: now(), body });

describe("a signed message", () => {
  it("is taken by the reference library", () => {
    expect(new Webhook(secret).verify(body, signWebhook([secret], message()))).toEqual(
      JSON.parse(body),
    );
    expect(signWebhook([secret], { ...message(), body: Buffer.from(body) })).toEqual(
      signWebhook([secret], message()),
    );
  });

  it("is taken with either of two secrets, and with no third one", () => {
    const headers = signWebhook([secret, other], message());
    expect(headers["webhook-signature"].split(" ")).toHaveLength(2);
    expect(() => new Webhook(secret).verify(body, headers)).not.toThrow();
    expect(() => new Webhook(other).verify(body, headers)).not.toThrow();
    const third = `whsec_${randomBytes(32).toString("base64")}`;
    expect(() => new Webhook(third).verify(body, headers)).toThrow("No matching signature");
  });

  it("is refused with another body, id or time, and when it is old", () => {
    const webhook = new Webhook(secret);
    const headers = signWebhook([secret], message());
    expect(() => webhook.verify(body.replace("1", "2"), headers)).toThrow("No matching signature");
    expect(() => webhook.verify(body, { ...headers, "webhook-id": "0a1c" })).toThrow(
      "No matching signature",
    );
    const shifted = { ...headers, "webhook-timestamp": String(now() - 60) };
    expect(() => webhook.verify(body, shifted)).toThrow("No matching signature");
    const old = signWebhook([secret], { ...message(), timestamp: now() - 6 * 60 });
    expect(() => webhook.verify(body, old)).toThrow("timestamp too old");
    const ahead = signWebhook([secret], { ...message(), timestamp: now() + 6 * 60 });
    expect(() => webhook.verify(body, ahead)).toThrow("timestamp too new");
  });

  it("has an id without a dot, and a secret", () => {
    expect(() => signWebhook([secret], { ...message(), id: "a.1" })).toThrow(TypeError);
    expect(() => signWebhook([], message())).toThrow(TypeError);
  });
});
