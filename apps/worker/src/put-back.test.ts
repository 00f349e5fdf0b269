import { defineEngine, describeEngine, z } from "@tl-engine/engine-kit";
import { openQueue } from "@tl-engine/shared/queue/open-queue.ts";
import { expect, test } from "vitest";
import { describeWithRedis, startPrivateRedis } from "../../../test/services.ts";
import { putBack } from "./put-back.ts";

describeWithRedis("a delivery that could not be started", () => {
  test("is put back when the queue is there again", async () => {
    const redis = await startPrivateRedis();
    const errors: unknown[] = [];
    const queue = openQueue({
      redisUrl: redis.url,
      databaseUrl: "",
      lockMs: 2_000,
      consumed: 0,
      onError: () => undefined,
    });
    try {
      const engine = defineEngine({
        id: "idle",
        version: 1,
        input: z.null(),
        output: z.null(),
        run: () => null,
      });
      const descriptor = describeEngine(engine);
      await expect.poll(() => queue.depth(descriptor.id, descriptor.version)).toBe(0);
      await redis.stop();
      const item = ["01a20dce-57c7-7778-bf7f-470cedc2b5de", 0] as const;
      await putBack(queue, { descriptor }, [item], (error) => errors.push(error));
      expect(errors.length).toBeGreaterThan(0);
      await redis.start();
      await expect
        .poll(() => queue.depth(descriptor.id, descriptor.version).catch(() => null), {
          timeout: 20_000,
        })
        .toBe(1);
    } finally {
      await queue.close();
      await redis.kill();
    }
  });
});
