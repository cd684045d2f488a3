/** SIP headers that users may have sent along with calls (RFC 3261 section 25.1). */

import { invalid } from './invalid.ts';

/** Throws `invalid_argument` where a name or value can't be sent, or is for the SIP service alone to send. */
export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    checkHeaderName(name);
    if (FORBIDDEN.has(name.toLowerCase())) throw invalid(`invalid header name: header name ${name} not supported`);
    checkHeaderValue(name, value);
  }
}

/** Names that attributes of participants are sent under. */
export function checkAttributesToHeaders(names: Readonly<Record<string, string>>): void {
  for (const name of Object.values(names)) checkHeaderName(name);
}

/** Names whose values become attributes of participants. */
export function checkHeadersToAttributes(names: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(names)) checkHeaderName(name);
}

function checkHeaderName(name: string): void {
  if (name === '') throw invalid('invalid header name: header name cannot be empty');
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw invalid(`invalid header name: header name too long (max ${MAX_NAME_BYTES} characters)`);
  }
  const [wrong] = /[^0-9A-Za-z\-.!%*_+`'~]/u.exec(name) ?? [];
  if (wrong === undefined) return;
  throw invalid(
    `invalid header name: header name ${name} contains invalid characters: char ${wrong.codePointAt(0)} not allowed`,
  );
}

function checkHeaderValue(name: string, value: string): void {
  const fault = (text: string) => invalid(`invalid header value for ${name}: header ${name}: value${text}`);
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) throw fault(` too long (max ${MAX_VALUE_BYTES} characters)`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const [wrong] = /[\x00-\x08\x0a-\x1f\x7f]/.exec(value) ?? [];
  if (wrong !== undefined) throw fault(`: char ${wrong.codePointAt(0)} not allowed`);
}

const MAX_NAME_BYTES = 255;
const MAX_VALUE_BYTES = 1024;

/** What makes a request a request, with the short forms; who overrides these breaks the call. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  ...['accept', 'accept-encoding', 'accept-language', 'allow', 'allow-events', 'call-id', 'contact'],
  ...['content-encoding', 'content-length', 'content-type', 'cseq', 'event', 'expires', 'from', 'max-forwards'],
  ...['record-route', 'refer-to', 'reply-to', 'k', 'l', 'm', 'o', 'r', 't', 'u', 'v'],
]);
