/** The API keys of the configuration. */

export interface ApiKey {
  readonly key: string;
  readonly secret: string;
}

export class Keys {
  readonly #secrets: ReadonlyMap<string, Uint8Array>;
  readonly #first: string;

  /** Throws where there is no key at all: nobody could join. */
  constructor(keys: Readonly<Record<string, string>>) {
    const entries = Object.entries(keys);
    const first = entries[0];
    if (first === undefined) throw new Error('no API keys are configured');
    this.#secrets = new Map(entries.map(([key, secret]) => [key, new TextEncoder().encode(secret)]));
    this.#first = first[0];
  }

  /** The secret of a key; undefined for an unknown key and for an empty secret. */
  secret(key: string): Uint8Array | undefined {
    const secret = this.#secrets.get(key);
    return secret === undefined || secret.length === 0 ? undefined : secret;
  }

  /** The key that tokens of our own are signed with. */
  get signing(): { readonly key: string; readonly secret: Uint8Array } {
    return { key: this.#first, secret: this.#secrets.get(this.#first) ?? new Uint8Array() };
  }
}
