/** What is said of a stream's session, in a word and a sentence. */

import type { Stream } from './status';

export interface Said {
  word: string;
  hint: string;
  /** How urgent that is, as a class of the page's. */
  tone: 'open' | 'idle' | 'dark' | 'ended';
}

/** `perSecond`: units that come out now; `null` while that is not known. */
export function saidOf(session: Stream['session'], perSecond: number | null): Said {
  if (session === 'dark')
    return { tone: 'dark', word: 'Dark', hint: 'The session is open, but nothing comes in on any link.' };
  if (session === 'ended') return { tone: 'ended', word: 'Ended', hint: 'The unit closed the session.' };
  if (perSecond === 0)
    return {
      tone: 'idle',
      word: 'No media',
      hint: 'The session is open and nothing comes out: the unit is off the air, or all of it is late or lost.',
    };
  return { tone: 'open', word: 'On air', hint: 'The session is open and media comes in.' };
}
