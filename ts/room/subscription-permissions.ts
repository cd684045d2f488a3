import type { SubscriptionPermission } from '@livekit/protocol';

interface Allowance {
  allTracks: boolean;
  trackSids: ReadonlySet<string>;
}

/** Who may subscribe to a publisher's tracks, as the publisher says (livekit-facts 3.10); everybody at first. */
export class SubscriptionPermissions {
  /** By identity; undefined allows everybody. */
  #allowed: ReadonlyMap<string, Allowance> | undefined;

  /**
   * Replaces what was said before. `identityOf` finds the identity of a session id; unknown ones are skipped. Returns
   * false, and changes nothing, where an entry names nobody.
   */
  replace(request: SubscriptionPermission, identityOf: (sid: string) => string | undefined): boolean {
    if (request.allParticipants) {
      this.#allowed = undefined;
      return true;
    }
    const allowed = new Map<string, Allowance>();
    for (const entry of request.trackPermissions) {
      if (entry.participantIdentity === '' && entry.participantSid === '') return false;
      const identity = entry.participantIdentity === '' ? identityOf(entry.participantSid) : entry.participantIdentity;
      if (identity === undefined) continue;
      allowed.set(identity, { allTracks: entry.allTracks, trackSids: new Set(entry.trackSids) });
    }
    this.#allowed = allowed;
    return true;
  }

  allows(trackSid: string, identity: string): boolean {
    if (this.#allowed === undefined) return true;
    const entry = this.#allowed.get(identity);
    return entry !== undefined && (entry.allTracks || entry.trackSids.has(trackSid));
  }
}
