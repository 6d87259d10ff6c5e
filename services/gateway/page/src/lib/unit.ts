/**
 * What a unit says of itself, as the gateway passes it on (`telemetry` of a stream).
 *
 * Units are of any version, so nothing here is an error: what is not there, or is something else
 * than this page knows, is `null`.
 */

export interface Unit {
  /** Whether it captures, and what: `stopped`, `starting`, `live`, `slate`; `null` where it sends what it is given. */
  picture: string | null;
  /** What its lights mean, in its own word. */
  meaning: string | null;
  battery: { percent: number; charging: boolean; left_s: number | null; step: string } | null;
  mains: boolean | null;
  temperature_c: number | null;
  failing: { kind: string; why: string }[];
  links: UnitLink[];
}

export interface UnitLink {
  name: string;
  label: string;
  operator: string;
  technology: string;
  roaming: boolean;
  /** How old the reading of its radio was when the unit told of it. */
  signal_age_s: number | null;
  signal_percent: number | null;
  rsrp_dbm: number | null;
  /** Of the LTE cell that an NR cell was added to; `rsrp_dbm` is the NR cell's then. */
  anchor_rsrp_dbm: number | null;
  used_bytes: number | null;
  plan_bytes: number | null;
}

/** Reads what a unit said; `null` when it said nothing. */
export function readUnit(telemetry: unknown): Unit | null {
  const said = record(telemetry);
  if (!said) return null;
  const panel = record(said['panel']) ?? {};
  return {
    picture: text(record(said['capture'])?.['picture']) || null,
    meaning: text(panel['meaning']) || null,
    battery: readBattery(panel['battery']),
    mains: typeof panel['mains'] === 'boolean' ? panel['mains'] : null,
    temperature_c: number(panel['temperature_c']),
    failing: list(panel['failing']).map(({ kind, why }) => ({ kind: text(kind), why: text(why) })),
    links: list(said['links']).map(readLink),
  };
}

/** What the unit says of the link that it calls `name`. */
export function linkOf(unit: Unit | null, name: string): UnitLink | null {
  return unit?.links.find((link) => link.name === name) ?? null;
}

/** What the lights mean, in words. */
export function inWords(meaning: string): string {
  const words = meaning.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function readBattery(value: unknown): Unit['battery'] {
  const battery = record(value);
  const percent = number(battery?.['percent']);
  if (!battery || percent === null) return null;
  return {
    percent,
    charging: battery['charging'] === true,
    left_s: number(battery['left_s']),
    step: text(battery['step']),
  };
}

function readLink(link: Record<string, unknown>): UnitLink {
  const [network, radio, data] = ['network', 'radio', 'data'].map((key) => record(link[key]));
  return {
    name: text(link['name']),
    label: text(link['label']),
    operator: text(network?.['operator']),
    technology: text(network?.['technology']),
    roaming: network?.['roaming'] === true,
    signal_age_s: number(radio?.['age_s']),
    signal_percent: number(radio?.['percent']),
    rsrp_dbm: number(radio?.['rsrp_dbm']),
    anchor_rsrp_dbm: number(record(radio?.['anchor'])?.['rsrp_dbm']),
    used_bytes: number(data?.['bytes']),
    plan_bytes: number(data?.['plan_bytes']),
  };
}

function record(value: unknown): Record<string, unknown> | null {
  const is = typeof value === 'object' && value !== null && !Array.isArray(value);
  return is ? (value as Record<string, unknown>) : null;
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(record).filter((item) => item !== null) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
