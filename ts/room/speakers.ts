/**
 * Who speaks, and how loud (livekit-facts 4.6). Levels come per microphone and are told per participant, in steps of an
 * eighth, to those who receive the speaker.
 */

import { SpeakerInfo } from '@livekit/protocol';
import type { Clock, Timer } from './clock.ts';

/** Linear, 0 to 1. */
interface Loudness {
  level: number;
  active: boolean;
}

export class Speakers {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #tell: (changed: SpeakerInfo[]) => void;
  /** By participant, then by track. */
  readonly #levels = new Map<string, Map<string, Loudness>>();
  #told = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, intervalMs: number, tell: (changed: SpeakerInfo[]) => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#tell = tell;
  }

  report(participantSid: string, trackSid: string, loudness: Loudness): void {
    const tracks = this.#levels.get(participantSid) ?? new Map<string, Loudness>();
    if (loudness.active) tracks.set(trackSid, loudness);
    else tracks.delete(trackSid);
    if (tracks.size > 0) this.#levels.set(participantSid, tracks);
    else this.#levels.delete(participantSid);
    this.#timer ??= this.#clock.after(this.#intervalMs, () => this.#update());
  }

  forgetTrack(participantSid: string, trackSid: string): void {
    if (this.#levels.get(participantSid)?.has(trackSid) !== true) return;
    this.report(participantSid, trackSid, SILENCE);
  }

  /** As told last; undefined while silent. */
  current(participantSid: string): SpeakerInfo | undefined {
    const level = this.#told.get(participantSid);
    return level === undefined ? undefined : new SpeakerInfo({ sid: participantSid, level, active: true });
  }

  #update(): void {
    this.#timer = undefined;
    const now = new Map<string, number>();
    for (const [sid, tracks] of this.#levels) now.set(sid, quantise(loudest(tracks)));
    const changed: SpeakerInfo[] = [];
    for (const [sid, level] of now) {
      if (this.#told.get(sid) !== level) changed.push(new SpeakerInfo({ sid, level, active: true }));
    }
    changed.sort((a, b) => b.level - a.level);
    for (const sid of this.#told.keys()) {
      if (!now.has(sid)) changed.push(new SpeakerInfo({ sid, level: 0, active: false }));
    }
    this.#told = now;
    if (changed.length > 0) this.#tell(changed);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#levels.clear();
  }
}

/** Small changes are not worth a message: up to the next eighth. */
export function quantise(level: number): number {
  return Math.ceil(level * STEPS) / STEPS;
}

function loudest(tracks: ReadonlyMap<string, Loudness>): number {
  let level = 0;
  for (const loudness of tracks.values()) level = Math.max(level, loudness.level);
  return level;
}

const STEPS = 8;
const SILENCE: Loudness = { level: 0, active: false };
