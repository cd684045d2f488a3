/** Sections a client sends on: answers them and keeps the worker's up tracks equal to what was answered. */

import type { UpCodec, UpTrackConfig, UpTrackId } from '../media/commands.ts';
import type { MediaEngine } from '../media/types.ts';
import { AUDIO_FEEDBACK, codecOf, enabledCodecs, preferCodec, redPrimary, VIDEO_RECEIVE_FEEDBACK } from './codecs.ts';
import { acceptToReceive } from './extensions.ts';
import type { LocalMediaSection, MediaSection, SdpCodec } from './sdp.ts';
import type { Transport } from './transport.ts';
import type { NegotiationHost, NegotiationOptions, PublicationMatch, UpTrackRef } from './types.ts';

/** What was answered on one section and what it became. */
interface Answered {
  section: MediaSection;
  match: PublicationMatch | undefined;
  codecs: SdpCodec[];
  published: { ref: UpTrackRef; config: string } | undefined;
}

export class ReceiveSections {
  readonly #engine: MediaEngine;
  readonly #host: NegotiationHost;
  readonly #options: NegotiationOptions;
  readonly #transport: Transport;
  readonly #byMid = new Map<string, Answered>();

  constructor(engine: MediaEngine, host: NegotiationHost, options: NegotiationOptions, transport: Transport) {
    this.#engine = engine;
    this.#host = host;
    this.#options = options;
    this.#transport = transport;
  }

  /** Answers a section that the client sends on; packets may come as soon as the answer is out. */
  answer(section: MediaSection): LocalMediaSection {
    const former = this.#byMid.get(section.mid);
    const match = this.#host.matchPublication(offeredSection(section));
    const answer = answerSection(section, match, this.#options);
    const published = former?.published;
    this.#byMid.set(section.mid, { section, match, codecs: answer.codecs, published });
    if (published !== undefined && published.ref.trackSid !== match?.trackSid) this.#unpublish(section.mid);
    return answer;
  }

  /** The client does not send on this section (any more). */
  stop(mid: string): void {
    this.#unpublish(mid);
    this.#byMid.delete(mid);
  }

  /** After the answer went out, and again whenever a new track was announced. */
  apply(rematch: boolean): void {
    for (const answered of this.#byMid.values()) {
      if (rematch && answered.match === undefined) {
        answered.match = this.#host.matchPublication(offeredSection(answered.section));
      }
      if (answered.match !== undefined && answered.codecs.length > 0) this.#publish(answered, answered.match);
    }
  }

  #publish(answered: Answered, match: PublicationMatch): void {
    const track = answered.published?.ref.track ?? this.#engine.nextUpTrack();
    const config = upTrackConfig(track, this.#transport, answered, match);
    const text = JSON.stringify(config);
    if (answered.published?.config === text) return;
    const codec = answered.codecs
      .map((entry) => codecOf(entry.name))
      .find((entry) => entry !== undefined && entry !== 'red');
    if (codec === undefined) return;
    const ref: UpTrackRef = {
      track,
      worker: this.#options.worker,
      trackSid: match.trackSid,
      mid: answered.section.mid,
      kind: answered.section.kind,
      codec,
      payloads: answered.codecs.flatMap((entry) => {
        const known = codecOf(entry.name);
        if (known === undefined) return [];
        const { pt, clockRate, channels } = entry;
        return [{ pt, codec: known, clockRate, channels, fmtp: entry.fmtp }];
      }),
      rids: config.rids,
      encrypted: match.encrypted,
    };
    answered.published = { ref, config: text };
    this.#transport.send({ type: 'openUpTrack', ...config });
    this.#host.onPublished(ref);
  }

  #unpublish(mid: string): void {
    const answered = this.#byMid.get(mid);
    if (answered?.published === undefined) return;
    const { ref } = answered.published;
    answered.published = undefined;
    this.#transport.send({ type: 'closeUpTrack', track: ref.track });
    this.#host.onUnpublished(ref);
  }

  close(): void {
    for (const mid of [...this.#byMid.keys()]) this.stop(mid);
  }
}

function offeredSection(section: MediaSection) {
  return {
    mid: section.mid,
    kind: section.kind,
    trackCid: section.msid?.track ?? '',
    rids: section.rids.filter((rid) => rid.direction === 'send').map((rid) => rid.id),
  };
}

/** The answer to a section that the client sends on (livekit-facts 3.7, 4.2, 4.3). Pure. */
export function answerSection(
  section: MediaSection,
  match: PublicationMatch | undefined,
  options: NegotiationOptions,
): LocalMediaSection {
  const codecs = answerCodecs(section, match, options);
  const receives = codecs.length > 0;
  return {
    kind: section.kind,
    mid: section.mid,
    rejected: !receives,
    direction: receives ? 'recvonly' : 'inactive',
    codecs,
    extensions: acceptToReceive(section.extensions, section.kind, options.singlePc),
    msid: undefined,
    rids: section.rids.filter((rid) => rid.direction === 'send').map((rid) => ({ id: rid.id, direction: 'recv' })),
    ssrcs: [],
    cname: '',
  };
}

function answerCodecs(
  section: MediaSection,
  match: PublicationMatch | undefined,
  options: NegotiationOptions,
): SdpCodec[] {
  const enabled = enabledCodecs(section.codecs, options.publishCodecs);
  if (section.kind === 'video') return answerVideo(enabled, match, options);
  const ordered = preferCodec(enabled, match?.preferredCodec ?? 'opus');
  const withRed = match?.red === true ? redFirst(ordered) : ordered;
  return withRed.map((codec) => ({
    ...codec,
    fmtp: codecOf(codec.name) === 'opus' && match !== undefined ? opusFmtp(codec.fmtp, match) : codec.fmtp,
    feedback: AUDIO_FEEDBACK,
  }));
}

function answerVideo(
  enabled: SdpCodec[],
  match: PublicationMatch | undefined,
  options: NegotiationOptions,
): SdpCodec[] {
  const preferred = match?.preferredCodec;
  let codecs = preferred === undefined ? enabled : preferCodec(enabled, preferred);
  if (preferred !== undefined && options.onlyPreferredVideoCodec) {
    const only = codecs.filter((codec) => codecOf(codec.name) === preferred);
    if (only.length > 0) codecs = only;
  }
  const feedback = options.singlePc ? ['goog-remb', ...VIDEO_RECEIVE_FEEDBACK] : VIDEO_RECEIVE_FEEDBACK;
  return codecs.map((codec) => ({ ...codec, feedback: feedback.filter((fb) => codec.feedback.includes(fb)) }));
}

function redFirst(codecs: SdpCodec[]): SdpCodec[] {
  const red = codecs.find((codec) => codecOf(codec.name) === 'red' && redPrimary(codec, codecs) !== undefined);
  return red === undefined ? codecs : [red, ...codecs.filter((codec) => codec !== red)];
}

function opusFmtp(offered: string, match: PublicationMatch): string {
  const kept = offered
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '' && !/^(usedtx|stereo|maxaveragebitrate)=/.test(part));
  if (match.dtx) kept.push('usedtx=1');
  if (match.stereo) kept.push('stereo=1', 'maxaveragebitrate=510000');
  return kept.join(';');
}

function upTrackConfig(
  track: UpTrackId,
  transport: Transport,
  answered: Answered,
  match: PublicationMatch,
): UpTrackConfig {
  const { section } = answered;
  return {
    track,
    peer: transport.peer,
    kind: section.kind,
    mid: section.mid,
    codecs: answered.codecs.flatMap((entry): UpCodec[] => {
      const codec = codecOf(entry.name);
      if (codec === undefined) return [];
      const nack = entry.feedback.includes('nack') && codec !== 'red';
      return [{ pt: entry.pt, codec, clockRate: entry.clockRate, rtxPt: entry.rtxPt, nack }];
    }),
    ssrcs: section.ssrcs,
    rids: spatialOrder(section.rids.filter((rid) => rid.direction === 'send').map((rid) => rid.id)),
    screenShare: match.screenShare,
    encrypted: match.encrypted,
    muted: match.muted,
  };
}

/** rids lowest layer first: those drawn from {q,h,f} or {2,1,0} have a known order, others keep the offer's. */
export function spatialOrder(rids: string[]): string[] {
  for (const known of [
    ['q', 'h', 'f'],
    ['2', '1', '0'],
  ]) {
    if (rids.length > 0 && rids.every((rid) => known.includes(rid))) return known.filter((rid) => rids.includes(rid));
  }
  return rids;
}
