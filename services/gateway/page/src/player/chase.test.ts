import { describe, expect, it } from 'vitest';

import { Chase } from './chase';

/** Runs a buffer that starts `ahead` seconds long; `burst` is how unevenly it is filled. */
function run(chase: Chase, ahead: number, burst: number, seconds: number) {
  let jumps = 0;
  let played = 0;
  let rates = new Set<number>();
  let rate = 1;
  let least = ahead;
  for (let tick = 0; tick < seconds * 10; tick += 1) {
    const now = tick / 10;
    played += 0.1 * rate;
    const arrived = Math.floor(now / burst) * burst;
    const left = Math.max(0, ahead + arrived - played);
    if (now > seconds / 2) least = Math.min(least, left);
    const move = chase.poll(now, left);
    if ('jumpTo' in move) {
      jumps += 1;
      played += move.jumpTo;
    } else {
      rate = move.rate;
      rates.add(rate);
    }
  }
  return { jumps, least, rates };
}

describe('Chase', () => {
  it('lets a buffer of the right length alone', () => {
    expect(run(new Chase(), 0.25, 0.1, 30)).toMatchObject({ jumps: 0, rates: new Set([1]) });
  });

  it('plays faster until only the slack is left, and never runs dry', () => {
    const { jumps, least, rates } = run(new Chase(), 1.0, 0.2, 60);
    expect(jumps).toBe(0);
    expect(Math.max(...rates)).toBeGreaterThan(1);
    expect(least).toBeGreaterThan(0.02);
    expect(least).toBeLessThan(0.25);
  });

  it('jumps over what is too long to catch up', () => {
    const { jumps, least } = run(new Chase(), 4, 0.1, 20);
    expect(jumps).toBe(1);
    expect(least).toBeLessThan(0.25);
  });

  it('plays slower when there is no slack', () => {
    const chase = new Chase();
    expect(chase.poll(0, 0.01)).toEqual({ rate: 0.95 });
  });

  it('asks for more slack after a stall and gives it back in quiet minutes', () => {
    const chase = new Chase();
    const least = chase.target;
    chase.onStall(0);
    expect(chase.target).toBeGreaterThan(least);
    for (let now = 0; now < 120; now += 1) chase.poll(now, 0.3);
    expect(chase.target).toBeCloseTo(least);
  });

  it('never asks for more than a second', () => {
    const chase = new Chase();
    for (let stall = 0; stall < 100; stall += 1) chase.onStall(stall);
    expect(chase.target).toBe(1);
  });
});
