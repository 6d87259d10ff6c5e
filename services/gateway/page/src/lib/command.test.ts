import { afterEach, describe, expect, it, vi } from 'vitest';

import { command } from './command';

afterEach(() => vi.unstubAllGlobals());

/** The gateway answers so; gives what it was asked. */
function gateway(answer: () => Promise<Response>) {
  const asked = vi.fn<typeof fetch>(answer);
  vi.stubGlobal('fetch', asked);
  return asked;
}

describe('command', () => {
  it('is done when the gateway says so', async () => {
    const asked = gateway(async () => new Response(null, { status: 204 }));
    expect(await command('van 3/a', 'stop')).toBeNull();
    const [path, how] = asked.mock.calls[0] ?? [];
    expect([path, how?.method]).toEqual(['api/streams/van%203%2Fa/stop', 'POST']);
  });

  it('says why not in the words of the unit', async () => {
    const error = 'absent: the panel service is not there';
    gateway(async () => new Response(JSON.stringify({ error }), { status: 409 }));
    expect(await command('live', 'identify')).toBe(error);
  });

  it('says what else came, and that nothing did', async () => {
    gateway(async () => new Response('not found', { status: 404 }));
    expect(await command('live', 'identify')).toBe('HTTP 404 not found');
    gateway(() => Promise.reject(new Error('timed out')));
    expect(await command('live', 'identify')).toBe('timed out');
  });
});
