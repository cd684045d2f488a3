/** The certificates in the config file: key, dates, names, and the chain up to a root that clients know. */

import { X509Certificate } from 'node:crypto';
import { apiCertificate, turnCertificate } from '../certificate-settings.ts';
import type { Config } from '../config/schema.ts';
import { CertificateError, type CertificateSource, checkPair, readPair } from '../lib/certificate.ts';
import { type Finding, Findings } from './finding.ts';
import type { Roots } from './roots.ts';

export interface CertificateChecks {
  findings: Finding[];
  /** The server would not start with them. */
  unusable: boolean;
}

export function checkCertificates(config: Config, roots: Roots, now: Date): CertificateChecks {
  const findings = new Findings('certificates');
  const api = apiCertificate(config);
  const turn = turnCertificate(config);
  let unusable = false;
  if (api !== undefined) unusable = !checkOne(api, undefined, roots, now, findings) || unusable;
  if (turn !== undefined) unusable = !checkOne(turn, config.turn.domain, roots, now, findings) || unusable;
  if (api === undefined && turn === undefined) findings.skip('none configured: TLS ends elsewhere, or nowhere');
  return { findings: findings.list, unusable };
}

/** False where the server refuses it. */
function checkOne(
  source: CertificateSource,
  domain: string | undefined,
  roots: Roots,
  now: Date,
  findings: Findings,
): boolean {
  let certPem: string;
  try {
    const pair = readPair(source);
    checkPair(source, pair, now);
    ({ certPem } = pair);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    findings.fail(error.message, pairFix(error.message, source.section));
    return false;
  }
  const chain = (certPem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));
  const [own] = chain;
  if (own !== undefined) judge(own, chain, { section: source.section, domain, roots, now, findings });
  return true;
}

interface Judging {
  section: string;
  domain: string | undefined;
  roots: Roots;
  now: Date;
  findings: Findings;
}

/** What the server takes and clients may not. */
function judge(own: X509Certificate, chain: readonly X509Certificate[], judging: Judging): void {
  const { section, domain, roots, now, findings } = judging;
  const names = own.subjectAltName ?? own.subject;
  const name = `${section}.cert_file`;
  const gap = roots.gap(chain);
  const days = Math.floor((new Date(own.validTo).getTime() - now.getTime()) / DAY_MS);
  if (domain !== undefined && own.checkHost(domain) === undefined) {
    findings.fail(
      `${name} is for ${names}, not for ${domain}`,
      `get a certificate for ${domain}, or set ${section}.domain to a name in it`,
    );
  } else if (gap !== undefined) {
    findings.fail(`${name}: ${gap}`, CHAIN_FIX);
  } else if (days < SOON_DAYS) {
    findings.warn(`${name} for ${names} expires in ${days} days`, RENEW_FIX);
  } else {
    findings.ok(`${name} for ${names} fits its key and its chain, for ${days} more days`);
  }
}

function pairFix(message: string, section: string): string {
  if (message.includes('is expired')) return RENEW_FIX;
  if (message.includes('is not valid before')) return 'wait until then, or correct the clock of this machine';
  if (message.includes('is not the key')) return `set ${section}.key_file to the key that the certificate was made for`;
  if (message.includes('must come first')) return 'put the own certificate first, then those that signed it';
  if (message.includes('could not read')) return 'correct the path, and let the user that the server runs as read it';
  if (message.includes('encrypted')) return 'take the passphrase off with `openssl pkey -in KEY -out PLAIN_KEY`';
  return `set ${section}.cert_file and ${section}.key_file to files in PEM`;
}

const RENEW_FIX = 'renew it, for example with `certbot renew`; the server takes the new files up by itself';
const CHAIN_FIX =
  'put the full chain in the file, the own certificate first (fullchain.pem of certbot); for a CA of your own give --ca to doctor and its certificate to clients';
const BLOCK = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g;
const DAY_MS = 86_400_000;
/** ACME clients renew a month before the end: two weeks left means that they don't. */
const SOON_DAYS = 14;
