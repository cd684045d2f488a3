/** How clients connect: by which path, how fast, and why not. Told by rooms, read by the exporter. */

import { Counter, Gauge, Histogram, type Metric } from 'prom-client';

/** `udp`, `tcp`, `relay-udp`, `relay-tcp` or `relay-tls`. */
type Path = string;

/** What livekit-server counts as operations: descriptions that we send are among them. */
export type Operation = 'participant_join' | 'offer' | 'answer' | 'peer_connection';

/** Why somebody did not get in. */
export type JoinFailure =
  | 'portsExhausted'
  | 'transports'
  | 'roomFull'
  | 'roomClosed'
  | 'abandoned'
  | 'timeout'
  | 'error';

export class ConnectionMetrics {
  readonly #open = new Gauge({
    name: 'sluice_connections',
    help: 'Peer connections that stand, by the path they take now',
    labelNames: ['path'],
    registers: [],
  });
  readonly #taken = new Counter({
    name: 'sluice_connections_total',
    help: 'Times that a peer connection took a path: at first, and whenever it changed',
    labelNames: ['path'],
    registers: [],
  });
  readonly #ice = new Histogram({
    name: 'sluice_ice_duration_seconds',
    help: "From knowing the client's description to the first working pair, by the path of that pair",
    labelNames: ['path'],
    buckets: SECONDS,
    registers: [],
  });
  readonly #dtls = new Histogram({
    name: 'sluice_dtls_duration_seconds',
    help: 'From the first working pair to the end of the DTLS handshake',
    buckets: SECONDS,
    registers: [],
  });
  readonly #failures = new Counter({
    name: 'sluice_connection_failures_total',
    help: 'Peer connections that failed or never came to stand, by reason',
    labelNames: ['reason'],
    registers: [],
  });
  readonly #fallbacks = new Counter({
    name: 'sluice_connection_fallbacks_total',
    help: 'Participants told to take another path after failures, by what they are told: any, tcp or tls',
    labelNames: ['preference'],
    registers: [],
  });
  readonly #joinFailures = new Counter({
    name: 'sluice_join_failures_total',
    help: 'Participants that did not get in, by reason',
    labelNames: ['reason'],
    registers: [],
  });
  readonly #states = new Counter({
    name: 'livekit_peer_connection_state',
    help: 'Peer connections that reached a state: started, ice_connected, connected',
    labelNames: ['transport', 'state'],
    registers: [],
  });

  readonly #operations = new Counter({
    name: 'livekit_node_service_operation',
    help: 'What clients were served: participant_join, offer, answer, peer_connection, by whether it went well',
    labelNames: ['type', 'status', 'error_type'],
    registers: [],
  });

  /** For the exporter's registry. */
  get all(): Metric[] {
    return [
      this.#open,
      this.#taken,
      this.#ice,
      this.#dtls,
      this.#failures,
      this.#fallbacks,
      this.#joinFailures,
      this.#states,
      this.#operations,
    ];
  }

  /** A peer connection moved from one path to another; undefined for none. */
  pathChanged(from: Path | undefined, to: Path | undefined): void {
    if (from !== undefined) this.#open.dec({ path: from });
    if (to === undefined) return;
    this.#open.inc({ path: to });
    this.#taken.inc({ path: to });
  }

  reached(transport: 'publisher' | 'subscriber', state: 'started' | 'ice_connected' | 'connected'): void {
    this.#states.inc({ transport: transport.toUpperCase(), state });
    if (state === 'connected') this.served('peer_connection');
  }

  served(operation: Operation): void {
    this.#operations.inc({ type: operation, status: 'success', error_type: '' });
  }

  /** A description of the client that could not be used. */
  refused(description: 'offer' | 'answer'): void {
    this.#operations.inc({ type: description, status: 'error', error_type: 'remote_description' });
  }

  /** ICE and DTLS stand for the first time; durations in milliseconds. */
  connected(path: Path, iceMs: number, dtlsMs: number): void {
    this.#ice.observe({ path }, iceMs / 1000);
    this.#dtls.observe(dtlsMs / 1000);
  }

  failed(reason: string): void {
    this.#failures.inc({ reason });
  }

  fellBack(preference: string): void {
    this.#fallbacks.inc({ preference });
  }

  joinFailed(reason: JoinFailure): void {
    this.#joinFailures.inc({ reason });
  }
}

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20];
