/** The gateway's page in headless Chromium, with every frame number that its `<video>` shows. */

import { chromium } from 'playwright-core';

import { layoutOf, readStrip } from './stamp.mjs';

export class Page {
  #browser;
  #page;
  /** What the browser complained about in its console. */
  complaints = [];
  /** Errors that nobody caught. */
  crashes = [];

  static async open(url) {
    const page = new Page();
    page.#browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
    try {
      page.#page = await page.#browser.newPage({ viewport: { width: 1280, height: 720 } });
      page.#page.on('console', (message) => {
        if (message.type() === 'error') page.complaints.push(message.text());
      });
      page.#page.on('pageerror', (error) => page.crashes.push(String(error)));
      await page.#page.goto(url);
      await page.#page.getByTestId('video').waitFor({ timeout: 15_000 });
      await page.#page.evaluate(WATCH);
    } catch (error) {
      await page.close();
      throw error;
    }
    return page;
  }

  /** The browser that it is in. */
  get browser() {
    return this.#browser;
  }

  /** What the modem of a link says of its signal, in dBm, as shown. */
  async signal(link) {
    const text = await this.#page.getByTestId(`modem-${link}`).textContent({ timeout: 1000 });
    return Number(/(-?\d+) dBm/.exec(text)?.[1] ?? Number.NaN);
  }

  async close() {
    await this.#browser.close();
  }

  /** Lets a unit in, and gives the code that it is to be told; then gives it up again. Also how many units are listed. */
  async letIn(name, screenshot) {
    const timeout = 5000;
    await this.#page.getByTestId('units').click();
    const dialog = this.#page.getByTestId('units-dialog');
    try {
      await dialog.getByTestId('member').first().waitFor({ timeout });
      const members = await dialog.getByTestId('member').count();
      await dialog.getByTestId('pair-name').fill(name);
      await dialog.getByTestId('pair').click();
      const code = await dialog.getByTestId('code').textContent({ timeout });
      const waited = dialog.getByTestId('waited').filter({ hasText: name });
      await waited.waitFor({ timeout });
      if (screenshot) await this.#page.screenshot({ path: screenshot });
      await waited.getByRole('button').click();
      await waited.waitFor({ state: 'detached', timeout });
      await dialog.getByTestId('code').waitFor({ state: 'detached', timeout });
      return { code, members };
    } finally {
      await this.#page.keyboard.press('Escape');
    }
  }

  /** The unit's button for the air: what it says. */
  async airButton() {
    return (await this.#page.getByTestId('air').textContent({ timeout: 1000 })).trim();
  }

  /** Presses it, once the unit has answered what it was asked before. */
  async pressAir() {
    await this.#page.getByTestId('air').click({ timeout: 10_000 });
  }

  /** Waits until the picture runs. */
  async playing(milliseconds) {
    await this.#page.waitForFunction(
      () => globalThis.bondboxFrames.length > 5 && !document.querySelector('video').paused,
      null,
      { timeout: milliseconds },
    );
  }

  /** The frames shown in the last `milliseconds`: when, and which number. */
  async frames(milliseconds) {
    return this.#page.evaluate((age) => {
      const from = performance.now() - age;
      return globalThis.bondboxFrames.filter(({ at }) => at >= from);
    }, milliseconds);
  }

  /** Bytes of sound that were decoded so far by the present player. */
  async soundBytes() {
    return this.#page.getByTestId('video').evaluate((video) => video.webkitAudioDecodedByteCount);
  }

  /** The page's clock in milliseconds, the one of the frames. */
  async now() {
    return this.#page.evaluate(() => performance.now());
  }

  /** Presses an emulated link's button, and says how long its row took to show one of `states`. */
  async press(verb, link, states, milliseconds) {
    const row = this.#page.getByTestId(`link-${link}`);
    await row.evaluate((element) => {
      globalThis.bondboxStates = [];
      const note = () =>
        globalThis.bondboxStates.push({ at: performance.now(), state: element.dataset.state });
      new MutationObserver(note).observe(element, { attributeFilter: ['data-state'] });
    });
    const pressedAt = await this.#page.getByTestId(`${verb}-${link}`).evaluate((button) => {
      if (button.disabled) throw new Error(`the button ${button.textContent.trim()} is disabled`);
      const at = performance.now();
      button.click();
      return at;
    });
    const seen = await this.#page.waitForFunction(
      (wanted) => globalThis.bondboxStates.find(({ state }) => wanted.includes(state)),
      states,
      { timeout: milliseconds, polling: 50 },
    );
    const { at } = await seen.jsonValue();
    return at - pressedAt;
  }

  /** The pressed state of a button, which is what the emulator confirmed. */
  async isConfirmed(verb, link) {
    const button = this.#page.getByTestId(`${verb}-${link}`);
    return (await button.getAttribute('aria-pressed')) === 'true';
  }

  async screenshot(path) {
    await this.#page.screenshot({ path });
  }
}

/** How frame numbers moved between two readings. */
export function advance(frames) {
  const readable = frames.filter(({ number }) => number !== null);
  const first = readable[0];
  const last = readable.at(-1);
  if (!first || last === first) throw new Error(`${readable.length} of ${frames.length} frames have a number`);
  return {
    perSecond: ((last.number - first.number) * 1000) / (last.at - first.at),
    readable: readable.length / frames.length,
  };
}

/** The longest time in which no new number was shown, within frames that span it. */
export function longestStandstill(frames, from, to) {
  let longest = { ms: 0, end: from };
  let at = from;
  let newest = null;
  for (const frame of [...frames, { at: to, number: Infinity }]) {
    if (frame.number === null || (newest !== null && frame.number <= newest)) continue;
    if (frame.at >= from) {
      if (frame.at - at > longest.ms) longest = { ms: frame.at - at, end: frame.at };
      at = frame.at;
    }
    newest = frame.number;
  }
  return longest;
}

/** Runs in the page: notes the number of every frame that is shown. */
const WATCH = `{
  const layoutOf = ${layoutOf};
  const readStrip = ${readStrip};
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const numberOf = (video) => {
    const layout = layoutOf(video.videoWidth, video.videoHeight);
    if (!layout) return null;
    const { block, left, top, blocks } = layout;
    canvas.width = block * blocks;
    canvas.height = block;
    context.drawImage(video, left, top, block * blocks, block, 0, 0, block * blocks, block);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return readStrip(Uint8Array.from({ length: data.length / 4 }, (_, pixel) => data[pixel * 4 + 1]), block);
  };
  const frames = (globalThis.bondboxFrames = []);
  const video = document.querySelector('[data-testid=video]');
  const note = () => {
    frames.push({ at: performance.now(), number: numberOf(video) });
    if (frames.length > 2000) frames.splice(0, 1000);
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
}`;

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  ...['--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
];
