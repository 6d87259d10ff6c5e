/**
 * Keeps the picture close to the live edge without a stutter.
 *
 * What counts is the *floor*: the least that was buffered ahead over the last seconds. It is the
 * slack that the connection's unevenness leaves, whereas the momentary value swings with each
 * burst. Above its target the picture plays a little faster, below a little slower; only after a
 * real gap does it jump. Each stall asks for more slack, and quiet minutes give it back.
 */

export type Move = { rate: number } | { jumpTo: number };

export class Chase {
  #ahead: { at: number; value: number }[] = [];
  #rate = 1;
  #target = LEAST_TARGET_S;
  #calmSince = 0;

  /** The slack it steers to, in seconds. */
  get target(): number {
    return this.#target;
  }

  /** The playback ran dry. */
  onStall(now: number): void {
    this.#target = Math.min(MOST_TARGET_S, this.#target + STALL_STEP_S);
    this.#calmSince = now;
  }

  /** The player was replaced: what was measured is of another buffer. */
  reset(now: number): void {
    this.#ahead = [];
    this.#rate = 1;
    this.#calmSince = now;
  }

  /** What to do with `ahead` seconds buffered beyond the play head. */
  poll(now: number, ahead: number): Move {
    if (now - this.#calmSince > CALM_S) {
      this.#target = Math.max(LEAST_TARGET_S, this.#target - STALL_STEP_S);
      this.#calmSince = now;
    }
    this.#ahead.push({ at: now, value: ahead });
    while (this.#ahead[0]!.at < now - FLOOR_OVER_S) this.#ahead.shift();
    const floor = Math.min(...this.#ahead.map(({ value }) => value));
    if (floor > this.#target + JUMP_BEYOND_S) {
      this.#ahead = [];
      this.#rate = 1;
      return { jumpTo: ahead - this.#target };
    }
    this.#rate = this.#nextRate(floor - this.#target);
    return { rate: this.#rate };
  }

  #nextRate(excess: number): number {
    // A change of rate is heard; it is kept until the target is really met.
    if (this.#rate > 1) return excess > 0 ? rateAbove(excess) : 1;
    if (this.#rate < 1) return excess < 0 ? SLOWER : 1;
    if (excess > TOLERANCE_S) return rateAbove(excess);
    return excess < -TOLERANCE_S ? SLOWER : 1;
  }
}

function rateAbove(excess: number): number {
  return excess > 0.5 ? MUCH_FASTER : FASTER;
}

/** Two frames at 25 a second and one AAC frame: less runs dry at the first late packet. */
const LEAST_TARGET_S = 0.12;
const MOST_TARGET_S = 1.0;
const STALL_STEP_S = 0.08;
const CALM_S = 45;
const TOLERANCE_S = 0.08;
const FLOOR_OVER_S = 1.5;
/** Catching up 1.2 s at 1.1 takes 12 s, longer than anybody wants to be behind. */
const JUMP_BEYOND_S = 1.2;
const FASTER = 1.04;
const MUCH_FASTER = 1.1;
const SLOWER = 0.95;
