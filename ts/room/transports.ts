/**
 * A participant's transports as they come and go: what becomes of them goes to the connection, to the fallback policy,
 * to the figures and to the log.
 */

import { ReconnectReason } from '@livekit/protocol';
import type { Logger } from 'pino';
import type { IceState, PeerCloseReason } from '../media/events.ts';
import type { ConnectionMetrics } from '../metrics/connections.ts';
import type { CandidatePreference, ConnectTimes, TransportName } from '../negotiate/types.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import { Fallback, type FallbackSettings, type LossReport, type UsedPath } from './fallback.ts';
import { type Pair, parsePair } from './transport-path.ts';
import { TransportWatch, type WatchFailure } from './transport-watch.ts';

export interface TransportsOptions {
  clock: Clock;
  settings: FallbackSettings;
  clientTcp: boolean;
  /** Where the participant was led last, if that is not long ago. */
  preference: CandidatePreference;
  remember: (preference: CandidatePreference) => void;
  /** When the client was last heard of on its socket; undefined while it has none. */
  heardAt: () => number | undefined;
  connection: Connection;
  metrics: ConnectionMetrics;
  log: Logger;
}

const NAMES = ['publisher', 'subscriber'] as const;

export class Transports {
  readonly #options: TransportsOptions;
  readonly #fallback: Fallback;
  readonly #watches: Record<TransportName, TransportWatch>;
  readonly #madeAt: number;
  /** Those whose connecting was told. */
  readonly #told = new Set<TransportName>();

  constructor(options: TransportsOptions) {
    const { clock, settings, clientTcp, preference, heardAt } = options;
    this.#options = options;
    this.#madeAt = clock.now();
    this.#fallback = new Fallback({
      clock,
      settings,
      clientTcp,
      preference,
      heardAt,
      changed: (changed) => options.remember(changed),
    });
    this.#watches = { publisher: this.#watch('publisher'), subscriber: this.#watch('subscriber') };
  }

  #watch(name: TransportName): TransportWatch {
    return new TransportWatch({
      clock: this.#options.clock,
      tcpOnly: () => this.preference === 'tcp',
      signalRttMs: () => this.#fallback.signalRttMs,
      failed: (reason, short) => this.#failed(name, reason, short),
    });
  }

  /** What candidates are filtered by, and clients are told of TURN servers. */
  get preference(): CandidatePreference {
    return this.#fallback.preference;
  }

  /** The path of the least direct transport. */
  get #used(): UsedPath {
    const used = NAMES.map((name) => this.#watches[name].used);
    return (['relay', 'tcp', 'udp'] as const).find((path) => used.includes(path));
  }

  setSignalRtt(ms: number): void {
    if (ms > 0) this.#fallback.setSignalRtt(ms);
  }

  /** How long the client took to answer the first time stands in until it has measured. */
  answered(): void {
    if (this.#fallback.signalRttMs === undefined) this.setSignalRtt(this.#options.clock.now() - this.#madeAt);
  }

  iceState(name: TransportName, state: IceState, pair: string | null): void {
    const { connection, metrics } = this.#options;
    const watch = this.#watches[name];
    switch (state) {
      case 'checking':
        if (watch.checking()) metrics.reached(name, 'started');
        break;
      case 'connected':
        this.#connected(name, pair === null ? undefined : parsePair(pair));
        connection.iceState(state);
        break;
      case 'disconnected':
        connection.iceState(state);
        break;
      case 'failed':
        watch.iceFailed();
        this.#setPair(name, undefined);
        break;
    }
  }

  #connected(name: TransportName, pair: Pair | undefined): void {
    const { metrics } = this.#options;
    if (pair !== undefined) this.#setPair(name, pair);
    if (this.#watches[name].connected()) metrics.reached(name, 'ice_connected');
  }

  #setPair(name: TransportName, pair: Pair | undefined): void {
    const { metrics, log } = this.#options;
    const watch = this.#watches[name];
    const former = watch.standing;
    watch.setPair(pair);
    if (former?.text === pair?.text) return;
    if (former?.via !== pair?.via) metrics.pathChanged(former?.via, pair?.via);
    if (pair === undefined || watch.times === undefined) return;
    if (this.#told.has(name)) log.info({ transport: name, path: pair.via, pair: pair.text }, 'path changed');
    else this.#tellConnected(name, pair, watch.times);
  }

  /** Once both are known: an early handshake may end before anything is nominated. */
  #tellConnected(name: TransportName, pair: Pair, { iceMs, dtlsMs }: ConnectTimes): void {
    const { metrics, log } = this.#options;
    this.#told.add(name);
    metrics.connected(pair.via, iceMs, dtlsMs);
    log.info({ transport: name, path: pair.via, pair: pair.text, iceMs, dtlsMs }, 'transport connected');
  }

  connected(name: TransportName, primary: boolean, times: ConnectTimes): void {
    const { connection, metrics } = this.#options;
    const watch = this.#watches[name];
    watch.established(times);
    metrics.reached(name, 'connected');
    if (watch.standing !== undefined) this.#tellConnected(name, watch.standing, times);
    connection.connected(primary);
  }

  closed(name: TransportName, reason: PeerCloseReason): void {
    const { connection, metrics } = this.#options;
    metrics.failed(reason);
    this.#watches[name].close();
    this.#setPair(name, undefined);
    connection.transportClosed(reason);
  }

  #failed(name: TransportName, reason: WatchFailure, short: boolean): void {
    const { connection, metrics, log } = this.#options;
    const path = this.#watches[name].standing?.via;
    metrics.failed(reason);
    log.info({ transport: name, reason, path, short }, 'transport failed');
    this.#fallBack(this.#used, short);
    connection.iceState('failed');
  }

  /** A receiver's report on what we send. */
  reported(report: LossReport): void {
    const former = this.preference;
    if (this.#used !== 'udp' || !this.#fallback.reported(report)) return;
    this.#options.metrics.failed('lossyUdp');
    this.#tellFallback(former);
    this.#options.connection.iceState('failed');
  }

  #fallBack(used: UsedPath, short: boolean): void {
    const former = this.preference;
    this.#fallback.failed(used, short);
    this.#tellFallback(former);
  }

  #tellFallback(former: CandidatePreference): void {
    const { preference } = this;
    if (preference === former) return;
    this.#options.metrics.fellBack(preference);
    this.#options.log.info({ preference, former }, 'client is led to another path');
  }

  /**
   * The client comes back, where it was led last. A transport that it gave up before we did counts as one that failed
   * on our side.
   */
  resumed(preference: CandidatePreference, reason: ReconnectReason): void {
    const watch = this.#reported(reason);
    const used = this.#used;
    const { stepped } = this.#fallback;
    this.#fallback.restart(preference);
    if (watch?.short && !stepped) this.#fallBack(used, true);
    for (const name of NAMES) this.#watches[name].restarted(watch !== undefined);
  }

  #reported(reason: ReconnectReason): TransportWatch | undefined {
    if (reason === ReconnectReason.RR_PUBLISHER_FAILED) return this.#watches.publisher;
    if (reason === ReconnectReason.RR_SUBSCRIBER_FAILED) return this.#watches.subscriber;
    return undefined;
  }

  /** The client asked to be led there. */
  switchTo(preference: CandidatePreference): void {
    this.#fallback.restart(preference);
    for (const name of NAMES) this.#watches[name].restarted(true);
  }

  close(): void {
    for (const name of NAMES) {
      this.#watches[name].close();
      this.#setPair(name, undefined);
    }
  }
}
