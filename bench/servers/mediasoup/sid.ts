/** Names as livekit's clients know them: `PA_…` of participants, `TR_…` of tracks, `RM_…` of rooms. */

import { randomBytes } from 'node:crypto';

export function sid(prefix: 'PA' | 'TR' | 'RM'): string {
  return `${prefix}_${randomBytes(9).toString('hex')}`;
}
