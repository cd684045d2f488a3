/** What browsers say, as far as we read it: recorded offers, and an answer to any of ours. */

import { readFileSync } from 'node:fs';

/** What a browser answers, as far as we read it. */
export function answerTo(offer: string): string {
  return offer
    .replaceAll('a=sendonly', 'a=recvonly')
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll(/a=ice-ufrag:.*/g, 'a=ice-ufrag:client')
    .replaceAll(/a=ice-pwd:.*/g, 'a=ice-pwd:a password of a client 1234')
    .replaceAll(/a=(candidate|ssrc|ssrc-group|msid|end-of-candidates).*\r\n/g, '');
}

function fixture(name: string): string {
  return readFileSync(new URL(`../../ts/negotiate/fixtures/${name}.sdp`, import.meta.url), 'utf8');
}

export const SINGLE_OFFER = fixture('chromium-single');
export const PUBLISHER_OFFER = fixture('chromium-publisher');
/** A publisher connection with data channels alone. */
export const DATA_OFFER = (() => {
  const [session = '', ...sections] = PUBLISHER_OFFER.split(/(?<=\r?\n)(?=m=)/);
  const data = sections.find((section) => section.startsWith('m=application'));
  const mid = /a=mid:(\S+)/.exec(data ?? '')?.[1] ?? '0';
  return session.replace(/a=group:BUNDLE.*/, `a=group:BUNDLE ${mid}`) + (data ?? '');
})();
