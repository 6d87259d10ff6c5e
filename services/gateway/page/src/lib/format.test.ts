import { expect, it } from 'vitest';

import { clock, count, gigabytes, megabits, milliseconds, percent } from './format';

it('keeps three digits of a rate', () => {
  expect([0, 640_000, 9_994_000, 9_996_000, 99_940_000, 120_400_000].map(megabits)).toEqual([
    '0.00', '0.64', '9.99', '10.0', '99.9', '120',
  ]);
});

it('groups thousands', () => {
  expect([0, 999, 1000, 1_234_567].map(count)).toEqual(['0', '999', '1\u2009000', '1\u2009234\u2009567']);
});

it('drops the tenths from ten on', () => {
  expect([0, 9.94, 9.96, 641.6].map(milliseconds)).toEqual(['0.0', '9.9', '10', '642']);
  expect([0.04, 9.96, 100].map(percent)).toEqual(['0.0', '10', '100']);
});

it('says bytes in gigabytes', () => {
  expect([0, 12_345_678_901, 250_000_000_000].map(gigabytes)).toEqual(['0.0', '12.3', '250']);
});

it('tells the time', () => {
  expect([0, 7.9, 754, 3723].map(clock)).toEqual(['0:00', '0:07', '12:34', '1:02:03']);
});
