/** What one client may send and receive: the room's codecs after the rules for its device. */

import type { ClientConfiguration, Codec as EnabledCodec } from '@livekit/protocol';
import type { Codec } from '../media/commands.ts';
import type { EnabledCodec as NegotiatedCodec } from '../negotiate/types.ts';
import { publishCodecs, subscribeCodecs, withRtx } from './client-rules.ts';
import { codecOfMime, isRtx } from './mime.ts';

export class ClientCodecs {
  readonly publish: readonly EnabledCodec[];
  readonly subscribe: readonly EnabledCodec[];

  constructor(room: readonly EnabledCodec[], rules: ClientConfiguration | undefined) {
    const enabled = withRtx(room);
    this.publish = publishCodecs(enabled, rules);
    this.subscribe = subscribeCodecs(enabled, rules);
  }

  /** As the join response lists them: without retransmission. */
  get listed(): EnabledCodec[] {
    return this.publish.filter((codec) => !isRtx(codec.mime));
  }

  get decodable(): Codec[] {
    return this.subscribe.flatMap((codec) => codecOfMime(codec.mime) ?? []);
  }
}

export function negotiable(codecs: readonly EnabledCodec[]): NegotiatedCodec[] {
  return codecs.map(({ mime, fmtpLine }) => ({ mime, fmtpLine }));
}
