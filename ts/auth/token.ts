/** Access tokens: JWT, HS256 only, signed with the secret of the API key in `iss` (livekit-facts 2.1, 2.4). */

import { createHmac } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
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
  const { issuer, algorithm } = peek(token);
  const secret = keys.secret(issuer);
  if (secret === undefined) throw new TokenError('invalid API key');
  if (algorithm !== ALGORITHM) throw invalid(`token signature is invalid: signing method ${algorithm} is invalid`);
  const payload = await verifySignature(token, secret, now);
  return { apiKey: issuer, claims: decode(payload), expiresAt: payload.exp ?? 0 };
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
function peek(token: string): { issuer: string; algorithm: string } {
  try {
    const { alg } = decodeProtectedHeader(token);
    const { iss, exp, nbf } = decodeJwt(token);
    if (alg === undefined || !REGISTERED_ALGORITHMS.has(alg)) throw new Error('unknown algorithm');
    if (!isNumericDate(exp) || !isNumericDate(nbf)) throw new Error('not a date');
    return { issuer: iss ?? '', algorithm: alg };
  } catch {
    throw new TokenError('invalid authorization token');
  }
}

async function verifySignature(token: string, secret: Uint8Array, now: Date): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, secret, {
      algorithms: [ALGORITHM],
      clockTolerance: LEEWAY_SECONDS,
      requiredClaims: ['exp'],
      currentDate: now,
    });
    return payload;
  } catch (error) {
    throw invalid(reason(error));
  }
}

function decode(payload: JWTPayload): Claims {
  try {
    return parseClaims(payload);
  } catch (error) {
    throw invalid(`token is malformed: could not JSON decode ${error instanceof Error ? error.message : 'claims'}`);
  }
}

/** The reason in the words that livekit-server's clients have seen so far. */
function reason(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'token has invalid claims: token is expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf') return 'token has invalid claims: token is not valid yet';
    if (error.reason === 'missing')
      return 'token has invalid claims: token is missing required claim: exp claim is required';
    return 'token has invalid claims';
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'token signature is invalid: signature is invalid';
  return 'token is malformed';
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
