// The other side of `bench/outbound.ts`, in a process of its own: answers each request with the same small JSON.
import { createServer } from "node:http";

const body = JSON.stringify({
  id: 4711,
  name: "Ada Lovelace",
  email: "ada@example.com",
  tags: Array.from({ length: 8 }, (_, i) => `tag-${i}`),
  note: "x".repeat(600),
});
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  const delayMs = Number(/^\/slow\/(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
  const answer = () => {
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      "x-request-id": "bench",
    });
    response.end(body);
  };
  if (delayMs > 0) setTimeout(answer, delayMs);
  else answer();
});
server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
process.once("disconnect", () => process.exit());
