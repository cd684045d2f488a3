/** What a participant sends: tracks that were announced, offers that bring them, and mediasoup's producers of them. */

import { type AddTrackRequest, SessionDescription, TrackInfo } from '@livekit/protocol';
import { type LocalSection, parseDescription, type Section } from '../../../ts/negotiate/sdp.ts';
import type { Transport } from './api.ts';
import { Line } from './line.ts';
import { emptySection } from './receiving-section.ts';
import { type Announcement, answerTo, rtpParametersOf } from './sending-section.ts';
import { announcementOf, kindOf, type Track, trackInfo } from './track.ts';

interface Announced {
  info: TrackInfo;
  stream: Announcement;
  producing: boolean;
}

export class Publishing {
  readonly tracks: Track[] = [];
  readonly #participant: string;
  readonly #open: () => Promise<Transport>;
  /** By the client's ids. */
  readonly #announced = new Map<string, Announced>();
  #line: Promise<Line> | undefined;

  /** `participant` is its SID. */
  constructor(participant: string, open: () => Promise<Transport>) {
    this.#participant = participant;
    this.#open = open;
  }

  announce(request: AddTrackRequest): TrackInfo {
    const info = trackInfo(request);
    this.#announced.set(request.cid, { info, stream: announcementOf(request), producing: false });
    return info;
  }

  /** The answer, and the tracks that are new. */
  async answer(offer: SessionDescription): Promise<{ answer: SessionDescription; tracks: Track[] }> {
    this.#line ??= this.#open().then((transport) => new Line(transport));
    const line = await this.#line;
    const { sections } = parseDescription(offer.sdp);
    const [tracks] = await Promise.all([this.#produce(line, sections), line.connect(offer.sdp)]);
    this.tracks.push(...tracks);
    const sdp = line.describe(
      'passive',
      sections.map((section) => this.#answerTo(section)),
    );
    return { answer: new SessionDescription({ type: 'answer', sdp, id: offer.id }), tracks };
  }

  async #produce(line: Line, sections: readonly Section[]): Promise<Track[]> {
    const made: Promise<Track>[] = [];
    for (const section of sections) {
      const announced = this.#announcedIn(section);
      if (section.kind === 'application' || announced === undefined || announced.producing) continue;
      announced.producing = true;
      const info = new TrackInfo({ ...announced.info, mid: section.mid });
      const kind = kindOf(info);
      const rtpParameters = rtpParametersOf(section, announced.stream);
      const producing = line.transport.produce({ kind, rtpParameters });
      made.push(producing.then((producer) => ({ info, kind, publisher: this.#participant, producer })));
    }
    return Promise.all(made);
  }

  #answerTo(section: Section): LocalSection {
    if (section.kind === 'application') return section;
    const announced = this.#announcedIn(section);
    return announced === undefined ? emptySection(section.kind, section.mid) : answerTo(section, announced.stream);
  }

  #announcedIn(section: Section): Announced | undefined {
    return section.kind === 'application' ? undefined : this.#announced.get(section.msid?.track ?? '');
  }
}
