/** MPEG-TS packets: cutting a recording where its units end. */

const PACKET = 188;
const SYNC = 0x47;

/**
 * Removes what a recorder that stopped at any moment has of each stream's last unit.
 *
 * A unit is known to be whole only when the next one of its stream starts, so the last one goes.
 *
 * @throws when the bytes are not packets.
 */
export function trimToWholeUnits(bytes) {
  const end = bytes.length - (bytes.length % PACKET);
  const lastStart = new Map();
  for (let at = 0; at < end; at += PACKET) {
    if (bytes[at] !== SYNC) throw new Error(`byte ${bytes[at]} at ${at}, where a TS packet should start`);
    if (startsUnit(bytes, at)) lastStart.set(pidOf(bytes, at), at);
  }
  const kept = [];
  for (let at = 0; at < end; at += PACKET) {
    const cut = lastStart.get(pidOf(bytes, at));
    if (cut === undefined || at < cut) kept.push(bytes.subarray(at, at + PACKET));
  }
  return Buffer.concat(kept);
}

function pidOf(bytes, at) {
  return ((bytes[at + 1] & 0x1f) << 8) | bytes[at + 2];
}

/** Whether a PES packet starts here; sections start units too, but repeat, and are left alone. */
function startsUnit(bytes, at) {
  if ((bytes[at + 1] & 0x40) === 0) return false;
  const adaptation = (bytes[at + 3] & 0x20) !== 0 ? 1 + bytes[at + 4] : 0;
  const payload = at + 4 + adaptation;
  return bytes[payload] === 0 && bytes[payload + 1] === 0 && bytes[payload + 2] === 1;
}
