import { describe, expect, it } from 'vitest';

import { parseStatus } from './status';
import { STATUS } from './status.example';

const changed = (change: (status: any) => void): string => {
  const copy = structuredClone(STATUS);
  change(copy);
  return JSON.stringify(copy);
};

describe('parseStatus', () => {
  it('takes what the gateway sends', () => {
    expect(parseStatus(JSON.stringify(STATUS))).toEqual(STATUS);
  });

  it('ignores fields of a newer gateway', () => {
    const text = changed((status) => (status.streams[0].satellites = 4));
    expect(parseStatus(text).streams).toHaveLength(1);
  });

  it.each([
    ['a wrong type', (s: any) => (s.demo = 'no'), 'status.demo is "no", must be a boolean'],
    ['a missing number', (s: any) => delete s.streams[0].latency_ms, 'status.streams[0].latency_ms is missing'],
    ['an unknown word', (s: any) => (s.streams[0].links[0].state = 'fine'), 'status.streams[0].links[0].state is "fine"'],
    ['no number', (s: any) => (s.streams[0].wire.cost = null), 'status.streams[0].wire.cost is null, must be a number'],
    ['no list', (s: any) => (s.streams = {}), 'status.streams is {}, must be a list'],
  ])('names %s', (_, change, message) => {
    expect(() => parseStatus(changed(change))).toThrow(message);
  });

  it('says so when it is not JSON', () => {
    expect(() => parseStatus('<html>')).toThrow('the status is not JSON: <html>');
  });
});
