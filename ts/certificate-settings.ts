/** Which certificates this node needs, as the config file has them. */

import type { Config } from './config/schema.ts';
import type { CertificateSource } from './lib/certificate.ts';

/** Undefined for plain HTTP. */
export function apiCertificate({ tls }: Config): CertificateSource | undefined {
  if (tls.cert_file === '') return undefined;
  return { section: 'tls', certFile: tls.cert_file, keyFile: tls.key_file };
}

/** Undefined where TURN does not speak TLS, or a balancer in front does. */
export function turnCertificate({ turn }: Config): CertificateSource | undefined {
  if (!turn.enabled || turn.tls_port === 0 || turn.external_tls) return undefined;
  return { section: 'turn', certFile: turn.cert_file, keyFile: turn.key_file };
}
