/**
 * Plays one stream in a `<video>`: connection, MPEG-TS player, live edge, and what to do when any
 * of them fails.
 *
 * The picture is shown by mpegts.js, which sees the bytes of our own connection. So the player can
 * be replaced without losing a byte, and the last frame stays on show until the next one is there.
 */

import mpegts from 'mpegts.js';

import { Chase } from './chase';
import { Connection } from './connection';
import { PacketCutter } from './packets';

/** What the picture does now. */
export interface Playback {
  /** Frames shown a second. */
  frameRate: number;
  /** Seconds since the last frame was shown; `null` before the first. */
  stillFor: number | null;
  /** Seconds buffered ahead of the play head. */
  ahead: number;
  width: number;
  height: number;
  dropped: number;
  /** Why the last connection or player ended, until a frame is shown again. */
  problem: string | null;
}

export class Player {
  #video: HTMLVideoElement;
  #held: HTMLCanvasElement;
  #connection: Connection;
  #cutter = new PacketCutter();
  #feed: Feed | null = null;
  #chase = new Chase();
  #frames: number[] = [];
  #shownAt: number | null = null;
  #decoded = 0;
  #startedAt = 0;
  #problem: string | null = null;
  #timer: ReturnType<typeof setInterval>;
  #frameRequest = 0;

  /** `held` lies over the video and shows its last frame while a new one is awaited. */
  constructor(
    video: HTMLVideoElement,
    held: HTMLCanvasElement,
    url: string,
    onPlayback: (playback: Playback) => void,
  ) {
    this.#video = video;
    this.#held = held;
    this.#connection = new Connection(url, {
      onStart: () => {
        this.#cutter = new PacketCutter();
        this.#replace();
      },
      onBytes: (bytes) => this.#take(bytes),
      onEnd: (reason) => {
        this.#problem = reason;
      },
    });
    video.addEventListener('waiting', this.#onWaiting);
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#frameRequest = video.requestVideoFrameCallback(this.#onFrame);
    this.#timer = setInterval(() => {
      this.#steer();
      onPlayback(this.#playback());
    }, STEER_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#connection.stop();
    this.#video.removeEventListener('waiting', this.#onWaiting);
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.#video.cancelVideoFrameCallback(this.#frameRequest);
    this.#feed?.destroy();
  }

  #take(bytes: Uint8Array): void {
    const [first, ...afterBreaks] = this.#cutter.push(bytes);
    if (first) this.#feed?.push(first);
    for (const run of afterBreaks) {
      this.#replace();
      this.#feed?.push(run);
    }
  }

  /** Puts a new player in the old one's place. */
  #replace(): void {
    this.#holdFrame();
    this.#feed?.destroy();
    this.#startedAt = now();
    this.#chase.reset(now());
    const feed: Feed = new Feed(this.#video, (reason) => {
      if (this.#feed === feed) this.#connection.restart(reason);
    });
    this.#feed = feed;
  }

  #holdFrame(): void {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || videoWidth === 0) return;
    this.#held.width = videoWidth;
    this.#held.height = videoHeight;
    this.#held.getContext('2d')?.drawImage(this.#video, 0, 0);
    this.#held.hidden = false;
  }

  #onFrame = (): void => {
    const at = now();
    this.#held.hidden = true;
    this.#onAlive();
    this.#frames.push(at);
    while (this.#frames[0]! < at - FRAME_RATE_OVER_S) this.#frames.shift();
    this.#frameRequest = this.#video.requestVideoFrameCallback(this.#onFrame);
  };

  #onAlive(): void {
    this.#problem = null;
    this.#shownAt = now();
  }

  #onWaiting = (): void => {
    // The first frames of a player always wait; only what runs dry later is a stall.
    if (now() - this.#startedAt > SETTLE_S) this.#chase.onStall(now());
  };

  #onVisible = (): void => {
    if (document.visibilityState === 'visible') this.#steer();
  };

  /** Keeps the play head near the live edge, and gives up on a player that shows nothing. */
  #steer(): void {
    const video = this.#video;
    const { buffered } = video;
    if (!this.#feed || buffered.length === 0) return;
    // A picture that is scrolled out of sight is decoded, but no frame of it is announced.
    const decoded = video.getVideoPlaybackQuality().totalVideoFrames;
    if (decoded > this.#decoded) this.#onAlive();
    this.#decoded = decoded;
    const end = buffered.end(buffered.length - 1);
    const start = buffered.start(buffered.length - 1);
    if (video.currentTime < start && leftToPlay(video) < HOLE_S) video.currentTime = start;
    if (video.paused) {
      // Before its first frame a player gathers its slack; later, nobody pauses live television
      // but the browser, in a tab that slept.
      const ready = end - start >= this.#chase.target || now() - this.#startedAt > SETTLE_S;
      if (ready) {
        video.play().catch((error: unknown) => {
          // Anything else means that the source was replaced meanwhile.
          const refused = error instanceof DOMException && error.name === 'NotAllowedError';
          if (refused) this.#problem = 'the browser waits for a click before it plays';
        });
      }
      return;
    }
    const move = this.#chase.poll(now(), Math.max(0, end - video.currentTime));
    if ('jumpTo' in move) video.currentTime += move.jumpTo;
    else if (video.playbackRate !== move.rate) video.playbackRate = move.rate;

    const awake = document.visibilityState === 'visible';
    const since = now() - Math.max(this.#shownAt ?? 0, this.#startedAt);
    if (awake && since > STUCK_S && end - video.currentTime > STUCK_AHEAD_S) {
      this.#connection.restart('the player shows no frame of what came');
      this.#startedAt = now();
    }
  }

  #playback(): Playback {
    const video = this.#video;
    const { buffered } = video;
    const end = buffered.length > 0 ? buffered.end(buffered.length - 1) : video.currentTime;
    const recent = this.#frames.filter((at) => at > now() - FRAME_RATE_OVER_S).length;
    return {
      frameRate: recent / FRAME_RATE_OVER_S,
      stillFor: this.#shownAt === null ? null : now() - this.#shownAt,
      ahead: Math.max(0, end - video.currentTime),
      width: video.videoWidth,
      height: video.videoHeight,
      dropped: video.getVideoPlaybackQuality().droppedVideoFrames,
      problem: this.#problem,
    };
  }
}

/** One mpegts.js player, fed by hand. */
class Feed {
  #player: mpegts.Player;
  #deliver: ((bytes: Uint8Array) => void) | null = null;
  #early: Uint8Array[] = [];
  #gone = false;

  constructor(video: HTMLVideoElement, onError: (reason: string) => void) {
    const attach = (deliver: (bytes: Uint8Array) => void) => {
      this.#deliver = deliver;
      this.#early.forEach(deliver);
      this.#early = [];
    };
    this.#player = mpegts.createPlayer(
      { type: 'mpegts', isLive: true, url: 'live.ts' },
      {
        customLoader: loaderClass(attach),
        enableStashBuffer: false,
        lazyLoad: false,
        deferLoadAfterSourceOpen: false,
        autoCleanupSourceBuffer: true,
        autoCleanupMaxBackwardDuration: 20,
        autoCleanupMinBackwardDuration: 10,
      },
    );
    this.#player.on(mpegts.Events.ERROR, (type: string, detail: string) => {
      if (!this.#gone) onError(`the player failed: ${type}, ${detail}`);
    });
    this.#player.attachMediaElement(video);
    this.#player.load();
  }

  push(bytes: Uint8Array): void {
    if (this.#gone || bytes.length === 0) return;
    if (this.#deliver) this.#deliver(bytes);
    else this.#early.push(bytes);
  }

  destroy(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#player.destroy();
  }
}

/** A loader for mpegts.js that asks nobody and takes what it is given. */
function loaderClass(attach: (deliver: (bytes: Uint8Array) => void) => void) {
  return class extends mpegts.BaseLoader {
    #received = 0;

    constructor() {
      super('bondbox');
      this._needStash = false;
    }

    override open(): void {
      this._status = mpegts.LoaderStatus.kBuffering;
      attach((bytes) => {
        const at = this.#received;
        this.#received += bytes.length;
        this.onDataArrival(bytes.slice().buffer, at, this.#received);
      });
    }

    override abort(): void {
      this._status = mpegts.LoaderStatus.kComplete;
    }
  };
}

mpegts.LoggingControl.enableAll = false;

/** Seconds up to the end of the stretch that is being played. */
function leftToPlay({ buffered, currentTime }: HTMLVideoElement): number {
  for (let range = 0; range < buffered.length; range += 1) {
    const end = buffered.end(range);
    if (buffered.start(range) <= currentTime && currentTime <= end) return end - currentTime;
  }
  return 0;
}

function now(): number {
  return performance.now() / 1000;
}

const STEER_MS = 100;
const SETTLE_S = 1;
const FRAME_RATE_OVER_S = 2;
const STUCK_S = 2;
/** What is left before a hole in the buffer is jumped over: less than two frames. */
const HOLE_S = 0.05;
const STUCK_AHEAD_S = 0.5;
