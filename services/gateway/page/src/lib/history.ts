/**
 * The last minute of one stream, sample by sample, for the plots and for what is counted a second.
 *
 * Times are seconds of the page's own monotonic clock: two clocks are never compared.
 */

import type { LinkState, Stream, Totals } from './status';

/** Length of the plots. */
export const WINDOW_S = 60;

/** One link in one sample. */
export interface LinkSample {
  state: LinkState;
  rate: number;
  capacity: number;
  queue: number;
}

interface Sample {
  at: number;
  totals: Totals;
  target: number | null;
  actual: number | null;
  links: Map<string, LinkSample>;
}

/** A plot's columns: seconds before now (negative), then a list a series. */
export type Columns = [times: number[], ...values: (number | null)[][]];

export class History {
  #samples: Sample[] = [];

  /** Takes in one status that came at `at`. */
  push(at: number, stream: Stream): void {
    const last = this.#samples.at(-1);
    // Counters only fall when they start anew: the past cannot be subtracted from them.
    if (last && COUNTERS.some((key) => stream.totals[key] < last.totals[key])) this.#samples = [];
    this.#samples.push({
      at,
      totals: stream.totals,
      target: stream.encoder?.target_bps ?? null,
      actual: stream.encoder?.actual_bps ?? null,
      links: new Map(
        stream.links.map((link) => [
          link.name,
          {
            state: link.state,
            rate: link.rate_bps,
            capacity: link.capacity_bps,
            queue: link.queue_ms,
          },
        ]),
      ),
    });
    // One sample older than the window stays, so that the lines reach its edge.
    while ((this.#samples[1]?.at ?? at) <= at - WINDOW_S) this.#samples.shift();
  }

  /** How much a counter grew per second over the last `RATE_OVER_S`, `null` before two samples. */
  perSecond(counter: keyof Totals): number | null {
    const last = this.#samples.at(-1);
    if (!last) return null;
    const first = this.#samples.find((sample) => sample.at >= last.at - RATE_OVER_S);
    if (!first || first === last) return null;
    return (last.totals[counter] - first.totals[counter]) / (last.at - first.at);
  }

  /** How much a counter grew within the window, or since the page looks if that is shorter. */
  recent(counter: keyof Totals): number {
    const last = this.#samples.at(-1);
    const first = this.#samples[0];
    return last && first ? last.totals[counter] - first.totals[counter] : 0;
  }

  /** Rate, capacity (Mbit/s) and queue (ms) of one link. */
  link(name: string, now: number): Columns {
    return this.#columns(now, (sample) => {
      const link = sample.links.get(name);
      return link ? [link.rate / 1e6, link.capacity / 1e6, link.queue] : [null, null, null];
    });
  }

  /** The stretches in which a link did not carry media, in seconds before now. */
  outages(name: string, now: number): { from: number; to: number }[] {
    const stretches: { from: number; to: number }[] = [];
    let open: { from: number; to: number } | null = null;
    for (const sample of this.#samples) {
      const state = sample.links.get(name)?.state;
      if (state === 'suspect' || state === 'silent') {
        if (!open) stretches.push((open = { from: sample.at - now, to: sample.at - now }));
        open.to = sample.at - now;
      } else if (open) {
        open.to = sample.at - now;
        open = null;
      }
    }
    return stretches;
  }

  /** The encoder's target and what it made of it, in Mbit/s. */
  encoder(now: number): Columns {
    const mega = (value: number | null) => (value === null ? null : value / 1e6);
    return this.#columns(now, (sample) => [mega(sample.target), mega(sample.actual)]);
  }

  #columns(now: number, read: (sample: Sample) => (number | null)[]): Columns {
    const times: number[] = [];
    const values: (number | null)[][] = [];
    let before: number | null = null;
    const append = (x: number, row: (number | null)[]) => {
      times.push(x);
      row.forEach((value, index) => (values[index] ??= []).push(value));
    };
    for (const sample of this.#samples) {
      const row = read(sample);
      // Nothing is known about a hole in the events, so no line is drawn across it.
      if (before !== null && sample.at - before > HOLE_S) append(before - now + 0.001, row.map(() => null));
      append(sample.at - now, row);
      before = sample.at;
    }
    return [times, ...values];
  }
}

/** Long enough to be steady with 25 frames a second, short enough to show a loss at once. */
const RATE_OVER_S = 2;

/** Four events are missing. */
const HOLE_S = 1.25;

const COUNTERS = ['delivered', 'late', 'repaired', 'lost'] as const;
