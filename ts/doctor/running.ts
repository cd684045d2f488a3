/** Whether a server runs at an address, and whether it is one that our keys open. */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export type Running =
  | { kind: 'none' }
  /** Takes tokens of ours. */
  | { kind: 'ours' }
  /** Speaks LiveKit, and refuses our token with these words. */
  | { kind: 'refuses'; reason: string }
  | { kind: 'other'; reason: string };

/** Asks whether a token would be taken, which joins nothing. */
export async function whatRunsAt(url: string, token: string): Promise<Running> {
  try {
    const target = `${url}/rtc/validate?access_token=${encodeURIComponent(token)}&protocol=15&sdk=js`;
    const { status, body } = await get(target);
    if (status === 200) return { kind: 'ours' };
    if (status === 401 || status === 403) return { kind: 'refuses', reason: withoutTokens(body) };
    return { kind: 'other', reason: `it answers ${status}` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ECONNREFUSED' ? { kind: 'none' } : { kind: 'other', reason: message };
  }
}

/** Servers repeat the token that they refuse; it opens the door where only the clock was wrong. */
export function withoutTokens(text: string): string {
  return text.replaceAll(/eyJ[\w-]*\.[\w-]*\.?[\w-]*/g, '(token)').trim();
}

/** The certificate is looked at elsewhere. */
function get(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? httpsRequest : httpRequest;
    const options = { timeout: TIMEOUT_MS, rejectUnauthorized: false, agent: false as const };
    const asked = request(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        if (body.length < MAX_BODY) body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    asked.on('error', reject);
    asked.end();
  });
}

const TIMEOUT_MS = 5000;
const MAX_BODY = 1000;
