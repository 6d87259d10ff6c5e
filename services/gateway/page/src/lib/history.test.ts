import { describe, expect, it } from 'vitest';

import { History } from './history';
import { parseStatus, type LinkState, type Stream } from './status';
import { STATUS } from './status.example';

function stream(delivered: number, lost = 0, state: LinkState = 'up'): Stream {
  const [example] = parseStatus(JSON.stringify(STATUS)).streams;
  const [link] = example!.links;
  return {
    ...example!,
    totals: { delivered, late: 0, repaired: 0, lost },
    links: [{ ...link!, state }],
  };
}

describe('History', () => {
  it('counts a second over the last two seconds only', () => {
    const history = new History();
    // 100 a second for ten seconds, then 25 a second for three.
    for (let tick = 0; tick <= 40; tick += 1) history.push(tick / 4, stream(tick * 25));
    for (let tick = 1; tick <= 12; tick += 1) history.push(10 + tick / 4, stream(1000 + tick * 6.25));
    expect(history.perSecond('delivered')).toBeCloseTo(25);
  });

  it('knows no rate from one sample', () => {
    const history = new History();
    history.push(1, stream(500));
    expect(history.perSecond('delivered')).toBeNull();
  });

  it('starts anew when a counter falls', () => {
    const history = new History();
    history.push(1, stream(500, 7));
    history.push(2, stream(3, 1));
    expect(history.perSecond('delivered')).toBeNull();
    history.push(3, stream(28, 1));
    expect(history.perSecond('delivered')).toBeCloseTo(25);
    expect(history.recent('lost')).toBe(0);
  });

  it('forgets what is older than a minute', () => {
    const history = new History();
    for (let at = 0; at <= 200; at += 1) history.push(at, stream(at, at));
    expect(history.recent('lost')).toBe(60);
    expect(history.link('wwan0', 200)[0][0]).toBe(-60);
  });

  it('draws no line across a hole in the events', () => {
    const history = new History();
    history.push(1, stream(1));
    history.push(9, stream(2));
    const [times, rate] = history.link('wwan0', 10);
    expect(times).toHaveLength(3);
    expect(rate![1]).toBeNull();
  });

  it('marks a stretch without media from its first to its last sample', () => {
    const history = new History();
    history.push(1, stream(1));
    history.push(2, stream(1, 0, 'suspect'));
    history.push(3, stream(1, 0, 'silent'));
    history.push(4, stream(1, 0, 'up'));
    history.push(5, stream(1, 0, 'silent'));
    expect(history.outages('wwan0', 5)).toEqual([
      { from: -3, to: -1 },
      { from: 0, to: 0 },
    ]);
  });
});
