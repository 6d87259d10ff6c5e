import { afterEach, describe, expect, it, vi } from 'vitest';

import { giveUp, list, pair, revoke } from './units';

afterEach(() => vi.unstubAllGlobals());

/** The gateway answers so; gives what it was asked. */
function gateway(answer: () => Promise<Response>) {
  const asked = vi.fn<typeof fetch>(answer);
  vi.stubGlobal('fetch', asked);
  return () => {
    const [path, how] = asked.mock.calls[0] ?? [];
    return [how?.method, path, how?.body];
  };
}

const json = (body: unknown, status = 200) => async () => new Response(JSON.stringify(body), { status });

describe('units', () => {
  it('are listed with those that are waited for', async () => {
    const members = { units: [{ key: 'ab', name: 'van 3' }], pairings: [{ name: 'van 4', left_s: 12 }] };
    const asked = gateway(json(members));
    expect(await list()).toEqual({ ok: true, value: members });
    expect(asked()).toEqual(['GET', 'api/units', undefined]);
    gateway(json({}));
    expect(await list()).toEqual({ ok: false, problem: 'the gateway lists no units' });
  });

  it('are paired with a code of the gateway, or with one that was typed', async () => {
    const asked = gateway(json({ name: 'van 3', left_s: 600, code: 'K7QF-2M9X-0V1S-ZT4E' }));
    expect(await pair('van 3', '')).toEqual({ ok: true, value: 'K7QF-2M9X-0V1S-ZT4E' });
    expect(asked()).toEqual(['POST', 'api/pairings', '{"name":"van 3","code":""}']);
    gateway(json({ name: 'van 3', left_s: 600, code: null }));
    expect(await pair('van 3', 'k7qf 2m9x 0v1s zt4e')).toEqual({ ok: true, value: null });
  });

  it('say why not in the words of the gateway', async () => {
    gateway(json({ error: '4 units are waited for already' }, 400));
    expect(await pair('van 7', '')).toEqual({ ok: false, problem: '4 units are waited for already' });
    gateway(() => Promise.reject(new Error('timed out')));
    expect(await revoke('ab')).toEqual({ ok: false, problem: 'timed out' });
  });

  it('are taken out by key, and waited for no more by name', async () => {
    const gone = async () => new Response(null, { status: 204 });
    const revoked = gateway(gone);
    expect(await revoke('ab')).toEqual({ ok: true, value: null });
    expect(revoked()).toEqual(['DELETE', 'api/units/ab', undefined]);
    const given = gateway(gone);
    await giveUp('van 3/a');
    expect(given()[1]).toBe('api/pairings/van%203%2Fa');
  });
});
