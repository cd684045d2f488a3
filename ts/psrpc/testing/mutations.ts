/** Numbers that look random and are the same in every run. */
export function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

/** These bytes with a few of them changed, and sometimes an end cut off. */
export function mutated(bytes: Uint8Array, random: () => number): Uint8Array {
  const changed = bytes.slice();
  if (changed.length === 0) return changed;
  for (let changes = random() % 4; changes >= 0; changes -= 1) changed[random() % changed.length] = random() % 256;
  return random() % 3 === 0 ? changed.subarray(0, random() % changed.length) : changed;
}
