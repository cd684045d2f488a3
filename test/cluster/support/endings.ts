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
  // What hangs in ending, too, must not hold up the rest.
  const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
  await Promise.race([Promise.allSettled(all.map((end) => end())), patience]);
}

const PATIENCE_MS = 5_000;
