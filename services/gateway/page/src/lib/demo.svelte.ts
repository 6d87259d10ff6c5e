/**
 * The emulated links of `make demo`: what the emulator says they are, and three commands.
 *
 * A button never shows what was asked for, only what the emulator confirmed.
 */

import { reason } from './answer';
import { parseDemoLinks, type DemoLink } from './status';

export type Verb = 'cut' | 'blackhole' | 'restore';

export class DemoLinks {
  links = $state.raw<DemoLink[]>([]);
  /** The command a link is waiting for. */
  pending = $state<Record<string, Verb>>({});
  /** Why a link's last command failed. */
  errors = $state<Record<string, string>>({});
  /** Why the emulator cannot be read. */
  problem = $state<string | null>(null);

  start(): () => void {
    void this.#refresh();
    const timer = setInterval(() => void this.#refresh(), REFRESH_MS);
    return () => clearInterval(timer);
  }

  /** Runs one command and waits for the emulator to show its effect. */
  async run(name: string, verb: Verb): Promise<void> {
    if (this.pending[name]) return;
    this.pending[name] = verb;
    delete this.errors[name];
    try {
      const path = `api/demo/links/${encodeURIComponent(name)}/${verb}`;
      const answer = await fetch(path, { method: 'POST', signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!answer.ok) throw new Error(await reason(answer));
      await this.#refresh();
      const state = this.links.find((link) => link.name === name)?.state;
      if (state !== OUTCOME[verb]) throw new Error(`the emulator says ${state ?? 'nothing'}`);
    } catch (error) {
      this.errors[name] = `${verb} failed: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      delete this.pending[name];
    }
  }

  async #refresh(): Promise<void> {
    try {
      const answer = await fetch('api/demo/links', { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!answer.ok) throw new Error(await reason(answer));
      this.links = parseDemoLinks(await answer.json());
      this.problem = null;
    } catch (error) {
      this.links = [];
      this.problem = error instanceof Error ? error.message : String(error);
    }
  }
}

const OUTCOME = { cut: 'cut', blackhole: 'blackhole', restore: 'up' } as const;
const REFRESH_MS = 1000;
const PATIENCE_MS = 3000;
