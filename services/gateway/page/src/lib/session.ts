/** What is said of a stream's session, in a word and a sentence. */

import type { Stream } from './status';

export interface Said {
  word: string;
  hint: string;
  /** How urgent that is, as a class of the page's. */
  tone: 'open' | 'idle' | 'dark' | 'ended';
}

const ENDINGS: Record<NonNullable<Stream['ended']>, string> = {
  by_unit: 'The unit closed the session.',
  replaced: 'The unit opened another session for this stream.',
  silent: 'Nothing came from the unit for a minute.',
  revoked: 'The unit is no longer among those that may send.',
};

/** `perSecond`: units that come out now; `null` while that is not known. */
export function saidOf({ session, ended }: Pick<Stream, 'session' | 'ended'>, perSecond: number | null): Said {
  if (session === 'dark')
    return { tone: 'dark', word: 'Dark', hint: 'The session is open, but nothing comes in on any link.' };
  if (session === 'ended') return { tone: 'ended', word: 'Ended', hint: ended ? ENDINGS[ended] : '' };
  if (perSecond === 0)
    return {
      tone: 'idle',
      word: 'No media',
      hint: 'The session is open and nothing comes out: the unit is off the air, or all of it is late or lost.',
    };
  return { tone: 'open', word: 'On air', hint: 'The session is open and media comes in.' };
}
