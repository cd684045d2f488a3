/** A section we send on, in an answer (single peer connection) or in our own offer (dual). Pure. */

import type { Codec, MediaKind } from '../media/commands.ts';
import {
  AUDIO_FEEDBACK,
  codecOf,
  enabledCodecs,
  offeredFormats,
  preferCodec,
  VIDEO_SEND_FEEDBACK,
  withoutHighProfile,
} from './codecs.ts';
import { acceptToSend, offerToSend } from './extensions.ts';
import type { LocalMediaSection, MediaSection, SdpCodec } from './sdp.ts';
import type { Sender } from './sender.ts';
import type { NegotiationOptions } from './types.ts';

/** Our offer of a section: active with a sender, inactive (kept for the next subscription) without. */
export function offerSection(
  mid: string,
  kind: MediaKind,
  sender: Sender | undefined,
  options: NegotiationOptions,
): LocalMediaSection {
  const formats = offeredFormats(kind, options.subscribeCodecs);
  return {
    kind,
    mid,
    rejected: false,
    direction: sender === undefined ? 'inactive' : 'sendonly',
    codecs: stereo(prefer(formats, sender?.preferredCodec), sender),
    extensions: offerToSend(kind, options.playoutDelay),
    ...senderLines(sender),
    rids: [],
  };
}

/** Our answer to a section on which the client only receives. */
export function answerReceiver(
  section: MediaSection,
  sender: Sender | undefined,
  options: NegotiationOptions,
): LocalMediaSection {
  const enabled = withoutHighProfile(enabledCodecs(section.codecs, options.subscribeCodecs));
  const feedback = section.kind === 'audio' ? AUDIO_FEEDBACK : VIDEO_SEND_FEEDBACK;
  const codecs = prefer(enabled, sender?.preferredCodec).map((codec) => ({
    ...codec,
    feedback: feedback.filter((fb) => section.kind === 'audio' || codec.feedback.includes(fb)),
  }));
  const rejected = codecs.length === 0;
  return {
    kind: section.kind,
    mid: section.mid,
    rejected,
    direction: sender === undefined || rejected ? 'inactive' : 'sendonly',
    codecs: stereo(codecs, sender),
    extensions: acceptToSend(section.extensions, section.kind, options.playoutDelay),
    ...senderLines(rejected ? undefined : sender),
    rids: [],
  };
}

/** Audio senders prefer RED: the publisher's packets then pass as they are. */
function prefer(codecs: readonly SdpCodec[], preferred: Codec | undefined): readonly SdpCodec[] {
  if (preferred === undefined) return codecs;
  const ordered = preferCodec(codecs, preferred);
  return preferred === 'opus' ? preferCodec(ordered, 'red') : ordered;
}

function stereo(codecs: readonly SdpCodec[], sender: Sender | undefined): SdpCodec[] {
  if (sender?.request.stereo !== true) return [...codecs];
  return codecs.map((codec) =>
    codecOf(codec.name) === 'opus' && !codec.fmtp.includes('sprop-stereo')
      ? { ...codec, fmtp: `${codec.fmtp};sprop-stereo=1` }
      : codec,
  );
}

function senderLines(sender: Sender | undefined): Pick<LocalMediaSection, 'msid' | 'ssrcs' | 'cname'> {
  if (sender === undefined) return { msid: undefined, ssrcs: [], cname: '' };
  const { streamId, trackSid } = sender.request;
  return { msid: { stream: streamId, track: trackSid }, ssrcs: [sender.ssrcs], cname: streamId };
}
