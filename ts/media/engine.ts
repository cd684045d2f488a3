/**
 * The media plane over the native addon. Commands leave in one batch per worker and turn of the event loop; reports
 * are fetched when the addon rings, and each goes to the one handler of what it is about.
 *
 *     running ──workerFailed──▶ failed ──close──▶ closed
 *        └─────────────── close ───────────────────▶
 */

import type { Logger } from 'pino';
import type {
  Command,
  DownTrackId,
  Fingerprint,
  MediaParticipantId,
  MediaRoomId,
  PeerId,
  Query,
  UpTrackId,
  WorkerId,
} from './commands.ts';
import type { Answer, DataEvent, PeerEvent } from './events.ts';
import {
  type EngineConfig,
  type EngineInfo,
  loadNative,
  type Native,
  type NativeEngine,
  type Report,
} from './native.ts';
import type { DownTrackHandler, MediaEngine, UpTrackHandler } from './types.ts';

export interface EngineOptions {
  config: EngineConfig;
  log: Pick<Logger, 'warn' | 'error'>;
  /** A worker's thread ended by a bug of ours: its participants are gone, and the process had better restart. */
  onFatal: (error: Error) => void;
  /** For tests. */
  native?: Pick<Native, 'Engine'>;
}

/** How long a worker may take to answer; a live one does within milliseconds. */
const QUERY_TIMEOUT_MS = 5000;

interface PendingQuery {
  resolve(answer: Answer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

export class WorkerEngine implements MediaEngine {
  readonly workers: number;
  readonly fingerprint: Fingerprint;
  readonly #native: NativeEngine;
  readonly #log: EngineOptions['log'];
  readonly #onFatal: EngineOptions['onFatal'];
  #state: 'running' | 'failed' | 'closed' = 'running';
  readonly #outgoing = new Map<WorkerId, Command[]>();
  #flush: NodeJS.Immediate | undefined;
  readonly #queries = new Map<number, PendingQuery>();
  readonly #peers = new Map<PeerId, (event: PeerEvent) => void>();
  readonly #upTracks = new Map<UpTrackId, UpTrackHandler>();
  readonly #downTracks = new Map<DownTrackId, DownTrackHandler>();
  readonly #rooms = new Map<MediaRoomId, (event: DataEvent) => void>();
  #lastId = 0;

  /** Starts the workers; throws where the system or the configuration doesn't allow it. */
  constructor(options: EngineOptions) {
    this.#log = options.log;
    this.#onFatal = options.onFatal;
    const { Engine } = options.native ?? loadNative();
    this.#native = new Engine(JSON.stringify(options.config), () => this.#takeReports());
    const info: EngineInfo = JSON.parse(this.#native.info());
    this.workers = info.workers;
    this.fingerprint = info.fingerprint;
    for (const warning of info.warnings) this.#log.warn({}, warning);
  }

  send(worker: WorkerId, command: Command): void {
    if (this.#state !== 'running') return;
    const batch = this.#outgoing.get(worker);
    if (batch === undefined) this.#outgoing.set(worker, [command]);
    else batch.push(command);
    this.#flush ??= setImmediate(() => this.#submit());
  }

  query<Q extends Query>(worker: WorkerId, query: Q): Promise<Extract<Answer, { type: Q['type'] }>> {
    if (this.#state !== 'running') return Promise.reject(new Error('the media engine is closed'));
    const id = this.#nextId();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#queries.delete(id);
        reject(new Error(`worker ${worker} did not answer ${query.type} in time`));
      }, QUERY_TIMEOUT_MS);
      // A worker answers each question with the answer of its name.
      const settle = (answer: Answer) => resolve(answer as Extract<Answer, { type: Q['type'] }>);
      this.#queries.set(id, { resolve: settle, reject, timer });
      this.send(worker, { type: 'query', id, query });
    });
  }

  onPeer(peer: PeerId, handler: ((event: PeerEvent) => void) | undefined): void {
    put(this.#peers, peer, handler);
  }

  onUpTrack(track: UpTrackId, handler: UpTrackHandler | undefined): void {
    put(this.#upTracks, track, handler);
  }

  onDownTrack(down: DownTrackId, handler: DownTrackHandler | undefined): void {
    put(this.#downTracks, down, handler);
  }

  onRoomData(room: MediaRoomId, handler: ((event: DataEvent) => void) | undefined): void {
    put(this.#rooms, room, handler);
  }

  nextPeer(): PeerId {
    return this.#nextId() as PeerId;
  }

  nextUpTrack(): UpTrackId {
    return this.#nextId() as UpTrackId;
  }

  nextDownTrack(): DownTrackId {
    return this.#nextId() as DownTrackId;
  }

  nextParticipant(): MediaParticipantId {
    return this.#nextId() as MediaParticipantId;
  }

  nextRoom(): MediaRoomId {
    return this.#nextId() as MediaRoomId;
  }

  /** PEM; for TURN handshakes from now on. Throws what is wrong with it, and the former one stays. */
  setTurnCertificate(certPem: string, keyPem: string): void {
    if (this.#state === 'running') this.#native.setTurnCertificate(certPem, keyPem);
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#submit();
    this.#state = 'closed';
    this.#native.close();
    this.#rejectQueries(new Error('the media engine is closed'));
  }

  /** 32 bits last for 49 days at a thousand ids a second; what is then used again has long ended. */
  #nextId(): number {
    this.#lastId = (this.#lastId % 0xffff_ffff) + 1;
    return this.#lastId;
  }

  #submit(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    for (const [worker, batch] of this.#outgoing) {
      try {
        this.#native.submit(worker, JSON.stringify(batch));
      } catch (error) {
        // State would differ between the planes from here on.
        this.#fail(new Error(`worker ${worker} refused commands`, { cause: error }));
      }
    }
    this.#outgoing.clear();
  }

  #takeReports(): void {
    const json = this.#native.takeEvents();
    if (json === null) return;
    const reports: Report[] = JSON.parse(json);
    for (const report of reports) {
      try {
        this.#dispatch(report);
      } catch (error) {
        // One handler's bug must not cost the others their reports.
        this.#log.error({ error, type: report.type }, 'a media report was not handled');
      }
    }
  }

  #dispatch(report: Report): void {
    switch (report.type) {
      case 'peerOpened':
      case 'iceState':
      case 'peerConnected':
      case 'peerClosed':
      case 'dataChannelOpened':
        this.#peers.get(report.peer)?.(report);
        break;
      case 'trackStarted':
      case 'layers':
        this.#upTracks.get(report.track)?.event(report);
        break;
      case 'downTrackStarted':
        this.#downTracks.get(report.down)?.event(report);
        break;
      case 'audioLevels':
        for (const level of report.levels) this.#upTracks.get(level.track)?.audioLevel(level);
        break;
      case 'quality':
        for (const quality of report.up) this.#upTracks.get(quality.track)?.quality(quality);
        for (const quality of report.down) this.#downTracks.get(quality.down)?.quality(quality);
        break;
      case 'data':
        this.#rooms.get(report.room)?.(report);
        break;
      case 'answer':
        this.#answer(report.id, report.answer);
        break;
      case 'log':
        this.#log[report.level]({ ...report.fields, component: report.target }, report.message);
        break;
      case 'workerFailed':
        this.#fail(new Error(`media worker ${report.worker} ended: ${report.detail}`));
        break;
      default:
        report satisfies never;
    }
  }

  #answer(id: number, answer: Answer): void {
    const query = this.#queries.get(id);
    if (query === undefined) return;
    this.#queries.delete(id);
    clearTimeout(query.timer);
    query.resolve(answer);
  }

  #fail(error: Error): void {
    if (this.#state !== 'running') return;
    this.#state = 'failed';
    this.#rejectQueries(error);
    this.#onFatal(error);
  }

  #rejectQueries(error: Error): void {
    for (const query of this.#queries.values()) {
      clearTimeout(query.timer);
      query.reject(error);
    }
    this.#queries.clear();
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
