import { describe, expect, it } from 'vitest';

import { saidOf } from './session';

describe('a session', () => {
  it('is on the air while units come out, and until it is known whether they do', () => {
    expect(saidOf({ session: 'open', ended: null }, 25)).toMatchObject({ word: 'On air', tone: 'open' });
    expect(saidOf({ session: 'open', ended: null }, null)).toMatchObject({ word: 'On air' });
  });

  it('that is open is not on the air when nothing comes out', () => {
    expect(saidOf({ session: 'open', ended: null }, 0)).toMatchObject({ word: 'No media', tone: 'idle' });
  });

  it('that ended says why', () => {
    const hint = (ended: 'by_unit' | 'silent' | 'revoked') => saidOf({ session: 'ended', ended }, 0).hint;
    expect(hint('by_unit')).toMatch(/closed/);
    expect(hint('silent')).toMatch(/Nothing came/);
    expect(hint('revoked')).toMatch(/may send/);
  });

  it('that is dark or ended says so, whatever came out last', () => {
    expect([saidOf({ session: 'dark', ended: null }, 0), saidOf({ session: 'dark', ended: null }, 25)].map(({ word }) => word)).toEqual(['Dark', 'Dark']);
    expect(saidOf({ session: 'ended', ended: 'by_unit' }, 0).word).toBe('Ended');
  });
});
