/**
 * What the gateway says about itself, as it comes over `api/events` and `api/status`.
 *
 * `SHAPE` is the contract, and the types follow from it, so that the check at the door and the
 * code behind it cannot disagree.
 */

/** Reads one status, or throws an error that names the field that is wrong. */
export function parseStatus(text: string): Status {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`the status is not JSON: ${text.slice(0, 80)}`);
  }
  check(value, SHAPE, 'status');
  return value as Status;
}

/** Reads the emulator's links, or throws an error that names the field that is wrong. */
export function parseDemoLinks(value: unknown): DemoLink[] {
  check(value, DEMO_SHAPE, 'links');
  return value as DemoLink[];
}

const oneOf = <const T extends readonly string[]>(...words: T) => ({ oneOf: words });
const nullable = <const T>(shape: T) => ({ nullable: shape });

const COUNTS = { delivered: 'number', late: 'number', repaired: 'number', lost: 'number' } as const;

const SHAPE = {
  demo: 'boolean',
  gateway: { version: 'string', uptime_s: 'number' },
  streams: [
    {
      name: 'string',
      /** Fingerprint of the unit's key. */
      unit: 'string',
      session: oneOf('open', 'dark', 'ended'),
      /** Why, where it has. */
      ended: nullable(oneOf('by_unit', 'replaced', 'silent', 'revoked')),
      /** What keeps delivered units from going where they should, in words. */
      failing: ['string'],
      uptime_s: 'number',
      /** The budget between a unit's capture and its play-out. */
      latency_ms: 'number',
      /** Where the budget goes, by 50 ms a second. */
      latency_target_ms: 'number',
      tracks: [
        {
          id: 'number',
          kind: oneOf('video', 'audio', 'opaque'),
          codec: 'string',
          label: 'string',
          ...COUNTS,
          longest_gap_ms: 'number',
        },
      ],
      /** In units; the repaired ones are among the delivered. */
      totals: COUNTS,
      encoder: nullable({ target_bps: 'number', actual_bps: 'number', delay_ms: 'number' }),
      /** From the camera to the gateway's output. */
      delay: { encode_ms: 'number', bond_ms: 'number', total_ms: 'number' },
      /** `cost`: bytes on the wire by bytes of media. */
      wire: { received_bps: 'number', cost: 'number' },
      links: [
        {
          id: 'number',
          name: 'string',
          state: oneOf('joining', 'up', 'suspect', 'silent', 'absent'),
          rate_bps: 'number',
          capacity_bps: 'number',
          rtt_ms: 'number',
          delay_ms: 'number',
          queue_ms: 'number',
          loss_percent: 'number',
          share_percent: 'number',
          lost: 'number',
          repaired: 'number',
        },
      ],
      /** What the unit says of itself, of whatever version: see `unit.ts`. */
      telemetry: 'unknown',
      /** Datagrams that went back to the unit. */
      talkback: { sent: 'number', delivered: 'number', lost: 'number', refused: 'number' },
    },
  ],
} as const;

const DIRECTION = { rate_kbps: 'number', queue_ms: 'number' } as const;
const DEMO_SHAPE = [
  { name: 'string', state: oneOf('up', 'cut', 'blackhole'), up: DIRECTION, down: DIRECTION },
] as const;

type Parsed<S> = S extends 'unknown'
  ? unknown
  : S extends 'string'
  ? string
  : S extends 'number'
    ? number
    : S extends 'boolean'
      ? boolean
      : S extends { oneOf: readonly (infer W)[] }
        ? W
        : S extends { nullable: infer T }
          ? Parsed<T> | null
          : S extends readonly [infer T]
            ? Parsed<T>[]
            : { [K in keyof S]: Parsed<S[K]> };

export type Status = Parsed<typeof SHAPE>;
export type Stream = Status['streams'][number];
export type Link = Stream['links'][number];
export type LinkState = Link['state'];
export type Track = Stream['tracks'][number];
export type Totals = Stream['totals'];
export type DemoLink = Parsed<typeof DEMO_SHAPE>[number];

function check(value: unknown, shape: unknown, path: string): void {
  if (shape === 'unknown') return;
  if (typeof shape === 'string') {
    const finite = typeof value !== 'number' || Number.isFinite(value);
    if (typeof value !== shape || !finite) fail(path, value, `a ${shape}`);
  } else if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return fail(path, value, 'a list');
    value.forEach((item, index) => check(item, shape[0], `${path}[${index}]`));
  } else if (isRecord(shape)) {
    if ('oneOf' in shape) {
      const words = shape['oneOf'] as readonly unknown[];
      if (!words.includes(value)) fail(path, value, `one of ${words.join(', ')}`);
    } else if ('nullable' in shape) {
      if (value !== null) check(value, shape['nullable'], path);
    } else {
      if (!isRecord(value)) return fail(path, value, 'an object');
      // Fields we do not know come from a newer gateway and are none of our business.
      for (const key of Object.keys(shape)) check(value[key], shape[key], `${path}.${key}`);
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(path: string, value: unknown, expected: string): never {
  throw new Error(`${path} is ${JSON.stringify(value) ?? 'missing'}, must be ${expected}`);
}
