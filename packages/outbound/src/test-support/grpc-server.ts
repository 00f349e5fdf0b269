import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type GrpcObject,
  type ServiceClientConstructor,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { load } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";

const folder = fileURLToPath(new URL("protos/", import.meta.url));

/** The test service's `.proto` files, by the names under which they import one another. */
export const protoFiles: Readonly<Record<string, string>> = Object.fromEntries(
  ["shop/inventory.proto", "shop/money.proto"].map((name) => [
    name,
    readFileSync(folder + name, "utf8"),
  ]),
);

export interface GrpcTestServer {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  close(): void;
}

/** A gRPC server (grpc-js) of `shop.v1.Inventory`, with reflection unless told otherwise. */
export async function startGrpc(
  inventory: UntypedServiceImplementation,
  { reflection = true, credentials = ServerCredentials.createInsecure() } = {},
): Promise<GrpcTestServer> {
  const definition = await load("shop/inventory.proto", { includeDirs: [folder], longs: String });
  const shop = loadPackageDefinition(definition)["shop"] as GrpcObject;
  const v1 = shop["v1"] as GrpcObject;
  const server = new Server();
  server.addService((v1["Inventory"] as ServiceClientConstructor).service, inventory);
  if (reflection) new ReflectionService(definition).addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { host: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}
