import type { Registration } from '../psrpc/server.ts';

/** Registrations that several users share: there is one as long as anybody uses it. */
export class SharedTopics {
  readonly #register: (topic: readonly string[]) => Promise<Registration>;
  readonly #uses = new Map<string, { count: number; readonly registration: Promise<Registration> }>();
  /** Registrations on their way out, which the next one of the topic waits for. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(register: (topic: readonly string[]) => Promise<Registration>) {
    this.#register = register;
  }

  /** Resolves when the topic is heard. Where that fails nothing is used. */
  async use(topic: readonly string[]): Promise<void> {
    const key = keyOf(topic);
    const known = this.#uses.get(key);
    if (known !== undefined) {
      known.count += 1;
      await known.registration;
      return;
    }
    const registration = (this.#ending.get(key) ?? Promise.resolve()).then(() => this.#register(topic));
    const use = { count: 1, registration };
    this.#uses.set(key, use);
    try {
      await registration;
    } catch (error) {
      if (this.#uses.get(key) === use) this.#uses.delete(key);
      throw error;
    }
  }

  /** Never rejects. */
  async release(topic: readonly string[]): Promise<void> {
    const key = keyOf(topic);
    const use = this.#uses.get(key);
    if (use === undefined) return;
    use.count -= 1;
    if (use.count > 0) return;
    this.#uses.delete(key);
    const ended = use.registration.then(
      (registration) => registration.end(),
      () => {},
    );
    this.#ending.set(key, ended);
    await ended;
    if (this.#ending.get(key) === ended) this.#ending.delete(key);
  }
}

function keyOf(topic: readonly string[]): string {
  return JSON.stringify(topic);
}
