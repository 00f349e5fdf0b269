import type { EngineDetail } from "@tl-engine/contract";
import type { Catalogue } from "@tl-engine/shared/catalogue/catalogue.ts";
import { engineNotFound } from "./engine-ref.ts";
import { describeEngine, describeEngineVersion } from "./engine-view.ts";

/**
 * A remote engine as it is now, for tl-plane.
 * @throws Refusal 404 where somebody has removed it in between
 */
export async function describeRemote(
  catalogue: Catalogue,
  id: string,
  version: number,
): Promise<EngineDetail> {
  await catalogue.refresh();
  const engine = await catalogue.resolve(`${id}@${version}`);
  const summary = describeEngine(id, catalogue);
  if (engine === null || summary === null) throw engineNotFound();
  return describeEngineVersion(summary, engine, { forPlane: true });
}
