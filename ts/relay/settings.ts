/** How a relay deals with signals that the other node does not acknowledge (`signal_relay`). */
export interface RelaySettings {
  /** Milliseconds of trying while Redis is there; then the relay breaks. Also the time a session may take to begin. */
  readonly retryTimeoutMs: number;
  /** Milliseconds that the first attempt has; each failed one doubles them. */
  readonly minRetryMs: number;
  readonly maxRetryMs: number;
  /** Signals that may wait; one more breaks the relay. */
  readonly bufferSize: number;
}
