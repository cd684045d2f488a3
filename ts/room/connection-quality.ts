/** How good each participant's connection is (livekit-facts 4.12), told each 5 s to those whom a change concerns. */

import { ConnectionQuality, ConnectionQualityInfo, ConnectionQualityUpdate } from '@livekit/protocol';
import type { TrackMetrics } from '../metrics/tracks.ts';
import type { Clock, Timer } from './clock.ts';
import type { Outbox } from './outbox.ts';
import type { Participant } from './participant.ts';
import type { Score } from './publication.ts';

/** A participant as its quality is judged and told. */
export interface Judged {
  readonly participant: Participant;
  readonly outbox: Outbox;
  /** Scores of all tracks it publishes and receives. */
  scores(): Iterable<Score>;
  /** Whose quality it is told besides its own. */
  readonly subscribedSids: readonly string[];
}

export class ConnectionQualities {
  readonly #judged: () => Iterable<Judged>;
  readonly #metrics: TrackMetrics;
  readonly #timer: Timer;
  #told = new Map<string, ConnectionQuality>();

  constructor(clock: Clock, metrics: TrackMetrics, judged: () => Iterable<Judged>) {
    this.#judged = judged;
    this.#metrics = metrics;
    this.#timer = clock.every(INTERVAL_MS, () => this.#update());
  }

  #update(): void {
    const active = [...this.#judged()].filter(({ participant }) => participant.active);
    const now = new Map<string, ConnectionQualityInfo>();
    const told = new Map<string, ConnectionQuality>();
    const changed = new Set<string>();
    for (const one of active) {
      const info = judge(one);
      const { sid } = one.participant;
      now.set(sid, info);
      told.set(sid, info.quality);
      if (info.quality !== this.#told.get(sid)) changed.add(sid);
      this.#metrics.judged(info.quality, info.score);
    }
    this.#told = told;
    if (changed.size === 0) return;
    for (const { participant, outbox, subscribedSids } of active) {
      if (!participant.gates.connectionQuality) continue;
      const concerned = [participant.sid, ...subscribedSids];
      // In a room of thousands somebody's quality always changes: only those hear of it whom it concerns.
      if (!concerned.some((sid) => changed.has(sid))) continue;
      const updates = concerned.flatMap((sid) => now.get(sid) ?? []);
      outbox.send({ case: 'connectionQuality', value: new ConnectionQualityUpdate({ updates }) });
    }
  }

  close(): void {
    this.#timer.cancel();
  }
}

/** The worst of its tracks; one without tracks is excellent. */
export function judge(judged: Pick<Judged, 'participant' | 'scores'>): ConnectionQualityInfo {
  const { participant } = judged;
  let worst: Score = { score: 100, lost: false };
  for (const score of judged.scores()) {
    const difference = rank(qualityOf(score)) - rank(qualityOf(worst));
    if (difference < 0 || (difference === 0 && score.score < worst.score)) worst = score;
  }
  const quality = qualityOf(worst);
  // LOST came with a later protocol.
  const told = quality === ConnectionQuality.LOST && !participant.gates.lostQuality ? ConnectionQuality.POOR : quality;
  return new ConnectionQualityInfo({ participantSid: participant.sid, quality: told, score: meanOpinion(worst.score) });
}

export function qualityOf({ score, lost }: Score): ConnectionQuality {
  if (lost) return ConnectionQuality.LOST;
  if (score > 80) return ConnectionQuality.EXCELLENT;
  if (score > 40) return ConnectionQuality.GOOD;
  return score > 20 ? ConnectionQuality.POOR : ConnectionQuality.LOST;
}

/** The E-model's mapping of a score (0 to 100) to a mean opinion of 1 to 4.5 (ITU-T G.107 annex B). */
export function meanOpinion(score: number): number {
  if (score <= 0) return 1;
  return 1 + 0.035 * score + 7e-6 * score * (score - 60) * (100 - score);
}

const rank = (quality: ConnectionQuality): number => (quality === ConnectionQuality.LOST ? -1 : quality);

const INTERVAL_MS = 5000;
