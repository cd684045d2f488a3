/** Counts the connectivity checks that a client sends from now on. */

import type { Namespace } from './lab.ts';

/** Binding requests: 28 bytes of IPv4 and UDP, then the type of STUN and its magic cookie. */
const BINDING_REQUEST = '28>>16=1&&32=0x2112A442';

export class Checks {
  readonly #router: Namespace;
  readonly #rule: string[];

  /** Those that come into a router from this interface. */
  constructor(router: Namespace, device: string) {
    this.#router = router;
    this.#rule = [
      '-i',
      device,
      '-p',
      'udp',
      '-m',
      'u32',
      '--u32',
      BINDING_REQUEST,
      '-m',
      'comment',
      '--comment',
      device,
    ];
    router.exec('iptables', ['-w', '-t', 'mangle', '-A', 'FORWARD', ...this.#rule]);
  }

  count(): number {
    const listed = this.#router.exec('iptables', ['-w', '-t', 'mangle', '-nvxL', 'FORWARD']);
    const line = listed.split('\n').find((line) => line.includes(`/* ${this.#rule.at(-1)} */`));
    return Number(line?.trim().split(/\s+/)[0]);
  }

  /** Resolves when the first one was sent. */
  async first(timeout = 20_000): Promise<void> {
    const deadline = Date.now() + timeout;
    while (this.count() === 0) {
      if (Date.now() > deadline) throw new Error(`no check within ${timeout} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
