import { RoomConfiguration } from '@livekit/protocol';

/**
 * A room's configuration as clients may have it: without its egress where that holds keys of a storage, or addresses to
 * stream to, which have a key in them. Half an egress would record to another place than was asked for.
 */
export function withoutCredentials(config: RoomConfiguration): RoomConfiguration {
  if (!hasCredentials(config)) return config;
  const { egress: _, ...rest } = config;
  return new RoomConfiguration(rest);
}

export function hasCredentials({ egress }: RoomConfiguration): boolean {
  if (egress === undefined) return false;
  return (egress.room?.streamOutputs.length ?? 0) > 0 || egress.room?.output.case === 'stream' || holdsSecret(egress);
}

/** By the names that all storages give their secrets, so that those of later ones are found too. */
function holdsSecret(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, field]) => (SECRETS.has(name) && field !== '' && field !== undefined) || holdsSecret(field),
  );
}

const SECRETS: ReadonlySet<string> = new Set(['secret', 'sessionToken', 'credentials', 'accountKey', 'password']);
