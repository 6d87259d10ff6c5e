/** A status as a gateway sends it, for tests. */
export const STATUS = {
  demo: false,
  gateway: { version: '0.1.0', uptime_s: 12 },
  streams: [
    {
      name: 'unit-1',
      unit: '7c1e90ab44d2e016',
      session: 'open',
      uptime_s: 11,
      latency_ms: 600,
      latency_target_ms: 600,
      tracks: [
        {
          id: 0,
          kind: 'video',
          codec: 'H.264',
          label: '640×360',
          delivered: 250,
          late: 0,
          repaired: 3,
          lost: 0,
          longest_gap_ms: 40,
        },
      ],
      totals: { delivered: 250, late: 0, repaired: 3, lost: 0 },
      encoder: null,
      delay: { encode_ms: 12, bond_ms: 600, total_ms: 612 },
      wire: { received_bps: 2_600_000, cost: 1.08 },
      links: [
        {
          id: 0,
          name: 'wwan0',
          state: 'up',
          rate_bps: 2_600_000,
          capacity_bps: 6_000_000,
          rtt_ms: 60,
          delay_ms: 26,
          queue_ms: 8,
          loss_percent: 1.2,
          share_percent: 100,
          lost: 9,
          repaired: 9,
        },
      ],
      talkback: { sent: 50, delivered: 49, lost: 1, refused: 0 },
    },
  ],
};
