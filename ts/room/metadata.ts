/** Size limits of what a participant says about itself. */

import type { RoomConfig } from './config.ts';

export interface ProfileUpdate {
  /** Empty leaves it as it is. */
  name: string;
  /** Empty leaves it as it is. */
  metadata: string;
  /** Merged; an empty value removes the key. */
  attributes: Record<string, string>;
}

export type ExceededLimit = 'name' | 'metadata' | 'attributes';

/** The first limit that an update exceeds, counted in UTF-8 bytes. */
export function exceededLimit(limits: RoomConfig['limits'], update: ProfileUpdate): ExceededLimit | undefined {
  if (exceeds(Buffer.byteLength(update.name), limits.maxParticipantNameLength)) return 'name';
  if (exceeds(Buffer.byteLength(update.metadata), limits.maxMetadataSize)) return 'metadata';
  let attributes = 0;
  for (const [key, value] of Object.entries(update.attributes)) {
    attributes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return exceeds(attributes, limits.maxAttributesSize) ? 'attributes' : undefined;
}

/** The attributes after an update. */
export function mergeAttributes(
  attributes: Readonly<Record<string, string>>,
  update: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = { ...attributes, ...update };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''));
}

const exceeds = (size: number, limit: number): boolean => limit > 0 && size > limit;
