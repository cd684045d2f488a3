/** `rtc.congestion_control`: the longest branch of the file, in a file of its own (livekit-facts 4.11, 9.2). */

import { count, decimal, duration, flag, oneOf, section } from './leaf.ts';

const trend = (samples: number, minimum: number, threshold: number, collapse: string) =>
  section({
    required_samples: count(samples),
    required_samples_min: count(minimum),
    downward_trend_threshold: decimal(threshold),
    downward_trend_max_wait: duration('5s'),
    collapse_threshold: duration(collapse),
    validity_window: duration('10s'),
  });

const nack = (minimum: string, maximum: string, ratio: number) =>
  section({
    window_min_duration: duration(minimum),
    window_max_duration: duration(maximum),
    ratio_threshold: decimal(ratio),
  });

const probeRegulator = () =>
  section({
    base_interval: duration('3s'),
    backoff_factor: decimal(1.5),
    max_interval: duration('2m'),
    min_duration: duration('200ms'),
    max_duration: duration('20s'),
    duration_increase_factor: decimal(1.5),
  });

const remoteBwe = section({
  nack_ratio_attenuator: decimal(0.4),
  expected_usage_threshold: decimal(0.95),
  channel_observer_probe: section({
    estimate: trend(3, 3, 0, '0s'),
    nack: nack('500ms', '1s', 0.04),
  }),
  channel_observer_non_probe: section({
    estimate: trend(12, 8, -0.6, '500ms'),
    nack: nack('2s', '3s', 0.08),
  }),
  probe_controller: section({
    probe_regulator: probeRegulator(),
    settle_wait_num_rtt: count(5),
    settle_wait_min: duration('250ms'),
    settle_wait_max: duration('5s'),
  }),
});

const groups = (packets: number, window: string) =>
  section({ min_packets: count(packets), max_window_duration: duration(window) });

const signal = (number: number, time: string) =>
  section({ min_number_of_groups: count(number), min_duration: duration(time) });

const weightedLoss = () =>
  section({
    min_duration_for_loss_validity: duration('100ms'),
    base_duration: duration('500ms'),
    base_pps: count(30),
    loss_penalty_factor: decimal(0.25),
  });

const ctrTrend = section({
  required_samples: count(4),
  required_samples_min: count(2),
  downward_trend_threshold: decimal(-0.5),
  downward_trend_max_wait: duration('2s'),
  collapse_threshold: duration('500ms'),
  validity_window: duration('10s'),
});

const sendSideBwe = section({
  congestion_detector: section({
    packet_group: groups(30, '500ms'),
    packet_group_max_age: duration('10s'),
    probe_packet_group: section({
      packet_group: groups(16_384, '1m'),
      settle_wait_num_rtt: count(5),
      settle_wait_min: duration('250ms'),
      settle_wait_max: duration('5s'),
    }),
    probe_regulator: probeRegulator(),
    probe_signal: section({
      min_bytes_ratio: decimal(0.5),
      min_duration_ratio: decimal(0.5),
      jqr_min_delay: duration('50ms'),
      dqr_max_delay: duration('20ms'),
      weighted_loss: weightedLoss(),
      jqr_min_weighted_loss: decimal(0.25),
      dqr_max_weighted_loss: decimal(0.1),
    }),
    jqr_min_delay: duration('50ms'),
    jqr_min_trend_coefficient: decimal(0.8),
    dqr_max_delay: duration('20ms'),
    weighted_loss: weightedLoss(),
    jqr_min_weighted_loss: decimal(0.25),
    dqr_max_weighted_loss: decimal(0.1),
    queuing_delay_early_warning_jqr: signal(2, '200ms'),
    queuing_delay_early_warning_dqr: signal(3, '300ms'),
    loss_early_warning_jqr: signal(3, '300ms'),
    loss_early_warning_dqr: signal(4, '400ms'),
    queuing_delay_congested_jqr: signal(4, '400ms'),
    queuing_delay_congested_dqr: signal(5, '500ms'),
    loss_congested_jqr: signal(6, '600ms'),
    loss_congested_dqr: signal(6, '600ms'),
    congested_ctr_trend: ctrTrend,
    congested_ctr_epsilon: decimal(0.05),
    congested_packet_group: groups(20, '150ms'),
    estimaton_window_duration: duration('1s'),
  }),
});

export const control = section({
  enabled: flag(true),
  allow_pause: flag(),
  stream_allocator: section({
    min_channel_capacity: count(),
    disable_etimation_unmanaged_tracks: flag(),
    probe_mode: oneOf(['padding', 'media'], 'padding'),
    probe_overage_pct: count(120),
    probe_min_bps: count(200_000),
    paused_min_wait: duration('5s'),
  }),
  remote_bwe: remoteBwe,
  use_send_side_bwe_interceptor: flag(),
  use_send_side_bwe: flag(),
  send_side_bwe_pacer: oneOf(['pass-through', 'no-queue', 'leaky-bucket'], 'no-queue'),
  send_side_bwe: sendSideBwe,
});
