/**
 * Has a unit do something: blink, so that somebody finds it; go on the air; go off it.
 *
 * The gateway answers when the unit says that the effect was seen, or with the reason why it was not.
 */

import { ask } from './answer';

export type Verb = 'identify' | 'start' | 'stop';

/** What went wrong; `null` when it is done. */
export async function command(stream: string, verb: Verb): Promise<string | null> {
  const path = `api/streams/${encodeURIComponent(stream)}/${verb}`;
  const told = await ask('POST', path, PATIENCE_MS, async () => null);
  return told.ok ? null : told.problem;
}

/** The gateway waits 10 s for the unit. */
const PATIENCE_MS = 12_000;
