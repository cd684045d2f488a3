/**
 * The composition root: every part is built here, from the bottom up, and every arrow between them is visible.
 *
 * ```
 * built ──start()──► serving ──close()──► closed
 * ```
 */

import { networkInterfaces } from 'node:os';
import { ServerInfo, ServerInfo_Edition } from '@livekit/protocol';
import { logAddresses, type NodeAddresses, nodeAddresses } from './addresses.ts';
import { AgentServices } from './agent-root.ts';
import { addApi } from './api-root.ts';
import { Keys } from './auth/keys.ts';
import { mintRefreshToken } from './auth/token.ts';
import { apiCertificate, turnCertificate } from './certificate-settings.ts';
import type { Drain } from './cluster/drain.ts';
import { sentPackets } from './cluster/system-load.ts';
import { ClusterLinks } from './cluster-root.ts';
import type { Config } from './config/schema.ts';
import { demoFiles } from './demo-files.ts';
import { fileLimitWarning } from './file-limit.ts';
import { Fleet, presenceIn } from './fleet-root.ts';
import { chooseHttpApp } from './http/choose.ts';
import { addDemoRoutes } from './http/demo-routes.ts';
import { addDrainRoutes } from './http/drain-routes.ts';
import { health, liveness, readiness } from './http/health.ts';
import { pipeline } from './http/pipeline.ts';
import { Routes } from './http/routes.ts';
import { addSignalRoutes } from './http/signal-routes.ts';
import type { HttpApp, HttpSettings, ListenAddress } from './http/types.ts';
import { WorkerServices } from './io-root.ts';
import { type Certificate, type CertificateSource, checkPair, readPair } from './lib/certificate.ts';
import { CertificateFiles } from './lib/certificate-files.ts';
import { newNodeId } from './lib/guid.ts';
import type { NodeId } from './lib/ids.ts';
import { inTurn, type Step } from './lib/in-turn.ts';
import { MdnsResolver } from './lib/mdns.ts';
import { urlHost } from './lib/url-host.ts';
import type { Log } from './log/log.ts';
import type { WorkerId } from './media/commands.ts';
import { WorkerEngine } from './media/engine.ts';
import { WorkerPlacement } from './media/placement.ts';
import { ApiMetrics } from './metrics/api.ts';
import { type ClusterFigures, ClusterMetrics } from './metrics/cluster.ts';
import { ConnectionMetrics } from './metrics/connections.ts';
import { EdgeMetrics } from './metrics/edge.ts';
import { MetricsExporter } from './metrics/exporter.ts';
import { RpcMetrics } from './metrics/rpc.ts';
import { SessionMetrics } from './metrics/sessions.ts';
import { SignalMetrics } from './metrics/signals.ts';
import { TrackMetrics } from './metrics/tracks.ts';
import { createNegotiation } from './negotiate/negotiation.ts';
import { nodeLoad } from './node-load.ts';
import { NodeRoot } from './node-root.ts';
import { assertPortsFree } from './ports.ts';
import { rehearse } from './rehearsal/rehearsal.ts';
import { NO_EGRESS } from './room/auto-egress.ts';
import { systemClock } from './room/clock.ts';
import type { RoomConfig } from './room/config.ts';
import type { RoomContext } from './room/context.ts';
import { LiveRooms } from './room/hosted-rooms.ts';
import { Preferences } from './room/preferences.ts';
import { RoomControls } from './room/room-control.ts';
import { Rooms } from './room/rooms.ts';
import { RoomSessionHost } from './room/session-host.ts';
import { engineSettings, roomSettings } from './settings.ts';
import { waitsFor } from './signal/starter.ts';
import { turnListeners } from './turn-settings.ts';

/** A whole server, to be started once. */
export interface Server {
  readonly nodeId: NodeId;
  /** Where it listens; empty until started. */
  readonly addresses: readonly ListenAddress[];
  /** Before the start: makes the first joins as fast as later ones, for half a second. Never rejects. */
  rehearse(): Promise<void>;
  /** Rejects where a port is taken; nothing keeps running then. */
  start(): Promise<void>;
  /** Looks at the certificates' files again, and counts what became of the config file since. */
  reload(configFile: 'ok' | 'broken'): void;
  /**
   * No new rooms; resolves once nobody is left, or the time to drain is up and who was left has been sent elsewhere.
   */
  drain(): Promise<void>;
  /** Whoever is left leaves with SERVER_SHUTDOWN, then everything ends. Idempotent. */
  close(): Promise<void>;
}

/** Builds a server; throws where the media plane, or TLS, can't start with this configuration. */
export async function createServer(config: Config, log: Log, version: string): Promise<Server> {
  const limit = fileLimitWarning(config);
  if (limit !== undefined) log.warn({}, limit);
  // Before anything is started that would have to be ended again.
  for (const source of [apiCertificate(config), turnCertificate(config)]) {
    if (source !== undefined) checkPair(source, readPair(source), now());
  }
  const addresses = await nodeAddresses(config, networkInterfaces(), log);
  logAddresses(addresses, log);
  await assertPortsFree(
    config,
    addresses.media.map(({ bind }) => bind),
  );
  return new SluiceServer(config, addresses, log, version);
}

class SluiceServer implements Server {
  readonly nodeId = newNodeId();
  readonly addresses: ListenAddress[] = [];
  readonly #config: Config;
  readonly #log: Log;
  readonly #version: string;
  readonly #ip: string;
  readonly #keys: Keys;
  readonly #links: ClusterLinks;
  /** Undefined without Redis: workers are reached through it. */
  readonly #workers: WorkerServices | undefined;
  readonly #agents: AgentServices;
  readonly #connections = new ConnectionMetrics();
  readonly #rpcMetrics = new RpcMetrics();
  readonly #apiMetrics = new ApiMetrics();
  readonly #signals = new SignalMetrics();
  readonly #sessions = new SessionMetrics();
  readonly #tracks = new TrackMetrics();
  readonly #certificates: CertificateFiles[] = [];
  readonly #edge = new EdgeMetrics({
    certificates: () => this.#certificates.map(({ counts }) => counts),
    refusedConnections: () => this.#http.refusedNewcomers,
  });
  readonly #engine: WorkerEngine;
  readonly #mdns: MdnsResolver | undefined;
  readonly #roomConfig: RoomConfig;
  readonly #rooms: Rooms;
  readonly #nodeRoot: NodeRoot;
  readonly #drain: Drain;
  readonly #fleet: Fleet;
  readonly #http: HttpApp;
  readonly #metrics: MetricsExporter | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: Config, addresses: NodeAddresses, log: Log, version: string) {
    this.#config = config;
    this.#log = log;
    this.#version = version;
    this.#ip = addresses.nodeIp.v4 || addresses.nodeIp.v6;
    this.#keys = new Keys(config.keys);
    this.#links = new ClusterLinks({ config, self: this.nodeId, log, observe: this.#rpcMetrics });
    this.#workers = this.#workerServices();
    this.#agents = this.#agentServices();
    this.#engine = new WorkerEngine({
      config: engineSettings(config, addresses),
      log,
      onFatal: (error) => log.error({ error: error.message }, 'a media worker ended'),
    });
    this.#mdns = config.rtc.use_mdns ? mdnsResolver(addresses, log) : undefined;
    this.#nodeRoot = this.#makeNodeRoot();
    const context = this.#roomContext(addresses);
    this.#roomConfig = context.config;
    this.#rooms = new Rooms(context);
    this.#drain = this.#nodeRoot.drain(this.#rooms, this.#agents);
    this.#fleet = this.#makeFleet(context);
    this.#http = this.#httpApp();
    this.#metrics = config.prometheus.port === 0 ? undefined : this.#metricsExporter();
  }

  async rehearse(): Promise<void> {
    const settings = { config: this.#roomConfig, serverInfo: this.#serverInfo() };
    await rehearse(settings).catch((error: Error) => {
      // Nothing depends on it.
      this.#log.warn({ error: error.message }, 'rehearsing joins failed: the first ones will be slow');
    });
  }

  async start(): Promise<void> {
    const { bind_addresses, port } = this.#config;
    try {
      this.#startTurnTls();
      await this.#links.start();
      await this.#workers?.start();
      await this.#agents.start();
      await this.#fleet.start();
      await this.#nodeRoot.start(this.#rooms);
      for (const host of bind_addresses.length === 0 ? [''] : bind_addresses) {
        this.addresses.push(await this.#http.listen(host, this.addresses[0]?.port ?? port));
      }
      await this.#metrics?.listen();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#logStart();
  }

  reload(configFile: 'ok' | 'broken'): void {
    this.#edge.configChecked(configFile);
    for (const files of this.#certificates) files.reread();
  }

  drain(): Promise<void> {
    return this.#drain.finish();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const steps: Step[] = [
      { name: 'certificates', run: () => this.#certificates.forEach((files) => void files.close()) },
      { name: 'drain', run: () => this.#drain.close() },
      { name: 'node state', run: () => this.#nodeRoot.node.setState('shuttingDown') },
      { name: 'fleet', run: () => this.#fleet.stop() },
      { name: 'rooms', run: () => this.#rooms.close() },
      { name: 'agents', run: () => this.#agents.close() },
      { name: 'workers', run: () => this.#workers?.close() },
      { name: 'HTTP', run: () => this.#http.close(HTTP_GRACE_MS) },
      { name: 'metrics', run: () => this.#metrics?.close() },
      { name: 'mDNS', run: () => this.#mdns?.close() },
      { name: 'engine', run: () => this.#engine.close() },
      { name: 'node', run: () => this.#nodeRoot.stop() },
      { name: 'links', run: () => this.#links.close() },
    ];
    await inTurn(steps, { log: this.#log });
    this.addresses.length = 0;
  }

  #agentServices(): AgentServices {
    const { client, server, keyspace } = this.#links;
    return new AgentServices({
      config: this.#config,
      keys: this.#keys,
      serverInfo: this.#serverInfo(),
      client,
      server,
      link: keyspace.link,
      log: this.#log,
    });
  }

  #workerServices(): WorkerServices | undefined {
    const { clustered, keyspace, store, client, server } = this.#links;
    if (!clustered) return undefined;
    const { rooms } = store;
    return new WorkerServices({
      config: this.#config,
      keyspace,
      rooms,
      client,
      server,
      log: this.#log,
    });
  }

  #roomContext(addresses: NodeAddresses): RoomContext {
    const { rtc } = this.#config;
    return {
      config: roomSettings(this.#config, addresses),
      clock: systemClock,
      engine: this.#engine,
      preferences: new Preferences(systemClock),
      metrics: this.#connections,
      sessionMetrics: this.#sessions,
      trackMetrics: this.#tracks,
      placement: new WorkerPlacement(this.#engine.workers, rtc.worker_placement),
      createNegotiation: (negotiationHost, options) =>
        createNegotiation(this.#engine, negotiationHost, {
          ...options,
          ...(this.#mdns === undefined ? {} : { mdns: this.#mdns }),
        }),
      store: this.#links.store,
      ownership: this.#nodeRoot.ownership,
      presence: presenceIn(() => this.#fleet),
      agents: this.#agents.jobs,
      egress: this.#workers?.autoEgress ?? NO_EGRESS,
      issueToken: (claims, ttlSeconds) => mintRefreshToken(this.#keys, claims, ttlSeconds, new Date()),
      serverInfo: this.#serverInfo(),
      log: this.#log,
    };
  }

  #serverInfo(): ServerInfo {
    return new ServerInfo({
      edition: ServerInfo_Edition.Standard,
      version: LIVEKIT_VERSION,
      protocol: PROTOCOL,
      region: this.#config.region,
      nodeId: this.nodeId,
      agentProtocol: AGENT_PROTOCOL,
    });
  }

  #makeFleet(context: RoomContext): Fleet {
    return new Fleet({
      config: this.#config,
      self: this.nodeId,
      links: this.#links,
      node: this.#nodeRoot,
      local: {
        sessions: new RoomSessionHost(context, this.#rooms),
        controls: new RoomControls(context.config, this.#rooms),
      },
      hosted: new LiveRooms(this.#rooms),
      log: this.#log,
    });
  }

  #clusterFigures(): ClusterFigures {
    const { keyspace, outages: redisOutages } = this.#links;
    const { out: relayedOut, in: relayedIn, broken: relaysBroken } = this.#fleet.relays;
    return {
      redisUp: keyspace.link.up,
      redisOutages,
      draining: this.#drain.active,
      ...this.#nodeRoot.figures,
      relayedOut,
      relayedIn,
      relaysBroken,
    };
  }

  #metricsExporter(): MetricsExporter {
    const sources = {
      nodeId: this.nodeId,
      totals: () => this.#rooms.totals,
      sentPackets,
      connections: this.#connections,
      signals: this.#signals,
      sessions: this.#sessions,
      tracks: this.#tracks,
      rpc: this.#rpcMetrics,
      api: this.#apiMetrics,
      cluster: new ClusterMetrics(() => this.#clusterFigures()),
      edge: this.#edge,
      workers: this.#engine.workers,
      workerCounters: (worker: number) => this.#workerCounters(worker),
    };
    return new MetricsExporter(sources, this.#config.prometheus);
  }

  #makeNodeRoot(): NodeRoot {
    return new NodeRoot({
      config: this.#config,
      self: this.nodeId,
      ip: this.#ip,
      links: this.#links,
      log: this.#log,
      load: async () => {
        const workers = Array.from({ length: this.#engine.workers }, (_, worker) => this.#workerCounters(worker));
        return nodeLoad({
          rooms: this.#rooms.totals,
          joins: this.#sessions.counts,
          tracks: this.#tracks.counts,
          workers: (await Promise.all(workers)).flat(),
        });
      },
    });
  }

  async #workerCounters(worker: number): Promise<[string, number][]> {
    return (await this.#engine.query(worker as WorkerId, { type: 'workerStats' })).counters;
  }

  #httpApp(): HttpApp {
    const { limit } = this.#config;
    const routes = new Routes()
      .exact(
        '/',
        health(() => this.#nodeRoot.node.age, now),
      )
      .exact(
        '/readyz',
        readiness(() => this.#nodeRoot.takesRooms),
      )
      .exact('/healthz', liveness);
    addDrainRoutes(routes, this.#drain);
    this.#addSignal(routes);
    this.#addApi(routes);
    this.#agents.addTo(routes);
    const demo = this.#config.development ? demoFiles() : undefined;
    if (demo !== undefined) addDemoRoutes(routes, demo, this.#keys, now);
    const { create, note } = chooseHttpApp();
    if (note !== undefined) this.#log.info({ reason: note }, 'HTTP runs on node:http instead of uWebSockets.js');
    const maxBodyBytes = limit.max_api_request_body_size;
    const settings: HttpSettings = {
      maxBodyBytes,
      maxMessageBytes: limit.signal_message_size_limit,
      largestMessageBytes: largest(limit.signal_message_size_limit, limit.agent_signal_message_size_limit),
      maxBufferedBytes: MAX_SOCKET_BUFFER_BYTES,
      maxNewcomers: limit.connections_per_ip,
    };
    const handler = pipeline(routes.handle, { keys: this.#keys, maxBodyBytes, now });
    const onError = (error: unknown) => this.#log.error({ error: describe(error) }, 'error handling request');
    return this.#withTls((tls) => create(handler, { ...settings, ...tls }, onError));
  }

  /** Plain HTTP, or HTTPS with a certificate that follows its files. */
  #withTls(build: (tls: { certificate?: Certificate }) => HttpApp): HttpApp {
    const source = apiCertificate(this.#config);
    if (source === undefined) return build({});
    const built: HttpApp[] = [];
    this.#follow(source, (certificate) => {
      const [app] = built;
      if (app === undefined) built.push(build({ certificate }));
      else app.setCertificate(certificate);
    });
    const [app] = built;
    if (app === undefined) throw new Error('a certificate was taken up and not used');
    return app;
  }

  #startTurnTls(): void {
    const source = turnCertificate(this.#config);
    if (source === undefined) return;
    this.#follow(source, ({ certPem, keyPem }) => this.#engine.setTurnCertificate(certPem, keyPem));
  }

  /** Throws where the certificate can't be used; later ones that can't are told in the log. */
  #follow(source: CertificateSource, use: (pair: Certificate) => void): void {
    const files = new CertificateFiles({ source, use, log: this.#log, now });
    files.start();
    this.#certificates.push(files);
  }

  #addSignal(routes: Routes): void {
    const { limit, room, signal_relay } = this.#config;
    addSignalRoutes(routes, {
      limits: {
        maxIdentityLength: limit.max_participant_identity_length,
        maxRoomNameLength: limit.max_room_name_length,
      },
      checks: {
        autoCreate: room.auto_create,
        roomExists: async (name) => (await this.#fleet.directory.listRooms([name])).length > 0,
      },
      findHost: async () => this.#fleet.sessions,
      waits: waitsFor(signal_relay.connect_attempts),
      onJoin: (state) => this.#sessions.reached(state),
      observer: this.#signals,
      logFor: (fields) => this.#log.child(fields),
    });
  }

  #addApi(routes: Routes): void {
    addApi(routes, {
      config: this.#config,
      log: this.#log,
      controls: this.#fleet.controls,
      directory: this.#fleet.directory,
      workers: this.#workers,
      metrics: this.#apiMetrics,
    });
  }

  get #scheme(): 'http' | 'https' {
    return apiCertificate(this.#config) === undefined ? 'http' : 'https';
  }

  #logStart(): void {
    const { bind_addresses, development, region, rtc } = this.#config;
    const portHttp = this.addresses[0]?.port;
    this.#log.info(
      {
        portHttp,
        nodeID: this.nodeId,
        nodeIP: this.#ip,
        version: this.#version,
        http: this.#http.name,
        scheme: this.#scheme,
        ...(bind_addresses.length === 0 ? {} : { bindAddresses: bind_addresses }),
        ...(rtc.tcp_port === 0 ? {} : { 'rtc.portTCP': rtc.tcp_port }),
        ...(rtc.force_tcp ? {} : udpPorts(rtc)),
        ...(region === '' ? {} : { region }),
      },
      'starting LiveKit server',
    );
    if (this.#config.turn.enabled) this.#log.info(turnListeners(this.#config), 'Starting TURN server');
    if (development && demoFiles() !== undefined) {
      this.#log.info(
        {},
        `demo page: ${this.#scheme}://${urlHost(reachable(this.addresses[0]?.host ?? ''))}:${portHttp}/demo/`,
      );
    }
  }
}

const now = () => new Date();

/** Of limits, of which 0 is none. */
function largest(...limits: number[]): number {
  return limits.includes(0) ? 0 : Math.max(...limits);
}

function mdnsResolver({ candidates }: NodeAddresses, log: Log): MdnsResolver {
  const locals = candidates
    .filter(({ bind }) => bind !== '::')
    .map(({ bind, interface: name }) => ({ ip: bind, interface: name }));
  return new MdnsResolver({ locals, onError: (error) => log.warn({ error: error.message }, 'rtc.use_mdns') });
}

function udpPorts(rtc: Config['rtc']): Record<string, unknown> {
  if (rtc.udp_port !== undefined) return { 'rtc.portUDP': rtc.udp_port };
  return { 'rtc.portICERange': [rtc.port_range_start, rtc.port_range_end] };
}

function reachable(bound: string): string {
  return bound === '' || bound === '0.0.0.0' || bound === '::' ? 'localhost' : bound;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The server whose behaviour this is: some clients choose by it. */
const LIVEKIT_VERSION = '1.13.5';
const PROTOCOL = 17;
const AGENT_PROTOCOL = 1;
const HTTP_GRACE_MS = 5000;
/** Signals that a client has not taken: beyond this it has stalled, and may come back with a fresh connection. */
const MAX_SOCKET_BUFFER_BYTES = 16 * 1024 * 1024;
