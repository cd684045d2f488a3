import type { Keyspace } from './keyspace.ts';
import { VERSION } from './store-keys.ts';

/**
 * Leaves in the keyspace which encoding its records have, as livekit-server does when it starts: the version is only ever
 * raised, so that a newer node's word stands.
 */
export async function noteVersion(keyspace: Keyspace): Promise<void> {
  await keyspace.replaceIf(VERSION, (current) => {
    const known = current === undefined ? '' : Buffer.from(current).toString();
    return isNewer(ENCODING, known) ? Buffer.from(ENCODING) : undefined;
  });
}

/** Anything is newer than what is no version. */
function isNewer(version: string, than: string): boolean {
  const [ours, theirs] = [version, than].map((text) => text.replace(/^v/, '').split('.').map(Number.parseFloat));
  for (const [index, part] of (ours ?? []).entries()) {
    const other = theirs?.[index];
    if (other === undefined || Number.isNaN(other) || part > other) return true;
    if (part < other) return false;
  }
  return false;
}

/** The livekit-server whose records ours are the same as. */
const ENCODING = '1.13.5';
