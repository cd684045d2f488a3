/** Ends what tests that failed half-way left running, so that their process does. */

const endings = new Set<() => Promise<void> | void>();

/** Returns how to say that it has ended by itself. */
export function atEnd(end: () => Promise<void> | void): () => void {
  endings.add(end);
  return () => void endings.delete(end);
}

export async function endAll(): Promise<void> {
  const all = [...endings];
  endings.clear();
  await Promise.allSettled(all.map((end) => end()));
}
