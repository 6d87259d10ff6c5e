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
