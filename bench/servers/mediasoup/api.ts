/** The part of mediasoup's interface that the benchmark uses, of its versions 3.x. It is no dependency of ours. */

export interface Mediasoup {
  readonly version: string;
  /** Path of the worker, `MEDIASOUP_WORKER_BIN` considered. */
  readonly workerBin: string;
  createWorker(settings: { logLevel: 'warn' | 'error' }): Promise<Worker>;
}

export interface Worker {
  createRouter(options: { mediaCodecs: readonly CodecCapability[] }): Promise<Router>;
  createWebRtcServer(options: { listenInfos: readonly ListenInfo[] }): Promise<WebRtcServer>;
  on(event: 'died', listener: (error: Error) => void): void;
  close(): void;
}

/** One port for many transports. */
export interface WebRtcServer {
  readonly id: string;
}

export interface ListenInfo {
  protocol: 'udp';
  ip: string;
  port?: number;
  portRange?: { min: number; max: number };
}

export interface Router {
  readonly rtpCapabilities: RtpCapabilities;
  createWebRtcTransport(options: TransportOptions): Promise<Transport>;
  close(): void;
}

export type TransportOptions = { enableSctp: boolean } & (
  | { webRtcServer: WebRtcServer }
  | { listenInfos: readonly ListenInfo[] }
);

export interface Transport {
  readonly iceParameters: { usernameFragment: string; password: string };
  readonly iceCandidates: readonly IceCandidate[];
  readonly dtlsParameters: { fingerprints: readonly Fingerprint[] };
  /** Once; `role` is the client's. */
  connect(options: {
    dtlsParameters: { role: 'client' | 'server'; fingerprints: readonly Fingerprint[] };
  }): Promise<void>;
  produce(options: { kind: Kind; rtpParameters: RtpParameters }): Promise<Producer>;
  consume(options: ConsumerOptions): Promise<Consumer>;
  close(): void;
}

export interface IceCandidate {
  foundation: string;
  priority: number;
  ip: string;
  protocol: string;
  port: number;
  type: string;
}

export interface Fingerprint {
  algorithm: string;
  value: string;
}

export interface Producer {
  readonly id: string;
}

export interface ConsumerOptions {
  producerId: string;
  rtpCapabilities: RtpCapabilities;
  paused: boolean;
  mid: string;
  /** Of simulcast and SVC; ignored with others. */
  preferredLayers?: { spatialLayer: number };
}

export interface Consumer {
  readonly rtpParameters: RtpParameters;
  resume(): Promise<void>;
  pause(): Promise<void>;
  setPreferredLayers(layers: { spatialLayer: number }): Promise<void>;
  close(): void;
}

export type Kind = 'audio' | 'video';

export interface Feedback {
  type: string;
  parameter?: string;
}

export type CodecParameters = Record<string, string | number>;

export interface CodecCapability {
  kind: Kind;
  mimeType: string;
  clockRate: number;
  channels?: number;
  preferredPayloadType?: number;
  parameters?: CodecParameters;
  rtcpFeedback?: readonly Feedback[];
}

export interface RtpCapabilities {
  codecs: readonly CodecCapability[];
  headerExtensions: readonly { kind: Kind; uri: string; preferredId: number }[];
}

export interface RtpParameters {
  mid: string;
  /** Retransmissions are a codec of their own, `video/rtx`, behind theirs. */
  codecs: RtpCodec[];
  headerExtensions: { uri: string; id: number }[];
  encodings: Encoding[];
  rtcp: { cname: string; reducedSize?: boolean };
}

export interface RtpCodec {
  mimeType: string;
  payloadType: number;
  clockRate: number;
  channels?: number;
  parameters?: CodecParameters;
  rtcpFeedback?: Feedback[];
}

export interface Encoding {
  ssrc?: number;
  rid?: string;
  rtx?: { ssrc: number };
  /** `L3T1` and the like. */
  scalabilityMode?: string;
}
