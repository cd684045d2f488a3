/** Names of channels (livekit-facts 7.1), as all who share a Redis must spell them. */

import type { MethodKind, Topic } from './method.ts';

interface Named {
  readonly service: string;
  readonly name: string;
  readonly kind: MethodKind;
}

/** Where servers hear requests, and listeners what is published. */
export function requestChannel({ service, name }: Named, topic: Topic): string {
  return channel(service, name, topic, 'REQ');
}

/** Where servers hear whose bid a client took. */
export function decisionChannel({ service, name }: Named, topic: Topic): string {
  return channel(service, name, topic, 'RCLAIM');
}

/** Where a server hears what clients send on streams. */
export function streamChannel({ service, name }: Named, topic: Topic): string {
  return channel(service, name, topic, 'STR');
}

/** Where a client hears responses, bids, and what servers send on streams. */
export function clientChannel(service: string, clientId: string, what: 'RES' | 'CLAIM' | 'STR'): string {
  return channel(service, clientId, what);
}

function channel(...parts: (string | readonly string[])[]): string {
  return joined(parts);
}

/**
 * A bar stands only behind a part that is not empty, so an empty first part vanishes with its bar, and an empty last one
 * of a topic leaves two.
 */
function joined(parts: readonly (string | readonly string[])[]): string {
  let name = '';
  let bar = '';
  for (const part of parts) {
    const text = typeof part === 'string' ? sanitised(part) : joined(part);
    name += bar + text;
    bar = text === '' ? '' : '|';
  }
  return name;
}

function sanitised(part: string): string {
  return part.replaceAll(/[^0-9A-Za-z_]/gu, escaped);
}

function escaped(character: string): string {
  const own = character.codePointAt(0) ?? 0;
  // Half a surrogate pair has no UTF-8, and is replaced wherever it is written.
  const point = own >= 0xd800 && own <= 0xdfff ? 0xfffd : own;
  const hex = point.toString(16);
  return point < 0x1_0000 ? `u+${hex.padStart(4, '0')}` : `U+${hex.padStart(8, '0')}`;
}
