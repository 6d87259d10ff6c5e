/**
 * Cuts the bytes of a connection into whole MPEG-TS packets and finds where the clock breaks.
 *
 * A unit that was switched off and on again starts its clock anew. The player cannot follow that,
 * and is replaced at exactly that packet; the last PAT and PMT go first into the new one, so that
 * the keyframe which follows them is not missed.
 */

const PACKET = 188;

export class PacketCutter {
  #rest = new Uint8Array(0);
  #pmtPid = -1;
  #pat: Uint8Array | null = null;
  #pmt: Uint8Array | null = null;
  #pcr: number | null = null;

  /**
   * Takes in any bytes and returns runs of whole packets; all but the first follow a break.
   *
   * @throws when the bytes are not packets.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#rest.length > 0 ? join([this.#rest, chunk]) : chunk;
    const end = bytes.length - (bytes.length % PACKET);
    const runs: Uint8Array[] = [];
    let from = 0;
    let tables: Uint8Array[] = [];
    for (let at = 0; at < end; at += PACKET) {
      if (bytes[at] !== SYNC) throw new Error(`byte ${bytes[at]} where a TS packet should start`);
      const packet = bytes.subarray(at, at + PACKET);
      if (this.#breaks(packet)) {
        runs.push(join([...tables, bytes.subarray(from, at)]));
        tables = [this.#pat, this.#pmt].filter((table) => table !== null);
        from = at;
      }
      this.#remember(packet);
    }
    runs.push(join([...tables, bytes.subarray(from, end)]));
    this.#rest = bytes.slice(end);
    return runs;
  }

  #breaks(packet: Uint8Array): boolean {
    const pcr = pcrOf(packet);
    if (pcr === null) return false;
    const before = this.#pcr;
    this.#pcr = pcr;
    if (before === null) return false;
    const step = (pcr - before + PCR_WRAP) % PCR_WRAP;
    return step > LONGEST_STEP;
  }

  #remember(packet: Uint8Array): void {
    const pid = ((packet[1]! & 0x1f) << 8) | packet[2]!;
    if (pid === 0) {
      this.#pat = packet.slice();
      this.#pmtPid = firstProgramme(packet);
    } else if (pid === this.#pmtPid) {
      this.#pmt = packet.slice();
    }
  }
}

/** The clock in a packet, in ticks of 90 kHz. */
function pcrOf(packet: Uint8Array): number | null {
  const hasAdaptation = (packet[3]! & 0x20) !== 0;
  if (!hasAdaptation || packet[4]! < 7 || (packet[5]! & 0x10) === 0) return null;
  return (
    packet[6]! * 2 ** 25 + packet[7]! * 2 ** 17 + packet[8]! * 2 ** 9 + packet[9]! * 2 + (packet[10]! >> 7)
  );
}

/** PID of the first programme's map in a PAT that fits its packet, -1 without one. */
function firstProgramme(packet: Uint8Array): number {
  const startsSection = (packet[1]! & 0x40) !== 0;
  const payload = (packet[3]! & 0x20) !== 0 ? 5 + packet[4]! : 4;
  if (!startsSection || payload >= PACKET) return -1;
  const section = payload + 1 + packet[payload]!;
  for (let at = section + 8; at + 4 <= PACKET - 4; at += 4) {
    const programme = (packet[at]! << 8) | packet[at + 1]!;
    if (programme === 0xffff) return -1;
    // Programme 0 is the network table.
    if (programme !== 0) return ((packet[at + 2]! & 0x1f) << 8) | packet[at + 3]!;
  }
  return -1;
}

function join(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const SYNC = 0x47;
/** ISO/IEC 13818-1 §2.4.3.5: the base of the PCR has 33 bits. */
const PCR_WRAP = 2 ** 33;
/** An encoder that restarts leaves a hole of seconds on the same clock: that is no break. */
const LONGEST_STEP = 10 * 90_000;
