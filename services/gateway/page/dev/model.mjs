/**
 * A bond that never was: statuses that move like real ones, for work on the page without a gateway.
 */

const LINKS = [
  { name: 'wwan0', capacity: 6e6, rtt: 52, buffer: 800, loss: 1.1 },
  { name: 'wwan1', capacity: 4e6, rtt: 84, buffer: 500, loss: 1.8 },
  { name: 'wwan2', capacity: 3e6, rtt: 146, buffer: 300, loss: 2.6 },
];

const OPERATORS = ['North', 'South', 'West'];

export class Model {
  #links = LINKS.map((link, id) => ({
    ...link,
    id,
    mode: 'up',
    changedAt: 0,
    walk: 1,
    queue: 10,
    lost: 0,
    repaired: 0,
    rate: 0,
  }));
  #totals = { delivered: 0, late: 0, repaired: 0, lost: 0 };
  #actual = 2.5e6;
  #target = 2.5e6;
  #time = 0;

  #picture = 'live';
  #blinksUntil = 0;

  constructor(streams) {
    this.streams = streams;
  }

  /** The unit is asked to blink for half a minute, or to go on the air or off it. */
  ask(verb) {
    if (verb === 'identify') this.#blinksUntil = this.#time + 30;
    else this.#picture = verb === 'start' ? 'live' : 'stopped';
  }

  setMode(name, mode) {
    const link = this.#links.find((candidate) => candidate.name === name);
    if (!link) return `no emulated link is called ${name}`;
    link.mode = mode;
    link.changedAt = this.#time;
    return null;
  }

  demoLinks() {
    return this.#links.map(({ name, mode, capacity, queue }) => ({
      name,
      state: mode,
      up: { rate_kbps: Math.round(capacity / 1000), queue_ms: Math.round(queue) },
      down: { rate_kbps: 2000, queue_ms: 0 },
    }));
  }

  /** Goes on by `step` seconds. */
  advance(step) {
    this.#time += step;
    const wobble = () => Math.random() - 0.5;
    for (const link of this.#links) {
      link.walk = Math.min(1.15, Math.max(0.55, link.walk + wobble() * 0.05));
    }
    const up = this.#links.filter((link) => this.#state(link) === 'up');
    const proven = up.reduce((sum, link) => sum + link.capacity * link.walk, 0);
    const largest = Math.max(0, ...up.map((link) => link.capacity * link.walk));
    const wanted = Math.max(3e5, 0.9 * Math.max(proven - largest, proven / 2));
    this.#target += wanted < this.#target ? (wanted - this.#target) : Math.min(wanted - this.#target, this.#target * 0.08 * step);
    this.#actual += (this.#target * (0.96 + wobble() * 0.08) - this.#actual) * 0.4;
    for (const link of this.#links) {
      const carries = this.#state(link) === 'up';
      const rate = carries ? (this.#actual * 1.07 * link.capacity * link.walk) / proven : 0;
      link.rate = rate * (0.97 + Math.random() * 0.06);
      const strain = rate / (link.capacity * link.walk);
      link.queue = carries ? Math.max(0, link.queue * 0.7 + strain * 22 * Math.random() + wobble() * 6) : link.queue;
      const packets = Math.round((rate * step) / 8 / 1200);
      const lost = Math.random() < 0.15 ? Math.round((packets * link.loss * 6) / 100) : 0;
      link.lost += lost;
      link.repaired += lost;
      this.#totals.repaired += Math.ceil(lost / 3);
    }
    this.#totals.delivered += Math.round(step * (25 + 46.875));
    if (Math.random() < 0.01) this.#totals.late += 1;
  }

  status(uptime) {
    const all = this.#links.reduce((sum, link) => sum + link.rate, 0) || 1;
    const stream = {
      unit: '7c1e 90ab 44d2 e016',
      session: 'open',
      ended: null,
      failing: [],
      uptime_s: Math.floor(uptime),
      latency_ms: 600,
      latency_target_ms: 600,
      tracks: [
        { id: 0, kind: 'video', codec: 'H.264', label: '640×360p25', ...this.#share(0.35), longest_gap_ms: 41 },
        { id: 1, kind: 'audio', codec: 'AAC', label: '48 kHz stereo', ...this.#share(0.65), longest_gap_ms: 22 },
      ],
      totals: { ...this.#totals },
      encoder: { target_bps: Math.round(this.#target), actual_bps: Math.round(this.#actual), delay_ms: 14.2 },
      delay: { encode_ms: 14.2, bond_ms: 600.4 + Math.random(), total_ms: 615 },
      wire: { received_bps: Math.round(all), cost: 1.084 + Math.random() * 0.004 },
      links: this.#links.map((link) => ({
        id: link.id,
        name: link.name,
        state: this.#state(link),
        rate_bps: Math.round(link.rate),
        capacity_bps: Math.round(link.capacity * link.walk),
        rtt_ms: link.rtt + link.queue,
        delay_ms: link.rtt / 2 + Math.random(),
        queue_ms: link.queue,
        loss_percent: link.loss * (0.8 + Math.random() * 0.4),
        share_percent: (100 * link.rate) / all,
        lost: link.lost,
        repaired: link.repaired,
      })),
      telemetry: {
        version: 1,
        links: this.#links.map(({ name, id }) => ({
          name,
          network: { operator: OPERATORS[id], technology: id === 0 ? '5G NR' : 'LTE', roaming: id === 2 },
          radio: { age_s: 6 * id, percent: 84 - 20 * id, rsrp_dbm: -84.5 - 9 * id },
          data: { bytes: 14.2e9 * (id + 1), plan_bytes: id === 1 ? 25e9 : 50e9 },
        })),
        capture: { picture: this.#picture },
        panel: {
          meaning: this.#time < this.#blinksUntil ? 'identify' : 'low_battery',
          battery: { percent: 14.2, charging: false, left_s: 1860, step: 'low' },
          mains: false,
          temperature_c: 61.2,
          failing: [{ kind: 'fan', why: 'hwmon2/pwm1: permission denied' }],
        },
      },
      talkback: { sent: 0, delivered: 0, lost: 0, refused: 0 },
    };
    return {
      demo: true,
      gateway: { version: '0.1.0', uptime_s: Math.floor(uptime) + 40 },
      streams: this.streams.map((name) => ({ ...stream, name })),
    };
  }

  #share(part) {
    return Object.fromEntries(
      Object.entries(this.#totals).map(([key, value]) => [key, Math.round(value * part)]),
    );
  }

  #state(link) {
    if (link.mode === 'up') return this.#time - link.changedAt < 0.5 && link.changedAt > 0 ? 'joining' : 'up';
    return this.#time - link.changedAt < 0.5 ? 'suspect' : 'silent';
  }
}
