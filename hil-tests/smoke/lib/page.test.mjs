import assert from 'node:assert/strict';
import { test } from 'node:test';

import { advance, longestStandstill } from './page.mjs';

const at25 = (from, to, number) =>
  Array.from({ length: (to - from) / 40 }, (_, index) => ({ at: from + index * 40, number: number + index }));

test('frames at 25 a second advance by 25 a second', () => {
  assert.equal(advance(at25(0, 4000, 77)).perSecond, 25);
});

test('frames without numbers are no advance', () => {
  assert.throws(() => advance([{ at: 1, number: null }]), /0 of 1 frames/);
});

test('a standstill lasts until a number that is new', () => {
  const frames = [...at25(0, 1000, 100), ...at25(2500, 5000, 170)];
  const still = longestStandstill(frames, 800, 5000);
  assert.deepEqual(still, { ms: 1540, end: 2500 });
});

test('old frames shown again do not end a standstill', () => {
  const frames = [...at25(0, 1000, 100), ...at25(1000, 3000, 60), ...at25(3000, 4000, 123)];
  assert.equal(longestStandstill(frames, 500, 4000).end, 3080);
});

test('a picture that never comes back stands still to the end', () => {
  assert.deepEqual(longestStandstill(at25(0, 1000, 0), 500, 9000), { ms: 8040, end: 9000 });
});
