/** Access tokens: JWT, HS256 only, signed with the secret of the API key in `iss` (livekit-facts 2.1, 2.4). */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import { parseClaims, refreshedPayload } from './claims.ts';
import type { Claims } from './grants.ts';
import type { Keys } from './keys.ts';

/** A token that held. */
export interface VerifiedToken {
  readonly apiKey: string;
  readonly claims: Claims;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** Why a token did not hold; the text is for the client and never repeats the token. */
export class TokenError extends Error {
  override name = 'TokenError';
}

/** Verifies a token; rejects with `TokenError`. */
export async function verifyToken(token: string, keys: Keys, now: Date): Promise<VerifiedToken> {
  const { header, payload } = peek(token);
  const secret = keys.secret(payload.iss ?? '');
  if (secret === undefined) throw new TokenError('invalid API key');
  if (header.alg !== ALGORITHM) throw invalid(`token signature is invalid: signing method ${header.alg} is invalid`);
  // Extensions that must be understood: there are none (RFC 7515 section 4.1.11).
  if (header.crit !== undefined) throw invalid('token is malformed');
  checkSignature(token, secret);
  checkClaims(payload, now);
  return { apiKey: payload.iss ?? '', claims: decode(payload), expiresAt: payload.exp ?? 0 };
}

/** A token for a participant to come back with: what it may do now, for this long. */
export function mintRefreshToken(keys: Keys, claims: Claims, ttlSeconds: number, now: Date): string {
  const expiresAt = Math.floor(now.getTime() / 1000) + ttlSeconds;
  return mintToken(keys, refreshedPayload(claims), claims.identity, expiresAt, now);
}

/** Signs a payload with the first configured key; `expiresAt` in Unix seconds. */
export function mintToken(
  keys: Keys,
  payload: Record<string, unknown>,
  identity: string,
  expiresAt: number,
  now: Date,
): string {
  return signToken(keys.signing, payload, identity, expiresAt, now);
}

/** An API key with its secret. */
export interface SigningKey {
  readonly key: string;
  readonly secret: Uint8Array;
}

/** Signs a payload; `expiresAt` in Unix seconds. */
export function signToken(
  { key, secret }: SigningKey,
  payload: Record<string, unknown>,
  identity: string,
  expiresAt: number,
  now: Date,
): string {
  const subject = identity === '' ? {} : { sub: identity, jti: identity };
  const claims = { ...payload, iss: key, ...subject, nbf: Math.floor(now.getTime() / 1000), exp: expiresAt };
  const signed = `${encode({ alg: ALGORITHM, typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** What must be read before the signature can be checked. */
function peek(token: string): { header: ProtectedHeaderParameters; payload: JWTPayload } {
  try {
    const header = decodeProtectedHeader(token);
    const payload = decodeJwt(token);
    if (header.alg === undefined || !REGISTERED_ALGORITHMS.has(header.alg)) throw new Error('unknown algorithm');
    if (!isNumericDate(payload.exp) || !isNumericDate(payload.nbf)) throw new Error('not a date');
    return { header, payload };
  } catch {
    throw new TokenError('invalid authorization token');
  }
}

/** Here and now: the library's way through Web Crypto costs each join a thread and half a millisecond. */
function checkSignature(token: string, secret: Uint8Array): void {
  const end = token.lastIndexOf('.');
  const given = Buffer.from(token.slice(end + 1));
  const right = Buffer.from(createHmac('sha256', secret).update(token.slice(0, end)).digest('base64url'));
  if (given.length === right.length && timingSafeEqual(given, right)) return;
  throw invalid('token signature is invalid: signature is invalid');
}

/** In the words that livekit-server's clients have seen so far. */
function checkClaims({ exp, nbf, iat }: JWTPayload, now: Date): void {
  const seconds = Math.floor(now.getTime() / 1000);
  if (exp === undefined)
    throw invalid('token has invalid claims: token is missing required claim: exp claim is required');
  if (!isNumericDate(iat)) throw invalid('token has invalid claims');
  if (nbf !== undefined && nbf > seconds + LEEWAY_SECONDS) {
    throw invalid('token has invalid claims: token is not valid yet');
  }
  if (exp <= seconds - LEEWAY_SECONDS) throw invalid('token has invalid claims: token is expired');
}

function decode(payload: JWTPayload): Claims {
  try {
    return parseClaims(payload);
  } catch (error) {
    throw invalid(`token is malformed: could not JSON decode ${error instanceof Error ? error.message : 'claims'}`);
  }
}

function invalid(detail: string): TokenError {
  return new TokenError(`invalid authorization token: ${detail}`);
}

function isNumericDate(value: unknown): boolean {
  return value === undefined || typeof value === 'number';
}

const ALGORITHM = 'HS256';
/** Clocks of token servers and ours may differ by this much. */
const LEEWAY_SECONDS = 60;
/** Known algorithms are refused by name, the rest as garbage. */
const REGISTERED_ALGORITHMS: ReadonlySet<string> = new Set([
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'],
  ...['EdDSA', 'none'],
]);
