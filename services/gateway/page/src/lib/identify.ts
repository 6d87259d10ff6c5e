/**
 * Has a unit blink, so that somebody finds it.
 *
 * The gateway answers when the unit says that its lights do, or with the reason why they do not.
 */

import { ask } from './answer';

/** What went wrong; `null` when the lights blink. */
export async function identify(stream: string): Promise<string | null> {
  const path = `api/streams/${encodeURIComponent(stream)}/identify`;
  const told = await ask('POST', path, PATIENCE_MS, async () => null);
  return told.ok ? null : told.problem;
}

/** The gateway waits 10 s for the unit. */
const PATIENCE_MS = 12_000;
