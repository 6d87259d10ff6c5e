/**
 * Who may send to this gateway: units that were paired, and those that are waited for with a code.
 */

import { ask, type Told } from './answer';

export interface Member {
  key: string;
  /** Empty for one that the gateway's settings name. */
  name: string;
}

export interface Members {
  units: Member[];
  pairings: { name: string; left_s: number }[];
}

/** All of them. */
export async function list(): Promise<Told<Members>> {
  return ask('GET', 'api/units', PATIENCE_MS, async (answer) => {
    const body = (await answer.json()) as Members;
    if (!Array.isArray(body.units) || !Array.isArray(body.pairings)) throw new Error('the gateway lists no units');
    return body;
  });
}

/** Lets in the next unit that knows the code, as `name`; without one the gateway makes it, and this gives it. */
export async function pair(name: string, code: string): Promise<Told<string | null>> {
  const made = async (answer: Response) => ((await answer.json()) as { code?: string | null }).code ?? null;
  return ask('POST', 'api/pairings', PATIENCE_MS, made, { name, code });
}

/** The unit that would be called so is waited for no more. */
export async function giveUp(name: string): Promise<Told<null>> {
  return ask('DELETE', `api/pairings/${encodeURIComponent(name)}`, PATIENCE_MS, async () => null);
}

/** A unit may send no more. */
export async function revoke(key: string): Promise<Told<null>> {
  return ask('DELETE', `api/units/${key}`, PATIENCE_MS, async () => null);
}

/** The gateway's packet path answers within 5 s, or is not there. */
const PATIENCE_MS = 7_000;
