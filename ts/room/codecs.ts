/** What one client may send and receive: the room's codecs after the rules for its device. */

import type { ClientConfiguration, Codec as EnabledCodec } from '@livekit/protocol';
import type { Codec } from '../media/commands.ts';
import type { EnabledCodec as NegotiatedCodec } from '../negotiate/types.ts';
import { publishCodecs, subscribeCodecs, withRtx } from './client-rules.ts';
import { codecOfMime, isRtx } from './mime.ts';

/** Of a client without rules: the same for all of a room. */
const unruled = new WeakMap<readonly EnabledCodec[], ClientCodecs>();

export function clientCodecs(room: readonly EnabledCodec[], rules: ClientConfiguration | undefined): ClientCodecs {
  if (rules !== undefined) return new ClientCodecs(room, rules);
  let known = unruled.get(room);
  if (known === undefined) {
    known = new ClientCodecs(room, undefined);
    unruled.set(room, known);
  }
  return known;
}

export class ClientCodecs {
  readonly publish: readonly EnabledCodec[];
  readonly subscribe: readonly EnabledCodec[];
  /** The same as negotiation wants them. */
  readonly negotiable: { readonly publish: readonly NegotiatedCodec[]; readonly subscribe: readonly NegotiatedCodec[] };
  /** As the join response lists them: without retransmission. */
  readonly listed: readonly EnabledCodec[];
  readonly decodable: readonly Codec[];

  constructor(room: readonly EnabledCodec[], rules: ClientConfiguration | undefined) {
    const enabled = withRtx(room);
    this.publish = publishCodecs(enabled, rules);
    this.subscribe = subscribeCodecs(enabled, rules);
    this.negotiable = { publish: negotiable(this.publish), subscribe: negotiable(this.subscribe) };
    this.listed = this.publish.filter((codec) => !isRtx(codec.mime));
    this.decodable = this.subscribe.flatMap((codec) => codecOfMime(codec.mime) ?? []);
  }
}

function negotiable(codecs: readonly EnabledCodec[]): NegotiatedCodec[] {
  return codecs.map(({ mime, fmtpLine }) => ({ mime, fmtpLine }));
}
