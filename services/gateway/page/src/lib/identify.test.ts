import { afterEach, describe, expect, it, vi } from 'vitest';

import { identify } from './identify';

afterEach(() => vi.unstubAllGlobals());

/** The gateway answers so; gives what it was asked. */
function gateway(answer: () => Promise<Response>) {
  const asked = vi.fn<typeof fetch>(answer);
  vi.stubGlobal('fetch', asked);
  return asked;
}

describe('identify', () => {
  it('is done when the gateway says that the lights blink', async () => {
    const asked = gateway(async () => new Response(null, { status: 204 }));
    expect(await identify('van 3/a')).toBeNull();
    const [path, how] = asked.mock.calls[0] ?? [];
    expect([path, how?.method]).toEqual(['api/streams/van%203%2Fa/identify', 'POST']);
  });

  it('says why not in the words of the unit', async () => {
    const error = 'absent: the panel service is not there';
    gateway(async () => new Response(JSON.stringify({ error }), { status: 409 }));
    expect(await identify('live')).toBe(error);
  });

  it('says what else came, and that nothing did', async () => {
    gateway(async () => new Response('not found', { status: 404 }));
    expect(await identify('live')).toBe('HTTP 404 not found');
    gateway(() => Promise.reject(new Error('timed out')));
    expect(await identify('live')).toBe('timed out');
  });
});
