import { portIsFree } from "./free-port.ts";

/** The API's port can't be had; the message says by whom and what to do. */
export class PortTakenError extends Error {
  override name = "PortTakenError";
}

/**
 * Looks whether the API will be able to listen, before anything is started for it.
 *
 * @returns the port; for 0 one that is free
 * @throws PortTakenError
 */
export async function claimPort(port: number, host: string): Promise<number> {
  try {
    return await portIsFree(port, host);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    const another = `Stop that one, or choose another port: PORT=${port + 1} npm start`;
    if (code === "EADDRINUSE")
      throw new PortTakenError(`Port ${port} of ${host} is taken by another program. ${another}`);
    if (code === "EACCES")
      throw new PortTakenError(
        `This user may not listen on port ${port}. Choose one above 1023: PORT=3000 npm start`,
      );
    throw new PortTakenError(
      `Nobody can listen on ${host}:${port} (${String(code ?? error)}). Change HOST or PORT.`,
    );
  }
}

/** Where programs on this machine reach it: an address to listen on is not always one to call. */
export function localUrl(host: string, port: number): string {
  const callable =
    host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return `http://${callable}:${port}`;
}
