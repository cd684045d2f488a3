/** Calls between nodes and workers, under the names that livekit's services share (livekit-facts 10). */

import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import type { RpcCode } from '../lib/rpc-error.ts';
import type {
  CallLabels,
  CallOutcome,
  ClaimOutcome,
  DropReason,
  MethodLabels,
  RpcObserver,
  StreamLabels,
} from '../psrpc/observer.ts';

export class RpcMetrics implements RpcObserver {
  readonly #requestTime = new Histogram({
    name: 'livekit_psrpc_request_time_ms',
    help: 'How long calls took that succeeded, from the first attempt to the last answer',
    labelNames: ['role', 'kind', 'service', 'method'],
    buckets: TIMES,
    registers: [],
  });
  readonly #sendTime = new Histogram({
    name: 'livekit_psrpc_stream_send_time_ms',
    help: 'How long messages of streams took until the other side had them',
    labelNames: ['role', 'service', 'method'],
    buckets: TIMES,
    registers: [],
  });
  readonly #streamReceived = counter('livekit_psrpc_stream_receive_total', 'Messages that came on streams', [
    'role',
    'service',
    'method',
  ]);
  readonly #streams = new Gauge({
    name: 'livekit_psrpc_stream_count',
    help: 'Streams that are open now',
    labelNames: ['role', 'service', 'method'],
    registers: [],
  });
  readonly #errors = counter('livekit_psrpc_error_total', 'Calls and messages of streams that failed', [
    'role',
    'kind',
    'service',
    'method',
    'error_code',
  ]);
  readonly #bytes = counter(
    'livekit_psrpc_bytes_total',
    'Bytes of messages: rx of requests, tx of answers; of streams what came in and what went out',
    ['role', 'kind', 'service', 'method', 'direction'],
  );
  readonly #received = counter('livekit_psrpc_requests_received_total', 'Requests that came in', ['service', 'method']);
  readonly #expired = counter('livekit_psrpc_requests_expired_total', 'Requests that came in after their time', [
    'service',
    'method',
  ]);
  readonly #claims = new Histogram({
    name: 'livekit_psrpc_claim_wait_time_ms',
    help: 'How long a server that offered itself waited for the word of the client',
    labelNames: ['service', 'method', 'outcome'],
    buckets: [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 3000],
    registers: [],
  });
  readonly #dropped = counter('sluice_psrpc_drops_total', 'Messages between nodes that were not used, by reason', [
    'service',
    'reason',
  ]);

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [
      this.#requestTime,
      this.#sendTime,
      this.#streamReceived,
      this.#streams,
      this.#errors,
      this.#bytes,
      this.#received,
      this.#expired,
      this.#claims,
      this.#dropped,
    ];
  }

  requestDone(labels: CallLabels, { ms, bytesIn, bytesOut, error, responses }: CallOutcome): void {
    const { role, service, method } = labels;
    const kind = labels.kind === 'multi' ? 'multirpc' : 'rpc';
    // As livekit does: `rx` is the request and `tx` the answer, on both sides.
    const [request, answer] = role === 'server' ? [bytesIn, bytesOut] : [bytesOut, bytesIn];
    this.#bytes.inc({ role, kind, service, method, direction: 'rx' }, request);
    this.#bytes.inc({ role, kind, service, method, direction: 'tx' }, answer);
    const failed = labels.kind === 'multi' ? responses === 0 : error !== undefined;
    if (failed) this.#errors.inc({ role, kind, service, method, error_code: error ?? 'unavailable' });
    else this.#requestTime.observe({ role, kind, service, method }, ms);
  }

  requestReceived({ service, method }: MethodLabels): void {
    this.#received.inc({ service, method });
  }

  requestExpired({ service, method }: MethodLabels): void {
    this.#expired.inc({ service, method });
  }

  claimDecided({ service, method }: MethodLabels, outcome: ClaimOutcome, waitMs: number): void {
    this.#claims.observe({ service, method, outcome: CLAIM_OUTCOMES[outcome] }, waitMs);
  }

  streamOpened({ role, service, method }: StreamLabels): void {
    this.#streams.inc({ role, service, method });
  }

  streamClosed({ role, service, method }: StreamLabels): void {
    this.#streams.dec({ role, service, method });
  }

  streamSent({ role, service, method }: StreamLabels, ms: number, bytes: number, error: RpcCode | undefined): void {
    this.#bytes.inc({ role, kind: 'stream', service, method, direction: 'tx' }, bytes);
    if (error === undefined) this.#sendTime.observe({ role, service, method }, ms);
    else this.#errors.inc({ role, kind: 'stream', service, method, error_code: error });
  }

  streamReceived({ role, service, method }: StreamLabels, bytes: number): void {
    this.#bytes.inc({ role, kind: 'stream', service, method, direction: 'rx' }, bytes);
    this.#streamReceived.inc({ role, service, method });
  }

  dropped(service: string, reason: DropReason): void {
    this.#dropped.inc({ service, reason });
  }
}

function counter(name: string, help: string, labelNames: string[]): Counter {
  return new Counter({ name, help, labelNames, registers: [] });
}

const TIMES = [10, 50, 100, 300, 500, 1000, 1500, 2000, 5000, 10_000];
const CLAIM_OUTCOMES: Record<ClaimOutcome, string> = {
  granted: 'granted',
  lost: 'lost_to_peer',
  timedOut: 'timed_out',
};
