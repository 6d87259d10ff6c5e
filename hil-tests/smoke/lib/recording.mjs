/**
 * What is in a recorded MPEG-TS file: every frame number, every hole in the sound, and every
 * complaint of the decoder.
 */

import { spawn } from 'node:child_process';

import { layoutOf, readStrip } from './stamp.mjs';

/** Decodes the whole file and reads it. */
export async function readRecording(file) {
  const size = await videoSize(file);
  const layout = layoutOf(size.width, size.height);
  if (!layout) throw new Error(`${file} is ${size.width}×${size.height}, too small for a frame number`);
  const { numbers, complaints } = await decode(file, layout);
  return { ...size, complaints, ...continuity(numbers), longestSoundStep: await longestSoundStep(file) };
}

/** Where a list of frame numbers does not go up by one. */
export function continuity(numbers) {
  const gaps = [];
  const repeats = [];
  let unreadable = 0;
  let last = null;
  for (const number of numbers) {
    if (number === null) {
      unreadable += 1;
      continue;
    }
    if (last !== null && number <= last) repeats.push({ after: last, number });
    else if (last !== null && number !== last + 1) gaps.push({ after: last, missing: number - last - 1 });
    last = number;
  }
  const readable = numbers.filter((number) => number !== null);
  return { frames: numbers.length, first: readable[0] ?? null, last, gaps, repeats, unreadable };
}

async function videoSize(file) {
  const { text, complaints } = await run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'stream=width,height'],
    ...['-of', 'csv=p=0', file],
  ]);
  // A stream listed under its programme and by itself comes twice.
  const [width, height] = text.trim().split('\n')[0].split(',').map(Number);
  if (!width || !height) throw new Error(`${file} holds no picture: ${complaints || text}`);
  return { width, height };
}

/**
 * Every decoded frame's number; the frames stay as many as they are in the file, each at its own
 * time: rounded to whole frames, two that waver around a half would meet in one.
 */
async function decode(file, { block, left, top, blocks }) {
  const { bytes, complaints } = await run('ffmpeg', [
    ...['-nostdin', '-v', 'warning', '-i', file],
    ...['-map', '0:v:0', '-vf', `format=gray,crop=${blocks * block}:${block}:${left}:${top}:exact=1`],
    ...['-fps_mode', 'passthrough', '-enc_time_base', '1:90000', '-f', 'rawvideo', 'pipe:1'],
    ...['-map', '0:a?', '-f', 'null', '-'],
  ]);
  const frame = blocks * block * block;
  const numbers = [];
  for (let at = 0; at + frame <= bytes.length; at += frame) {
    numbers.push(readStrip(bytes.subarray(at, at + frame), block));
  }
  return { numbers, complaints };
}

/** The longest time from one sound frame to the next in milliseconds; `null` without sound. */
async function longestSoundStep(file) {
  const { text } = await run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'a:0', '-show_entries', 'packet=pts_time'],
    ...['-of', 'csv=p=0', file],
  ]);
  const times = text.split('\n').map(parseFloat).filter(Number.isFinite);
  let longest = null;
  for (let at = 1; at < times.length; at += 1) {
    longest = Math.max(longest ?? 0, (times[at] - times[at - 1]) * 1000);
  }
  return longest;
}

function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const out = [];
    const err = [];
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.on('error', (error) => reject(new Error(`${program}: ${error.message}`)));
    child.on('close', (code) => {
      const complaints = Buffer.concat(err).toString().trim();
      if (code !== 0) reject(new Error(`${program} ended with ${code}: ${complaints}`));
      else {
        const bytes = Buffer.concat(out);
        resolve({ bytes, complaints, get text() { return bytes.toString(); } });
      }
    });
  });
}
