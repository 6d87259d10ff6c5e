/**
 * Opens the built page in Chromium at three sizes, cuts a link, silences the gateway, and says
 * what it saw. Screenshots land in the folder given as the first argument, else in
 * the system's temporary one. Build first.
 */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { serve } from './server.mjs';

const folder = process.argv[2] ?? join(tmpdir(), 'bondbox-page');
await mkdir(folder, { recursive: true });
const server = await serve({ dist: true, streams: ['unit-1', 'unit-2'] });
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--autoplay-policy=no-user-gesture-required'],
});
try {
  for (const [name, width, height] of [['1280', 1280, 720], ['1920', 1920, 1080], ['phone', 390, 844]]) {
    if (process.argv[3] && !process.argv[3].split(',').includes(name)) continue;
    const page = await browser.newPage({ viewport: { width, height } });
    const complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(server.url);
    await page.getByTestId('link-wwan0').waitFor();
    await playing(page);
    await page.waitForTimeout(Number(process.env.SETTLE_MS ?? 12_000));
    const before = await watch(page, 4000);
    console.log(name, 'playing', before);
    await page.getByTestId('cut-wwan0').click();
    const clicked = performance.now();
    await page.locator('[data-testid=link-wwan0]:is([data-state=suspect],[data-state=silent])').waitFor({ timeout: 1000 });
    console.log(name, 'red after', Math.round(performance.now() - clicked), 'ms');
    await page.waitForTimeout(3000);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: name === 'phone' });
    await page.getByTestId('identify').click();
    await page.locator('[data-testid=identify][aria-pressed=true]').waitFor({ timeout: 3000 });
    for (const [says, after] of [['Stop', 'Off the air?'], ['Off the air?', 'Start'], ['Start', 'Stop']]) {
      await page.getByTestId('air').filter({ hasText: says }).click({ timeout: 3000 });
      await page.getByTestId('air').filter({ hasText: after }).waitFor({ timeout: 3000 });
    }
    await page.getByTestId('restore-wwan0').click();
    await page.locator('[data-testid=link-wwan0][data-state=up]').waitFor({ timeout: 3000 });
    assert.deepEqual(complaints, []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    const tall = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
    console.log(name, 'scrolls by', tall);

    await page.request.post(`${server.url}dev/encoder`);
    await page.getByTestId('picture-held').waitFor({ timeout: 5000 });
    await page.getByTestId('picture-held').waitFor({ state: 'detached', timeout: 5000 });
    console.log(name, 'after a new clock', await watch(page, 2000));

    await page.request.post(`${server.url}dev/mute?ms=3000`);
    await page.waitForTimeout(2700);
    assert.equal(await page.getByTestId('delivered').innerText(), '–');
    await page.screenshot({ path: join(folder, `${name}-no-data.png`) });
    const from = performance.now();
    const stood = await page.getByTestId('video').evaluate((video) => video.currentTime);
    await page.waitForFunction((was) => {
      const { currentTime } = document.querySelector('video');
      return currentTime !== was && currentTime > 0;
    }, stood, { timeout: 10_000, polling: 20 });
    await page.getByTestId('picture-held').waitFor({ state: 'detached', timeout: 5000 });
    console.log(name, 'picture back', Math.round(performance.now() - from - 300), 'ms after the gateway');
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}

async function playing(page) {
  await page.waitForFunction(() => {
    const video = document.querySelector('video');
    return video && !video.paused && video.readyState >= 3 && video.currentTime > 0.2;
  }, null, { timeout: 15_000 });
}

/** Frames, stalls and slack over a while. */
async function watch(page, milliseconds) {
  return page.getByTestId('video').evaluate(async (video, duration) => {
    let frames = 0;
    let longest = 0;
    let last = performance.now();
    let running = true;
    const rates = new Set();
    const ahead = [];
    const onFrame = () => {
      frames += 1;
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      rates.add(video.playbackRate);
      ahead.push(video.buffered.end(video.buffered.length - 1) - video.currentTime);
      if (running) video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    await new Promise((resolve) => setTimeout(resolve, duration));
    running = false;
    return {
      frames_per_s: frames / (duration / 1000),
      longest_ms: Math.round(longest),
      rates: [...rates],
      ahead_ms: [Math.min(...ahead), Math.max(...ahead)].map((s) => Math.round(s * 1000)),
      dropped: video.getVideoPlaybackQuality().droppedVideoFrames,
      audio_bytes: video.webkitAudioDecodedByteCount,
    };
  }, milliseconds);
}
