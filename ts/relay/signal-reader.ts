/** The other direction of a relay: each signal once and in order, whatever the writer had to send again. */
export class SignalReader {
  #seq = 0n;

  /** The signals that are new; undefined where some are missing between, which nothing can repair. */
  take<Signal>(seq: bigint, signals: readonly Signal[]): readonly Signal[] | undefined {
    if (seq > this.#seq) return undefined;
    const known = this.#seq - seq;
    const fresh = known >= BigInt(signals.length) ? [] : signals.slice(Number(known));
    this.#seq += BigInt(fresh.length);
    return fresh;
  }
}
