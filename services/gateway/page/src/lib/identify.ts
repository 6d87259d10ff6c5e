/**
 * Has a unit blink, so that somebody finds it.
 *
 * The gateway answers when the unit says that its lights do, or with the reason why they do not.
 */

import { reason } from './answer';

/** What went wrong; `null` when the lights blink. */
export async function identify(stream: string): Promise<string | null> {
  try {
    const path = `api/streams/${encodeURIComponent(stream)}/identify`;
    const answer = await fetch(path, { method: 'POST', signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? null : await reason(answer);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The gateway waits 10 s for the unit. */
const PATIENCE_MS = 12_000;
