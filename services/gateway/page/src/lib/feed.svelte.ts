/**
 * The gateway's events: the newest status, the last minute of each stream, and how old both are.
 *
 * The browser's own reconnection waits seconds and cannot tell a dead connection from a quiet one,
 * so a connection that stays silent is replaced here.
 */

import { History } from './history';
import { parseStatus, type Status } from './status';

export class Feed {
  /** The newest status; `null` before the first. */
  status = $state.raw<Status | null>(null);
  /** Rises with each status; what draws from a history reads it to be told. */
  version = $state(0);
  /** Page time in seconds, refreshed with every status and every tick. */
  now = $state(seconds());
  /** Why the last status was refused or the connection ended. */
  problem = $state<string | null>(null);

  #lastAt = $state(seconds());
  #histories = new Map<string, History>();
  #source: EventSource | null = null;
  #openedAt = 0;

  /** Seconds since the last status. */
  get age(): number {
    return Math.max(0, this.now - this.#lastAt);
  }

  /** Whether the numbers may be shown as what is happening. */
  get live(): boolean {
    return this.status !== null && this.age < STALE_AFTER_S;
  }

  /** The last minute of one stream. */
  history(stream: string): History {
    let history = this.#histories.get(stream);
    if (!history) this.#histories.set(stream, (history = new History()));
    return history;
  }

  /** Connects and stays connected. Returns how to stop. */
  start(): () => void {
    this.#open();
    const timer = setInterval(() => this.#tick(), TICK_MS);
    return () => {
      clearInterval(timer);
      this.#source?.close();
    };
  }

  #open(): void {
    this.#source?.close();
    this.#openedAt = seconds();
    const source = new EventSource('api/events');
    this.#source = source;
    source.onmessage = (event: MessageEvent<string>) => this.#take(event.data);
    source.onerror = () => {
      source.close();
      if (this.#source === source) this.#source = null;
      this.problem = 'the connection to the gateway ended';
    };
  }

  #take(text: string): void {
    let status: Status;
    try {
      status = parseStatus(text);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      return;
    }
    const at = seconds();
    for (const stream of status.streams) this.history(stream.name).push(at, stream);
    this.#lastAt = this.now = at;
    this.problem = null;
    this.status = status;
    this.version += 1;
  }

  #tick(): void {
    this.now = seconds();
    const connectedFor = this.now - this.#openedAt;
    if (!this.#source && connectedFor > RETRY_AFTER_S) this.#open();
    else if (this.age > SILENT_AFTER_S && connectedFor > SILENT_AFTER_S) this.#open();
  }
}

/** Seconds of the page's monotonic clock. */
export function seconds(): number {
  return performance.now() / 1000;
}

const TICK_MS = 250;
/** Six events are missing: a busy browser delays two or three. */
const STALE_AFTER_S = 1.5;
const RETRY_AFTER_S = 0.5;
/** A connection that says nothing for so long is taken for dead. */
const SILENT_AFTER_S = 4;
