import { type Clock, systemClock } from '../room/clock.ts';

/** Milliseconds since some moment, always forward; timers as usual. What leases are judged by. */
export const monotonicClock: Clock = { ...systemClock, now: () => performance.now() };
