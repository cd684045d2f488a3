/** Plain replies in the forms livekit-server gives them. */

import type { PlainReply } from './types.ts';

/** `text/plain`, as every error and most answers are. */
export function text(status: number, body: string): PlainReply {
  return { kind: 'plain', status, headers: body === '' ? [] : [TEXT], body };
}

/** An unknown path. */
export function notFound(): PlainReply {
  return {
    kind: 'plain',
    status: 404,
    headers: [TEXT, ['X-Content-Type-Options', 'nosniff']],
    body: '404 page not found\n',
  };
}

export function content(status: number, contentType: string, body: string | Uint8Array): PlainReply {
  return { kind: 'plain', status, headers: [['Content-Type', contentType]], body };
}

const TEXT = ['Content-Type', 'text/plain; charset=utf-8'] as const;
