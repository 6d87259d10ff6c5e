/** What came of a question: what was asked for, or why not. */
export type Told<T> = { ok: true; value: T } | { ok: false; problem: string };

/** Asks the gateway, for so many milliseconds, and reads what it answers; a `body` is sent as JSON. */
export async function ask<T>(
  method: string,
  path: string,
  patience: number,
  read: (answer: Response) => Promise<T>,
  body?: unknown,
): Promise<Told<T>> {
  try {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    const answer = await fetch(path, { method, ...json, signal: AbortSignal.timeout(patience) });
    return answer.ok ? { ok: true, value: await read(answer) } : { ok: false, problem: await reason(answer) };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Why the gateway did not do something, from its answer. */
export async function reason(answer: Response): Promise<string> {
  const text = await answer.text();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body && 'error' in body) return String(body.error);
  } catch {
    // Not one of our answers: a proxy's, or an older gateway's.
  }
  return `HTTP ${answer.status} ${text.slice(0, 80)}`;
}
