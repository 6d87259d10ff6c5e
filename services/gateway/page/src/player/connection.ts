/**
 * One stream's bytes over HTTP, for ever: reconnects by itself when they end or stay away.
 */

/** What the connection tells the player. */
export interface Receiver {
  /** A new connection brings its first bytes. */
  onStart(): void;
  /** @throws when the bytes are unusable; that ends the connection. */
  onBytes(bytes: Uint8Array): void;
  /** The connection ended; another one follows. */
  onEnd(reason: string): void;
}

export class Connection {
  #url: string;
  #receiver: Receiver;
  #abort = new AbortController();
  #stopped = false;

  constructor(url: string, receiver: Receiver) {
    this.#url = url;
    this.#receiver = receiver;
    void this.#run();
  }

  /** Ends the present connection; another one follows at once. */
  restart(reason: string): void {
    this.#abort.abort(new Error(reason));
  }

  stop(): void {
    this.#stopped = true;
    this.#abort.abort(new Error('stopped'));
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      this.#abort = new AbortController();
      let lived = false;
      try {
        await this.#receive(this.#abort, () => {
          lived = true;
        });
        throw new Error('the gateway ended the stream');
      } catch (error) {
        if (this.#stopped) return;
        const { signal } = this.#abort;
        const cause: unknown = signal.aborted ? signal.reason : error;
        // What is left of a connection whose bytes were refused must not run on.
        this.#abort.abort();
        this.#receiver.onEnd(cause instanceof Error ? cause.message : String(cause));
      }
      failures = lived ? 0 : failures + 1;
      await pause(Math.min(BACK_OFF_MS * 2 ** failures, LONGEST_BACK_OFF_MS));
    }
  }

  async #receive(abort: AbortController, onFirst: () => void): Promise<void> {
    const silence = () => setTimeout(() => abort.abort(new Error('no bytes came')), SILENCE_MS);
    let timer = silence();
    try {
      const answer = await fetch(this.#url, { signal: abort.signal, cache: 'no-store' });
      if (!answer.ok || !answer.body) throw new Error(`the gateway answers HTTP ${answer.status}`);
      const reader = answer.body.getReader();
      for (let first = true; ; first = false) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = silence();
        if (first) {
          onFirst();
          this.#receiver.onStart();
        }
        this.#receiver.onBytes(value);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 800;
/** A gateway that waits for a unit's next keyframe is silent for two seconds. */
const SILENCE_MS = 5000;
