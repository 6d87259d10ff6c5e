#!/usr/bin/env node
/** Prints what is in a recorded MPEG-TS file: `reading.mjs FILE`. */

import { readRecording } from './lib/recording.mjs';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('usage: reading.mjs FILE');
  process.exit(2);
}
console.log(JSON.stringify(await readRecording(file), null, 2));
