import { describe, expect, it } from 'vitest';

import { saidOf } from './session';

describe('a session', () => {
  it('is on the air while units come out, and until it is known whether they do', () => {
    expect(saidOf('open', 25)).toMatchObject({ word: 'On air', tone: 'open' });
    expect(saidOf('open', null)).toMatchObject({ word: 'On air' });
  });

  it('that is open is not on the air when nothing comes out', () => {
    expect(saidOf('open', 0)).toMatchObject({ word: 'No media', tone: 'idle' });
  });

  it('that is dark or ended says so, whatever came out last', () => {
    expect([saidOf('dark', 0), saidOf('dark', 25)].map(({ word }) => word)).toEqual(['Dark', 'Dark']);
    expect(saidOf('ended', 0).word).toBe('Ended');
  });
});
