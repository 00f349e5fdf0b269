import { readFileSync } from "node:fs";
import { error, ok, warning, type Finding } from "./finding.ts";

const neededNode = 24;
/** The API takes 10,000 connections, each a file. */
const wantedFiles = 10_240;

export interface Machine {
  /** As `process.versions.node`. */
  nodeVersion: string;
  /** Files that a process may have open; null where it cannot be told. */
  openFiles: number | null;
}

/** This machine, as far as it can be told. Node raises its own limit of open files to the hard one at start. */
export function readMachine(): Machine {
  let openFiles: number | null = null;
  try {
    const [, soft] =
      /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    if (soft !== undefined)
      openFiles = soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    // Not Linux.
  }
  return { nodeVersion: process.versions.node, openFiles };
}

/** Node's version and the limits of a process started here. */
export function checkMachine({ nodeVersion, openFiles }: Machine): Finding[] {
  const findings = [
    Number(nodeVersion.split(".")[0]) < neededNode
      ? error(
          "machine.node",
          `Node ${nodeVersion} is too old`,
          `${neededNode} is needed`,
          "nvm install 24   # or: image: node:24",
        )
      : ok("machine.node", `Node ${nodeVersion}`),
  ];
  if (openFiles === null) return findings;
  findings.push(
    openFiles < wantedFiles
      ? warning(
          "machine.open_files",
          `A process may have ${openFiles} files open`,
          "each connection of a caller is one, and an API takes 10,000; beyond the limit they are refused",
          "ulimit -n 65536   # under systemd: LimitNOFILE=65536; in compose.yaml: ulimits: { nofile: 65536 }",
        )
      : ok("machine.open_files", "A process may have enough files open", String(openFiles)),
  );
  return findings;
}
