import { type TrackInfo, TrackType } from '@livekit/protocol';
import type { MediaKind } from '../media/commands.ts';

/** What was announced under one client id and has no section yet; further ones of the same id queue behind. */
export interface PendingTrack {
  readonly cid: string;
  /** The first is next; each belongs to this list alone. */
  infos: TrackInfo[];
  /** Waits until the published track of the same id ends. */
  queued: boolean;
  /** When the first of them was announced, in milliseconds since the epoch. */
  since: number;
}

/** Announced tracks of one participant that are not published yet. */
export class PendingTracks {
  readonly #byCid = new Map<string, PendingTrack>();

  get size(): number {
    return this.#byCid.size;
  }

  get(cid: string): PendingTrack | undefined {
    return this.#byCid.get(cid);
  }

  /** The announced track with this sid, first of its queue or not. */
  info(sid: string): TrackInfo | undefined {
    for (const { infos } of this.#byCid.values()) {
      const info = infos.find((candidate) => candidate.sid === sid);
      if (info !== undefined) return info;
    }
    return undefined;
  }

  add(cid: string, info: TrackInfo, queued: boolean, since: number): void {
    this.#byCid.set(cid, { cid, infos: [info], queued, since });
  }

  /** Everything that is announced. */
  *infos(): Iterable<TrackInfo> {
    for (const { infos } of this.#byCid.values()) yield* infos;
  }

  /**
   * The announced track a section belongs to: by the announced id, the id of one of its codecs, the id a former
   * description used; else the first of the kind, for browsers rename tracks (Firefox). Queued ones have no section.
   */
  match(trackCid: string, kind: MediaKind): PendingTrack | undefined {
    const exact = this.#byCid.get(trackCid);
    if (exact !== undefined) return exact.queued ? undefined : exact;
    const candidates = [...this.#byCid.values()].filter((pending) => !pending.queued);
    const named = candidates.find((pending) => pending.infos[0]?.codecs.some((codec) => names(codec, trackCid)));
    if (named !== undefined) return named;
    const type = kind === 'video' ? TrackType.VIDEO : TrackType.AUDIO;
    return candidates.find(({ infos: [info] }) => info?.type === type && info.codecs.every((c) => c.sdpCid === ''));
  }

  /** Takes the first announced track with this sid out: it is published. */
  take(sid: string): { cid: string; info: TrackInfo; since: number } | undefined {
    for (const pending of this.#byCid.values()) {
      const [info, ...rest] = pending.infos;
      if (info?.sid !== sid || pending.queued) continue;
      if (rest.length === 0) this.#byCid.delete(pending.cid);
      else this.#byCid.set(pending.cid, { ...pending, infos: rest, queued: true });
      return { cid: pending.cid, info, since: pending.since };
    }
    return undefined;
  }

  clear(): void {
    this.#byCid.clear();
  }
}

const names = (codec: { cid: string; sdpCid: string }, cid: string): boolean =>
  cid !== '' && (codec.cid === cid || codec.sdpCid === cid);
