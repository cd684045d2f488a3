/** Keys that are read and checked but do nothing yet; `docs/status.md` lists the same, held equal by a test. */

/** A key or a whole section, and what it waits for. */
export const NOT_EFFECTIVE: Record<string, string> = {
  debug_handler: 'there is no debug listener',
  'logging.sample': 'every line is logged',
  'logging.component_levels': 'one level holds for all components',
  'logging.sample_initial': 'every line is logged',
  'logging.sample_interval': 'every line is logged',
  'logging.item_sample_seconds': 'every line is logged',
  'logging.item_sample_initial': 'every line is logged',
  'logging.item_sample_interval': 'every line is logged',
  'logging.pion_level': 'there is no Pion here',
  'rtc.batch_io.batch_size': 'batches are as long as one turn of the worker loop',
  'rtc.sctp_min_cwnd': 'the SCTP library has no such knob',
  'rtc.sctp_fast_rtx_wnd': 'the SCTP library has no such knob',
  'rtc.sctp_cwnd_ca_step': 'the SCTP library has no such knob',
  'rtc.host_acceptance_min_wait': 'the first valid pair is taken',
  'rtc.srflx_acceptance_min_wait': 'the first valid pair is taken',
  'rtc.prflx_acceptance_min_wait': 'the first valid pair is taken',
  'rtc.relay_acceptance_min_wait': 'the first valid pair is taken',
  'rtc.packet_buffer_size': 'deprecated in favour of packet_buffer_size_video and packet_buffer_size_audio',
  'rtc.congestion_control': 'congestion control of subscribers comes later; layers follow what subscribers ask for',
  'rtc.reconnect_on_publication_error': 'clients are told of the error only',
  'rtc.reconnect_on_subscription_error': 'clients are told of the error only',
  'rtc.reconnect_on_data_channel_error': 'clients are told of the error only',
  'rtc.strict_acks': 'deprecated',
  'rtc.data_channel_max_buffered_amount': 'deprecated',
  'rtc.datachannel_slow_threshold': 'every receiver has one bounded queue',
  'rtc.datachannel_lossy_target_latency': 'every receiver has one bounded queue',
  'rtc.datachannel_data_track_target_latency': 'every receiver has one bounded queue',
  'rtc.forward_stats': 'forwarding statistics come with metrics',
  'rtc.enable_rtp_stream_restart_detection': 'a restarted stream is recognised as a new one',
  'rtc.enable_warp': 'DTLS in STUN comes later',
  'redis.pool_timeout': 'commands share one connection, which nobody waits for',
  'redis.pool_size': 'commands share one connection',
  'audio.active_red_encoding': 'publishers encode RED themselves',
  'audio.enable_loss_proxying': 'receiver reports tell of our own reception',
  'video.codec_regression_threshold': 'each subscriber gets the first codec it can decode',
  'video.stream_tracker_manager': 'layers are tracked with fixed thresholds',
  'room.playout_delay': 'playout delay comes later',
  'room.enable_full_room_in_webhooks': 'webhooks come later',
  webhook: 'webhooks come later',
  'psrpc.buffer_size': 'as many messages as nobody reads yet are kept: 1000',
  metric: 'not wired in livekit-server either',
  'api.execution_timeout': 'no more than in livekit-server 1.13.5, which does not read it',
  'api.check_interval': 'no more than in livekit-server 1.13.5, which does not read it',
  'api.max_check_interval': 'no more than in livekit-server 1.13.5, which does not read it',
  trace: 'tracing comes later',
};

/** Why a key does nothing yet; undefined for keys that do something. */
export function notEffective(path: string): string | undefined {
  for (let prefix = path; prefix !== ''; prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf('.')))) {
    const reason = NOT_EFFECTIVE[prefix];
    if (reason !== undefined) return reason;
  }
  return undefined;
}
