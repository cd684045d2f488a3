/** API keys and their secrets: from the file's `keys`, from `key_file`, or the pair of `--dev`. */

import { readFileSync, statSync } from 'node:fs';
import { parse } from 'yaml';
import { ConfigError } from './load.ts';

/** The pair that everybody knows; only ever used with loopback binds unless asked otherwise. */
export const DEV_KEYS: Record<string, string> = { devkey: 'secret' };

/** Shorter HS256 secrets than the hash can be guessed. */
export const MIN_SECRET_LENGTH = 32;

/** Reads `key: secret` lines. */
export function parseKeys(text: string, source: string): Record<string, string> {
  const value: unknown = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError([`keys: expected lines of "key: secret" (from ${source})`]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, secret]) => [key, String(secret)]));
}

/** The file must not be readable by everybody. */
export function readKeyFile(path: string): Record<string, string> {
  try {
    if ((statSync(path).mode & 0o007) !== 0) {
      throw new ConfigError([`key_file: ${path} must not be accessible to others; chmod 600 mends it`]);
    }
    return parseKeys(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`key_file: could not read ${path}: ${(error as Error).message}`]);
  }
}

/** The secret of a TURN server; an empty file must not fall back to no secret at all, nor may everybody read it. */
export function readSecretFile(path: string): string {
  let secret = '';
  try {
    if ((statSync(path).mode & 0o007) !== 0) {
      throw new ConfigError([
        `rtc.turn_servers.secret_file: ${path} must not be accessible to others; chmod 600 mends it`,
      ]);
    }
    secret = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`rtc.turn_servers.secret_file: could not read ${path}: ${(error as Error).message}`]);
  }
  if (secret === '') throw new ConfigError([`rtc.turn_servers.secret_file: ${path} is empty`]);
  return secret;
}
