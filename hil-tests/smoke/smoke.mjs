#!/usr/bin/env node
/**
 * What must hold of the page of any running demonstration.
 *
 * `smoke.mjs URL [--screenshot FILE] [--outage-s 10] [--verb cut|blackhole]` runs alone; `run` uses the parts.
 */

import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { Checks, sleep, until } from './lib/checks.mjs';
import { advance, Page } from './lib/page.mjs';

/** The gateway's status. */
export async function statusOf(url) {
  const answer = await fetch(new URL('api/status', url));
  if (!answer.ok) throw new Error(`${url}api/status answers HTTP ${answer.status}`);
  return answer.json();
}

/** The link that can carry most. */
export function bestLink(status) {
  const links = status.streams[0]?.links ?? [];
  const best = links.reduce((most, link) => (link.capacity_bps > (most?.capacity_bps ?? -1) ? link : most), null);
  if (!best) throw new Error('the status lists no link');
  return best.name;
}

/** The picture advances at frame rate, and its sound is decoded. */
export async function checkPlayback(checks, page, frameRate) {
  const soundBefore = await page.soundBytes();
  await sleep(WATCH_MS);
  const soundAfter = await page.soundBytes();
  await checks.attempt('the number in the <video> advances at frame rate', async () => {
    const { perSecond, readable } = advance(await page.frames(WATCH_MS));
    const seen = `${perSecond.toFixed(2)} a second, ${Math.round(readable * 100)} % of frames readable`;
    // The player may run up to 5 % off while it steers to the live edge, and a busy machine shows not every frame.
    if (Math.abs(perSecond / frameRate - 1) > 0.2 || readable < 0.9) throw new Error(seen);
    return seen;
  });
  checks.claim('sound is decoded', soundAfter > soundBefore, `${soundBefore} then ${soundAfter} bytes`);
}

/** One link fails for a while: its row turns red, where it has a modem its signal falls, and it is up again after its return. */
export async function checkOutage(checks, page, { link, verb, outageMs, screenshot, modem }) {
  const before = modem ? await page.signal(link) : null;
  const failedAt = performance.now();
  await checks.attempt(`${link} is red after "${verb}"`, async () => {
    const took = await page.press(verb, link, ['suspect', 'silent'], 3000);
    return `after ${Math.round(took)} ms`;
  });
  await sleep(1500);
  checks.claim(`the button shows ${verb} as confirmed`, await page.isConfirmed(verb, link));
  if (modem) {
    await checks.attempt(`the modem of ${link} hears next to nothing`, async () => {
      const edge = async () => ((await page.signal(link)) <= NEXT_TO_NOTHING_DBM ? page.signal(link) : null);
      return `${before} then ${await until('its signal has fallen', outageMs, edge)} dBm`;
    });
  }
  if (screenshot) await page.screenshot(screenshot);
  await sleep(Math.max(0, outageMs - (performance.now() - failedAt)));
  await checks.attempt(`${link} is up again after "restore"`, async () => {
    const took = await page.press('restore', link, ['up'], 5000);
    return `after ${Math.round(took)} ms`;
  });
}

/** The page says who may send, and lets in another by a code. */
export async function checkUnits(checks, page, screenshot) {
  await checks.attempt('a unit can be let in by a code of the page', async () => {
    const { code, members } = await page.letIn('van 3', screenshot);
    if (!/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/.test(code)) throw new Error(`the code is ${code}`);
    if (members !== 1) throw new Error(`${members} units may send`);
    return `${members} may send`;
  });
}

/** Nothing was wrong in the browser. */
export function checkConsole(checks, page) {
  checks.claim('the browser has nothing to complain', page.complaints.length === 0, page.complaints.join('; '));
  checks.claim('no error of the page went uncaught', page.crashes.length === 0, page.crashes.join('; '));
}

const WATCH_MS = 5000;
/** No link of the demonstration's walks falls so low while it carries. */
const NEXT_TO_NOTHING_DBM = -115;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      screenshot: { type: 'string' },
      'outage-s': { type: 'string', default: '5' },
      verb: { type: 'string', default: 'cut' },
      'frame-rate': { type: 'string', default: '25' },
    },
  });
  const [url] = positionals;
  if (!url) {
    console.error('usage: smoke.mjs URL [--screenshot FILE] [--outage-s 5] [--verb cut|blackhole] [--frame-rate 25]');
    process.exit(2);
  }
  const checks = new Checks();
  const page = await Page.open(url);
  try {
    await page.playing(15_000);
    await checkPlayback(checks, page, Number(values['frame-rate']));
    const link = bestLink(await statusOf(url));
    const outageMs = Number(values['outage-s']) * 1000;
    await checkOutage(checks, page, { link, verb: values.verb, outageMs, screenshot: values.screenshot });
    checkConsole(checks, page);
  } finally {
    await page.close();
  }
  process.exitCode = checks.finish();
}
