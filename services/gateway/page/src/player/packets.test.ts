import { describe, expect, it } from 'vitest';

import { PacketCutter } from './packets';

const PMT_PID = 0x100;
const VIDEO_PID = 0x101;

function packet(pid: number, mark: number, edit: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(188).fill(mark, 12);
  bytes.set([0x47, (pid >> 8) & 0x1f, pid & 0xff, 0x10]);
  edit(bytes);
  return bytes;
}

const pat = (mark: number) =>
  packet(0, mark, (bytes) => {
    bytes[1]! |= 0x40;
    // Pointer, table id, length, stream id, version, section numbers, then programme 1.
    bytes.set([0, 0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | (PMT_PID >> 8), PMT_PID & 0xff], 4);
  });
const pmt = (mark: number) => packet(PMT_PID, mark);
const clockAt = (seconds: number, mark: number) =>
  packet(VIDEO_PID, mark, (bytes) => {
    const base = Math.round(seconds * 90_000) % 2 ** 33;
    bytes[3] = 0x30;
    bytes.set(
      [7, 0x10, base / 2 ** 25, (base / 2 ** 17) & 255, (base / 2 ** 9) & 255, (base / 2) & 255, (base % 2) << 7],
      4,
    );
  });

const bytesOf = (packets: Uint8Array[]) => packets.flatMap((bytes) => [...bytes]);
const flat = (packets: Uint8Array[]) => new Uint8Array(bytesOf(packets));

describe('PacketCutter', () => {
  it('gives whole packets however the bytes are cut', () => {
    const whole = flat([pat(1), pmt(2), clockAt(1, 3), packet(VIDEO_PID, 4), clockAt(1.04, 5)]);
    for (const size of [1, 7, 187, 188, 189, 400, 5000]) {
      const cutter = new PacketCutter();
      const out: Uint8Array[] = [];
      for (let at = 0; at < whole.length; at += size) {
        const runs = cutter.push(whole.subarray(at, at + size));
        expect(runs).toHaveLength(1);
        expect(runs[0]!.length % 188).toBe(0);
        out.push(...runs);
      }
      expect(bytesOf(out)).toEqual([...whole]);
    }
  });

  it.each([
    ['runs backwards', 500, 3],
    ['leaps an hour', 500, 4100],
  ])('starts a run with the tables where the clock %s', (_, before, after) => {
    const cutter = new PacketCutter();
    cutter.push(flat([pat(1), pmt(2), clockAt(before, 3)]));
    const tail = [clockAt(after, 7), packet(VIDEO_PID, 8)];
    const runs = cutter.push(flat([packet(VIDEO_PID, 4), pat(5), pmt(6), ...tail]));
    expect(runs).toHaveLength(2);
    expect(bytesOf([runs[0]!])).toEqual(bytesOf([packet(VIDEO_PID, 4), pat(5), pmt(6)]));
    expect(bytesOf([runs[1]!])).toEqual(bytesOf([pat(5), pmt(6), ...tail]));
  });

  it('goes on over the hole of an encoder that restarts', () => {
    const cutter = new PacketCutter();
    expect(cutter.push(flat([pat(1), pmt(2), clockAt(10, 3), clockAt(13, 4)]))).toHaveLength(1);
  });

  it('goes on where the clock wraps', () => {
    const cutter = new PacketCutter();
    const wrap = 2 ** 33 / 90_000;
    expect(cutter.push(flat([pat(1), pmt(2), clockAt(wrap - 0.02, 3), clockAt(wrap + 0.02, 4)]))).toHaveLength(1);
  });

  it('refuses what is no transport stream', () => {
    expect(() => new PacketCutter().push(new Uint8Array(400))).toThrow('byte 0 where a TS packet should start');
  });

  it('survives any packet', () => {
    let state = 12345;
    const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
    const cutter = new PacketCutter();
    for (let round = 0; round < 2000; round += 1) {
      const bytes = Uint8Array.from({ length: 188 }, random);
      bytes[0] = 0x47;
      if (round % 3 === 0) bytes.set([0x40, 0], 1);
      const out = cutter.push(bytes);
      expect(out.every((run) => run.length % 188 === 0)).toBe(true);
    }
  });
});
