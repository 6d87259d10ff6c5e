import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { continuity, readRecording } from './recording.mjs';
import { layoutOf } from './stamp.mjs';
import { trimToWholeUnits } from './transport.mjs';

const WIDTH = 640;
const HEIGHT = 360;
const FRAMES = 120;
const FIRST = 0x9abcde00;
let folder;
let whole;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'bondbox-reading-'));
  whole = join(folder, 'whole.ts');
  encode(whole, Array.from({ length: FRAMES }, (_, frame) => FIRST + frame));
});
after(() => rmSync(folder, { recursive: true }));

test('every number is read from a stream of 300 kbit/s', async () => {
  const found = await readRecording(whole);
  assert.equal(found.complaints, '');
  assert.deepEqual(
    [found.frames, found.first, found.last, found.gaps, found.repeats, found.unreadable],
    [FRAMES, FIRST, FIRST + FRAMES - 1, [], [], 0],
  );
  assert.ok(found.longestSoundStep > 20 && found.longestSoundStep < 24, `${found.longestSoundStep} ms`);
});

test('a recording cut anywhere decodes undamaged up to its end', async () => {
  const bytes = readFileSync(whole);
  for (const share of [0.61, 0.777, 0.9]) {
    const file = join(folder, 'cut.ts');
    writeFileSync(file, trimToWholeUnits(bytes.subarray(0, Math.floor(bytes.length * share))));
    const found = await readRecording(file);
    assert.equal(found.complaints, '');
    assert.deepEqual([found.first, found.gaps, found.repeats, found.unreadable], [FIRST, [], [], 0]);
    assert.ok(found.frames > FRAMES * share * 0.7, `${found.frames} frames of ${share}`);
  }
});

test('times that waver around half a frame are no damage', async () => {
  const file = join(folder, 'wavers.ts');
  // The sound begins 1920 ticks earlier.
  const times = 'setts=ts=if(N\\,TS-120+if(mod(N\\,2)\\,20\\,-20)\\,TS)';
  const remux = ['-y', '-v', 'error', '-i', whole, '-map', '0', '-c', 'copy', '-bsf:v', times, file];
  assert.equal(spawnSync('ffmpeg', remux).status, 0);
  const found = await readRecording(file);
  assert.deepEqual([found.complaints, found.frames, found.gaps, found.repeats], ['', FRAMES, [], []]);
});

test('packets missing in the middle are noticed', async () => {
  const bytes = readFileSync(whole);
  const from = Math.floor(bytes.length / 2 / 188) * 188;
  const file = join(folder, 'hole.ts');
  writeFileSync(file, Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 40 * 188)]));
  const found = await readRecording(file);
  assert.notEqual(found.complaints, '');
});

test('a frame the encoder never saw and one it saw twice are noticed', async () => {
  const file = join(folder, 'skips.ts');
  encode(file, [10, 11, 13, 14, 14, 15]);
  const found = await readRecording(file);
  assert.deepEqual(found.gaps, [{ after: 11, missing: 1 }]);
  assert.deepEqual(found.repeats, [{ after: 14, number: 14 }]);
});

test('numbers that cannot be read are counted', () => {
  const found = continuity([5, null, 7]);
  assert.deepEqual(found, {
    frames: 3,
    first: 5,
    last: 7,
    gaps: [{ after: 5, missing: 1 }],
    repeats: [],
    unreadable: 1,
  });
});

/** Pictures with these numbers over a moving background, and a tone, as MPEG-TS. */
function encode(file, numbers) {
  const frames = Buffer.concat(numbers.map(picture));
  const result = spawnSync(
    'ffmpeg',
    [
      ...['-y', '-v', 'error', '-f', 'rawvideo', '-pix_fmt', 'gray', '-r', '25'],
      ...['-s', `${WIDTH}x${HEIGHT}`, '-i', '-', '-f', 'lavfi', '-i', 'sine=r=48000', '-shortest'],
      ...['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'veryfast', '-tune', 'zerolatency'],
      ...['-b:v', '300k', '-maxrate', '300k', '-bufsize', '150k', '-g', '50', '-c:a', 'aac'],
      ...['-f', 'mpegts', '-pes_payload_size', '0', file],
    ],
    { input: frames, maxBuffer: 1 << 28 },
  );
  assert.equal(result.status, 0, String(result.stderr));
}

function picture(number, index) {
  const luma = Buffer.alloc(WIDTH * HEIGHT);
  for (let at = 0; at < luma.length; at += 1) luma[at] = ((at % WIDTH) + index * 5 + (at >> 9)) & 0xff;
  const { block, left, top, blocks } = layoutOf(WIDTH, HEIGHT);
  for (let place = 0; place < blocks; place += 1) {
    const bit = place < 2 ? 1 - place : (number >>> (33 - place)) & 1;
    for (let y = top; y < top + block; y += 1) {
      const from = y * WIDTH + left + place * block;
      luma.fill(bit ? 235 : 16, from, from + block);
    }
  }
  return luma;
}
