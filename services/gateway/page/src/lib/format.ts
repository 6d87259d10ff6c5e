/** Numbers as people read them: fixed decimals, so that columns stand still while values move. */

/** Bits per second in Mbit/s. */
export function megabits(bps: number): string {
  return (bps / 1e6).toFixed(bps >= 99.95e6 ? 0 : bps >= 9.995e6 ? 1 : 2);
}

/** A count with thin spaces between the thousands. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** Milliseconds: whole ones, tenths below ten. */
export function milliseconds(value: number): string {
  return value < 9.95 ? value.toFixed(1) : Math.round(value).toString();
}

/** Per cent: tenths below ten. */
export function percent(value: number): string {
  return value < 9.95 ? value.toFixed(1) : Math.round(value).toString();
}

/** Bytes in GB: tenths below a hundred. */
export function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes >= 99.95e9 ? 0 : 1);
}

/** Seconds as 0:07, 12:34 or 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number) => value.toString().padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0
    ? `${hours}:${pad(minutes)}:${pad(whole % 60)}`
    : `${minutes}:${pad(whole % 60)}`;
}
