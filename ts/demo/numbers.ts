/** Live numbers of every track, once a second, from WebRTC's own statistics. */

import type { Participant, Room, TrackPublication } from 'livekit-client';
import { byId, make } from './dom.ts';

/** What `RTCStatsReport` holds of one stream, as far as it is shown. */
interface Stream {
  id: string;
  type: string;
  kind?: string;
  rid?: string;
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  bytesReceived?: number;
  bytesSent?: number;
  packetsLost?: number;
  roundTripTime?: number;
  currentRoundTripTime?: number;
  nominated?: boolean;
}

interface Row {
  name: string;
  size: string;
  fps: string;
  rate: string;
}

export class Numbers {
  readonly #element = byId('numbers');
  readonly #room: Room;
  readonly #last = new Map<string, { bytes: number; at: number }>();
  #busy = false;

  constructor(room: Room) {
    this.#room = room;
    setInterval(() => void this.#refresh(), 1000);
  }

  async #refresh(): Promise<void> {
    if (this.#element.hidden || this.#busy) return;
    this.#busy = true;
    try {
      const people = [this.#room.localParticipant, ...this.#room.remoteParticipants.values()];
      const blocks = await Promise.all(people.map((participant) => this.#describe(participant)));
      this.#element.replaceChildren(...blocks);
    } finally {
      this.#busy = false;
    }
  }

  async #describe(participant: Participant): Promise<HTMLElement> {
    const rows: Row[] = [];
    let roundTrip: number | undefined;
    for (const publication of participant.trackPublications.values()) {
      const report = await statsOf(publication);
      if (report === undefined) continue;
      const streams = [...report.values()] as Stream[];
      roundTrip = roundTripOf(streams) ?? roundTrip;
      rows.push(...this.#rows(publication, streams));
    }
    const name = participant.name || participant.identity;
    const trip = roundTrip === undefined ? '' : ` · round trip ${Math.round(roundTrip * 1000)} ms`;
    return make('section', '', make('h3', '', `${name}${trip}`), table(rows));
  }

  #rows(publication: TrackPublication, streams: Stream[]): Row[] {
    const wanted = streams.filter(({ type }) => type === 'inbound-rtp' || type === 'outbound-rtp');
    return wanted.map((stream) => ({
      name: `${publication.source.replaceAll('_', ' ')}${stream.rid === undefined ? '' : ` ${stream.rid}`}`,
      size: stream.frameWidth === undefined ? '–' : `${stream.frameWidth}×${stream.frameHeight}`,
      fps: stream.kind === 'video' ? String(Math.round(stream.framesPerSecond ?? 0)) : '–',
      rate: this.#rate(`${publication.trackSid} ${stream.id}`, stream.bytesReceived ?? stream.bytesSent ?? 0),
    }));
  }

  #rate(key: string, bytes: number): string {
    const now = performance.now();
    const last = this.#last.get(key);
    this.#last.set(key, { bytes, at: now });
    if (last === undefined || now <= last.at) return '…';
    return `${Math.round(((bytes - last.bytes) * 8) / (now - last.at))} kbit/s`;
  }
}

async function statsOf(publication: TrackPublication): Promise<RTCStatsReport | undefined> {
  const track = publication.track as { sender?: RTCRtpSender; receiver?: RTCRtpReceiver } | undefined;
  return (await track?.sender?.getStats()) ?? (await track?.receiver?.getStats());
}

function roundTripOf(streams: Stream[]): number | undefined {
  const remote = streams.find(
    ({ type, roundTripTime }) => type === 'remote-inbound-rtp' && roundTripTime !== undefined,
  );
  const pair = streams.find(({ type, nominated }) => type === 'candidate-pair' && nominated === true);
  return remote?.roundTripTime ?? pair?.currentRoundTripTime;
}

function table(rows: Row[]): HTMLElement {
  const head = make('tr', '', ...['Track', 'Picture', 'fps', 'Rate'].map((text) => make('th', '', text)));
  const body = rows.map(({ name, size, fps, rate }) =>
    make('tr', '', ...[name, size, fps, rate].map((text) => make('td', '', text))),
  );
  return make('table', '', head, ...body);
}
