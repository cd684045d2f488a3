/** The config file's keys as the parts of the server want them: one function a part, no part sees the whole file. */

import { cpus } from 'node:os';
import { RoomConfiguration } from '@livekit/protocol';
import type { NodeAddresses } from './addresses.ts';
import type { ApiLimits } from './api/limits.ts';
import { readSecretFile } from './config/keys.ts';
import { ConfigError } from './config/load.ts';
import type { Config } from './config/schema.ts';
import type { EngineConfig } from './media/native.ts';
import { STUN_PORT } from './ports.ts';
import { DEFAULT_ROOM_CONFIG, type ExternalTurnServer, type RoomConfig } from './room/config.ts';
import { embeddedTurn, turnSettings } from './turn-settings.ts';

export function engineSettings(config: Config, addresses: NodeAddresses): EngineConfig {
  const { rtc, audio } = config;
  const turn = turnSettings(known(config, addresses), addresses.media);
  return {
    workers: rtc.workers > 0 ? rtc.workers : Math.min(MAX_WORKERS, Math.max(1, cpus().length)),
    ...(rtc.force_tcp ? {} : { udp: udpSettings(rtc) }),
    ...(rtc.tcp_port === 0 ? {} : { tcp: { port: rtc.tcp_port } }),
    ...(turn === undefined ? {} : { turn }),
    addresses: addresses.media,
    audio: {
      activeLevel: audio.active_level,
      minPercentile: audio.min_percentile,
      updateIntervalMs: audio.update_interval,
      smoothIntervals: audio.smooth_intervals,
    },
    pliThrottleMs: [rtc.pli_throttle.low_quality, rtc.pli_throttle.mid_quality, rtc.pli_throttle.high_quality],
    packetBufferVideo: rtc.packet_buffer_size_video,
    packetBufferAudio: rtc.packet_buffer_size_audio,
    ...(rtc.batch_io.max_flush_interval > 0
      ? { maxFlushIntervalUs: Math.round(rtc.batch_io.max_flush_interval * 1000) }
      : {}),
  };
}

function udpSettings(rtc: Config['rtc']): NonNullable<EngineConfig['udp']> {
  if (rtc.udp_port !== undefined) {
    const commonPorts = rtc.use_stun_port_as_ice ? [STUN_PORT] : [];
    return { muxPorts: portsOf(rtc.udp_port), ...(commonPorts.length === 0 ? {} : { commonPorts }) };
  }
  return { portRangeStart: rtc.port_range_start, portRangeEnd: rtc.port_range_end };
}

function portsOf({ start, end }: { start: number; end: number }): number[] {
  return Array.from({ length: end - start + 1 }, (_, index) => start + index);
}

/** With node addresses as they turned out; a family that has none configured stays so. */
function known(config: Config, { nodeIp }: NodeAddresses): Config {
  const { v4, v6 } = config.rtc.node_ip;
  const node_ip = { v4: v4 === '' ? '' : nodeIp.v4, v6: v6 === '' ? '' : nodeIp.v6 };
  return { ...config, rtc: { ...config.rtc, node_ip } };
}

export function roomSettings(config: Config, addresses: NodeAddresses): RoomConfig {
  const { room, limit, rtc } = config;
  const turn = embeddedTurn(known(config, addresses), addresses.media);
  return {
    autoCreate: room.auto_create,
    presets: presetsOf(room.room_configurations),
    enabledCodecs:
      room.enabled_codecs.length === 0
        ? DEFAULT_ROOM_CONFIG.enabledCodecs
        : room.enabled_codecs.map(({ mime, fmtp_line }) => ({ mime, fmtpLine: fmtp_line })),
    maxParticipants: room.max_participants,
    emptyTimeout: room.empty_timeout,
    departureTimeout: room.departure_timeout,
    enableRemoteUnmute: room.enable_remote_unmute,
    playoutDelay: { ...room.playout_delay },
    syncStreams: room.sync_streams,
    updateBatchTargetSize: room.update_batch_target_size,
    limits: {
      maxMetadataSize: limit.max_metadata_size,
      maxAttributesSize: limit.max_attributes_size,
      maxParticipantNameLength: limit.max_participant_name_length,
      subscriptionLimitAudio: Math.max(0, limit.subscription_limit_audio),
      subscriptionLimitVideo: Math.max(0, limit.subscription_limit_video),
    },
    dataTracks: {
      enabled: config.enable_data_tracks,
      maxCustomEncodingLength: limit.max_data_track_custom_encoding_length,
    },
    dataBlobs: {
      enabled: config.enable_participant_data_blob,
      maxKeyLength: limit.max_data_blob_key_length,
      maxTotalSize: limit.max_data_blobs_size,
      maxCustomEncodingLength: limit.max_data_track_custom_encoding_length,
    },
    audio: { updateIntervalMs: config.audio.update_interval },
    video: {
      dynacastPauseDelayMs: config.video.dynacast_pause_delay,
      codecRegressionThreshold: config.video.codec_regression_threshold,
    },
    rtc: {
      useIceLite: rtc.use_ice_lite,
      translatedAddresses: addresses.translated,
      advertiseInternalIp: rtc.advertise_internal_ip,
      reconnectOnPublicationError: rtc.reconnect_on_publication_error ?? false,
      reconnectOnSubscriptionError: rtc.reconnect_on_subscription_error ?? false,
      stunServers: rtc.stun_servers,
      turnServers: rtc.turn_servers.map(turnServer),
      fallback: {
        allowed: rtc.allow_tcp_fallback,
        tcp: rtc.tcp_port !== 0,
        // Relays reach our UDP candidates.
        tls: !rtc.force_tcp,
        tcpRttThresholdMs: rtc.tcp_fallback_rtt_threshold,
        udpUnstable: rtc.allow_udp_unstable_fallback,
      },
    },
    ...(turn === undefined ? {} : { embeddedTurn: turn }),
  };
}

function turnServer(server: Config['rtc']['turn_servers'][number]): ExternalTurnServer {
  const { host, port, protocol, username, credential, ttl } = server;
  const inline = server.secret.trim();
  const secret = inline || (server.secret_file === '' ? '' : readSecretFile(server.secret_file));
  return { host, port, protocol, username, credential, secret, ttl };
}

/** A preset is a `livekit.RoomConfiguration`, its keys as in the proto file. */
function presetsOf(configurations: Record<string, unknown>): Map<string, RoomConfiguration> {
  return new Map(
    Object.entries(configurations).map(([name, value]) => {
      try {
        return [name, RoomConfiguration.fromJsonString(JSON.stringify(value), { ignoreUnknownFields: false })];
      } catch (error) {
        throw new ConfigError([`room.room_configurations.${name}: ${(error as Error).message}`]);
      }
    }),
  );
}

export function apiLimits({ limit }: Config): ApiLimits {
  return {
    maxRoomNameLength: limit.max_room_name_length,
    maxMetadataSize: limit.max_metadata_size,
    maxAttributesSize: limit.max_attributes_size,
    maxParticipantNameLength: limit.max_participant_name_length,
  };
}

/** As many as there are worker tags (docs/adr/0003). */
const MAX_WORKERS = 62;
