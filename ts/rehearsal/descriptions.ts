/** What a client says, as far as the server reads it (RFC 8866, RFC 9429). */

/** An answer to any offer of ours. */
export function answerTo(offer: string): string {
  return offer
    .replaceAll('a=sendonly', 'a=recvonly')
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll(/a=ice-ufrag:.*/g, UFRAG)
    .replaceAll(/a=ice-pwd:.*/g, PASSWORD)
    .replaceAll(/a=(candidate|ssrc|ssrc-group|msid|end-of-candidates).*\r\n/g, '');
}

const UFRAG = 'a=ice-ufrag:client';
const PASSWORD = 'a=ice-pwd:a password of a client 1234';
const TRANSPORT = [
  'c=IN IP4 0.0.0.0',
  UFRAG,
  PASSWORD,
  'a=ice-options:trickle',
  'a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF',
  'a=setup:actpass',
];

const DATA = [
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  ...TRANSPORT,
  'a=mid:0',
  'a=sctp-port:5000',
  'a=max-message-size:262144',
];

const CAMERA = [
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 102 103',
  ...TRANSPORT,
  'a=mid:1',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  'a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=sendonly',
  'a=msid:- camera',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  ...[
    [96, 'VP8', ''],
    [98, 'VP9', 'profile-id=0'],
    [102, 'H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'],
  ].flatMap(([type, codec, format]) => [
    `a=rtpmap:${type} ${codec}/90000`,
    ...['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli'].map((feedback) => `a=rtcp-fb:${type} ${feedback}`),
    ...(format === '' ? [] : [`a=fmtp:${type} ${format}`]),
    `a=rtpmap:${Number(type) + 1} rtx/90000`,
    `a=fmtp:${Number(type) + 1} apt=${type}`,
  ]),
  'a=rid:q send',
  'a=rid:h send',
  'a=rid:f send',
  'a=simulcast:send q;h;f',
];

function offer(mids: string, ...sections: string[][]): string {
  const session = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', `a=group:BUNDLE ${mids}`, 'a=msid-semantic: WMS'];
  return [...session, ...sections.flat(), ''].join('\r\n');
}

/** Data channels alone. */
export const DATA_OFFER = offer('0', DATA);
/** Data channels and a camera in three layers. */
export const PUBLISHER_OFFER = offer('0 1', DATA, CAMERA);
