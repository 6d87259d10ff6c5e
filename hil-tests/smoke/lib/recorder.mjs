/** Writes a live stream to a file for as long as it is wanted. */

import { writeFile } from 'node:fs/promises';

import { firstLine } from './checks.mjs';
import { trimToWholeUnits } from './transport.mjs';

export class Recorder {
  #abort = new AbortController();
  #chunks = [];
  #finished;
  #onFirst;
  /** Settled with the first bytes; a gateway starts a stream at a keyframe. */
  begun = new Promise((resolve) => (this.#onFirst = resolve));
  /** Why it ended before it was told to. */
  problem = null;

  constructor(url) {
    this.#finished = this.#receive(url);
  }

  /** Ends the recording and writes what is whole of it. */
  async save(file) {
    this.#abort.abort();
    await this.#finished;
    await writeFile(file, trimToWholeUnits(Buffer.concat(this.#chunks)));
  }

  async #receive(url) {
    try {
      const answer = await fetch(url, { signal: this.#abort.signal });
      if (!answer.ok) throw new Error(`${url} answers HTTP ${answer.status}`);
      for await (const chunk of answer.body) {
        this.#onFirst();
        this.#chunks.push(chunk);
      }
      throw new Error('the gateway ended the stream');
    } catch (error) {
      if (!this.#abort.signal.aborted) this.problem = firstLine(error);
      this.#onFirst();
    }
  }
}
