/** Certificates for tests, made on the spot (RFC 5280, P-256). */

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { Certificate } from '../certificate.ts';

export interface SelfSignedOptions {
  /** DNS name; `localhost` and 127.0.0.1 are always in the certificate too. */
  name?: string;
  notBefore?: Date;
  notAfter?: Date;
  /** Who signs; itself by default. Its certificate is not put into the chain. */
  issuer?: Certificate & { readonly name: string };
}

/** A certificate and its key in PEM. */
export function selfSigned(options: SelfSignedOptions = {}): Certificate & { readonly name: string } {
  const { name = 'sluice.test', issuer } = options;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const notBefore = options.notBefore ?? new Date(Date.now() - DAY_MS);
  const notAfter = options.notAfter ?? new Date(Date.now() + 30 * DAY_MS);
  const body = sequence(
    element(0xa0, element(0x02, Buffer.of(2))),
    element(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_SHA256,
    distinguishedName(issuer?.name ?? name),
    sequence(time(notBefore), time(notAfter)),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    element(0xa3, sequence(alternativeNames(name), IS_AUTHORITY)),
  );
  const signer = issuer === undefined ? privateKey : createPrivateKey(issuer.keyPem);
  const certificate = sequence(body, ECDSA_SHA256, bitString(sign('sha256', body, signer)));
  return { name, certPem: pem('CERTIFICATE', certificate), keyPem: keyPemOf(privateKey) };
}

function keyPemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function distinguishedName(commonName: string): Buffer {
  return sequence(element(0x31, sequence(COMMON_NAME, element(0x0c, Buffer.from(commonName)))));
}

function alternativeNames(name: string): Buffer {
  const names = sequence(
    element(0x82, Buffer.from(name)),
    element(0x82, Buffer.from('localhost')),
    element(0x87, Buffer.of(127, 0, 0, 1)),
  );
  return sequence(ALTERNATIVE_NAME, element(0x04, names));
}

/** GeneralizedTime, which holds every year. */
function time(date: Date): Buffer {
  const text = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  return element(0x18, Buffer.from(text));
}

function bitString(bytes: Buffer): Buffer {
  return element(0x03, Buffer.concat([Buffer.of(0), bytes]));
}

function sequence(...parts: Buffer[]): Buffer {
  return element(0x30, Buffer.concat(parts));
}

/** Tag, length and content (X.690 section 8.1). */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const DAY_MS = 86_400_000;
/** ecdsa-with-SHA256, commonName, subjectAltName, and basicConstraints with cA: any of them may sign. */
const ECDSA_SHA256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const ALTERNATIVE_NAME = Buffer.from('0603551d11', 'hex');
const IS_AUTHORITY = sequence(Buffer.from('0603551d13', 'hex'), element(0x04, sequence(Buffer.from('0101ff', 'hex'))));
