/**
 * Who may send to this gateway: units that were paired, and those that are waited for with a code.
 */

import { reason } from './answer';

export interface Member {
  key: string;
  /** Empty for one that the gateway's settings name. */
  name: string;
}

export interface Members {
  units: Member[];
  pairings: { name: string; left_s: number }[];
}

/** What came of a question: what was asked for, or why not. */
export type Told<T> = { ok: true; value: T } | { ok: false; problem: string };

/** All of them. */
export async function list(): Promise<Told<Members>> {
  return ask('GET', 'api/units', undefined, async (answer) => {
    const body = (await answer.json()) as Members;
    if (!Array.isArray(body.units) || !Array.isArray(body.pairings)) throw new Error('the gateway lists no units');
    return body;
  });
}

/** Lets in the next unit that knows the code, as `name`; without one the gateway makes it, and this gives it. */
export async function pair(name: string, code: string): Promise<Told<string | null>> {
  return ask('POST', 'api/pairings', { name, code }, async (answer) => {
    const { code } = (await answer.json()) as { code?: string | null };
    return code ?? null;
  });
}

/** The unit that would be called so is waited for no more. */
export async function giveUp(name: string): Promise<Told<null>> {
  return ask('DELETE', `api/pairings/${encodeURIComponent(name)}`, undefined, async () => null);
}

/** A unit may send no more. */
export async function revoke(key: string): Promise<Told<null>> {
  return ask('DELETE', `api/units/${key}`, undefined, async () => null);
}

async function ask<T>(
  method: string,
  path: string,
  body: unknown,
  read: (answer: Response) => Promise<T>,
): Promise<Told<T>> {
  try {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    const answer = await fetch(path, { method, ...json, signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? { ok: true, value: await read(answer) } : { ok: false, problem: await reason(answer) };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** The gateway's packet path answers within 5 s, or is not there. */
const PATIENCE_MS = 7_000;
