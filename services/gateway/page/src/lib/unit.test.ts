import { describe, expect, it } from 'vitest';

import golden from '../../../../uplink/src/telemetry/golden/1.json';
import { inWords, linkOf, readUnit } from './unit';

describe('readUnit', () => {
  it('reads what a unit says', () => {
    expect(readUnit(golden)).toEqual({
      picture: golden.capture.picture,
      meaning: 'low_battery',
      battery: { percent: 14.7, charging: false, left_s: 1860, step: 'low' },
      mains: false,
      temperature_c: 61.2,
      failing: [{ kind: 'lights', why: golden.panel.failing[0]?.why }],
      links: [
        {
          name: 'wwan0',
          label: 'a name of thirty-two bytes, full',
          operator: 'an operator of thirty bytes ok',
          technology: '5G NR',
          roaming: true,
          signal_age_s: 0,
          signal_percent: 63,
          rsrp_dbm: -104.5,
          anchor_rsrp_dbm: -98.3,
          used_bytes: 12_345_678_901,
          plan_bytes: 50_000_000_000,
        },
      ],
    });
  });

  it.each([[null], ['text'], [[]], [undefined]])('takes %j for nothing', (said) => {
    expect(readUnit(said)).toBeNull();
  });

  it('takes what it does not know for what is not there', () => {
    const unit = readUnit({ version: 9, links: [7, { name: 'wwan0', radio: 'strong' }], panel: { battery: 'full' } });
    expect([unit?.battery, unit?.temperature_c, unit?.failing]).toEqual([null, null, []]);
    expect(linkOf(unit, 'wwan0')?.signal_percent).toBeNull();
    expect(linkOf(unit, 'wwan1')).toBeNull();
  });
});

it('says meanings in words', () => {
  expect(inWords('low_battery')).toBe('Low battery');
});
