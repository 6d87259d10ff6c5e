/** What was claimed, and whether it holds. */

export class Checks {
  #failed = [];
  #passed = 0;

  /** States one claim; `detail` says what was seen either way. */
  claim(claim, holds, detail = '') {
    if (holds) this.#passed += 1;
    else this.#failed.push(claim);
    console.log(`${holds ? 'ok  ' : 'FAIL'}  ${claim}${detail === '' ? '' : ` (${detail})`}`);
  }

  /** Runs one claim's code: it holds unless that throws. What it returns is the detail. */
  async attempt(claim, code) {
    try {
      this.claim(claim, true, (await code()) ?? '');
    } catch (error) {
      this.claim(claim, false, firstLine(error));
    }
  }

  /** Prints the last line; the exit code. */
  finish() {
    for (const claim of this.#failed) console.log(`failed: ${claim}`);
    console.log(`${this.#passed} passed, ${this.#failed.length} failed`);
    return this.#failed.length === 0 && this.#passed > 0 ? 0 : 1;
  }
}

/** What an error says, without the call log of the browser's driver. */
export function firstLine(error) {
  return String(error instanceof Error ? error.message : error).split('\n')[0];
}

/** Asks until the answer is there. */
export async function until(what, milliseconds, ask) {
  const end = performance.now() + milliseconds;
  let last = null;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${milliseconds} ms${last ? `, ${firstLine(last)}` : ''}`);
    }
    await sleep(50);
  }
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
