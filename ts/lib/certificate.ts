/** A TLS certificate and its key: read from files or from the settings themselves, and checked before anybody uses them. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** In PEM. */
export interface Certificate {
  /** The server's own certificate first, then the ones that lead to a root. */
  readonly certPem: string;
  readonly keyPem: string;
}

/** Where a pair comes from. */
export interface CertificateSource {
  /** The section of the config file that has `cert_file` and `key_file`; named in complaints. */
  readonly section: string;
  /** A path, or the PEM text itself. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** What a pair that was found good says of itself. */
export interface CertificateFacts {
  readonly subject: string;
  readonly notAfter: Date;
}

/** Why a pair can't be used; the text names the key of the config file and the file. */
export class CertificateError extends Error {
  override name = 'CertificateError';
}

/** True for a setting that is the PEM text instead of a path. */
export function isPem(value: string): boolean {
  return value.trimStart().startsWith('-----BEGIN');
}

/** The texts as they are, unchecked. Throws `CertificateError` where one can't be read or is not set. */
export function readPair({ section, certFile, keyFile }: CertificateSource): Certificate {
  return { certPem: read(`${section}.cert_file`, certFile), keyPem: read(`${section}.key_file`, keyFile) };
}

/** Throws `CertificateError` unless the pair parses, fits together and is in date. */
export function checkPair(source: CertificateSource, pair: Certificate, now: Date): CertificateFacts {
  const certName = describe(`${source.section}.cert_file`, source.certFile);
  const keyName = describe(`${source.section}.key_file`, source.keyFile);
  const chain = parseChain(certName, pair.certPem);
  const key = parseKey(keyName, pair.keyPem);
  const [own] = chain;
  if (own === undefined) throw new CertificateError(`${certName} holds no certificate`);
  if (!own.checkPrivateKey(key)) {
    const position = chain.findIndex((certificate) => certificate.checkPrivateKey(key));
    throw new CertificateError(
      position === -1
        ? `${keyName} is not the key of the certificate in ${certName}`
        : `${certName} has the server's own certificate in place ${position + 1}: it must come first`,
    );
  }
  checkDates(certName, own, now);
  return { subject: subjectOf(own), notAfter: new Date(own.validTo) };
}

function read(name: string, value: string): string {
  if (value === '') throw new CertificateError(`${name} is not set`);
  if (isPem(value)) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (error) {
    throw new CertificateError(`could not read ${describe(name, value)}: ${(error as Error).message}`);
  }
}

function describe(name: string, value: string): string {
  return isPem(value) ? name : `${name} (${value})`;
}

function parseChain(name: string, pem: string): X509Certificate[] {
  return (pem.match(CERTIFICATE_BLOCK) ?? []).map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new CertificateError(`${name}: certificate ${index + 1} can't be read: ${(error as Error).message}`);
    }
  });
}

function parseKey(name: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const encrypted = pem.includes('ENCRYPTED');
    throw new CertificateError(
      encrypted
        ? `${name} is encrypted: a key without a passphrase is needed`
        : `${name} holds no key that can be read`,
      { cause: error },
    );
  }
}

function checkDates(name: string, certificate: X509Certificate, now: Date): void {
  const from = new Date(certificate.validFrom);
  const to = new Date(certificate.validTo);
  if (now > to) throw new CertificateError(`${name} is expired since ${to.toISOString()}`);
  if (now < from) throw new CertificateError(`${name} is not valid before ${from.toISOString()}`);
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subjectAltName ?? certificate.subject.replaceAll('\n', ', ');
}

const CERTIFICATE_BLOCK = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g;
