import { KeyspaceStore } from '../cluster/store.ts';
import { keyspaceBehaves } from '../cluster/testing/keyspace-suite.ts';
import { storeBehaves } from '../cluster/testing/store-suite.ts';
import { busBehaves } from '../psrpc/testing/bus-suite.ts';
import { RedisBus } from './bus.ts';
import { RedisKeyspace } from './keyspace.ts';
import type { RedisSection } from './options.ts';
import { openRedis } from './testing/open.ts';
import { startCluster, startRedis, startSentinel, startTlsRedis, until } from './testing/redis.ts';

interface Servers {
  readonly redis: Partial<RedisSection>;
  stop(): Promise<void>;
}

const KINDS: Record<string, () => Promise<Servers>> = {
  'Redis with a password': () => startRedis({ password: 'secret' }),
  'Redis with TLS and client certificates': startTlsRedis,
  'Redis found by Sentinels': () => startSentinel({ password: 'secret' }).then(withPassword),
  'a Redis Cluster': startCluster,
};

for (const [name, start] of Object.entries(KINDS)) {
  keyspaceBehaves(name, async () => {
    const { connection, close } = await open(start);
    return { subject: new RedisKeyspace(connection), close };
  });
  storeBehaves(name, async () => {
    const { connection, close } = await open(start);
    return { subject: new KeyspaceStore(new RedisKeyspace(connection)), close };
  });
  busBehaves(name, async () => {
    const servers = await start();
    const connections = [await openRedis(servers.redis), await openRedis(servers.redis)] as const;
    const [here, there] = [new RedisBus(connections[0]), new RedisBus(connections[1])];
    await until(() => here.up && there.up);
    const close = async () => {
      await Promise.all([here.close(), there.close()]);
      await Promise.all(connections.map((connection) => connection.close()));
      await servers.stop();
    };
    return { here, there, close };
  });
}

async function open(start: () => Promise<Servers>) {
  const servers = await start();
  const connection = await openRedis(servers.redis);
  const close = async () => {
    await connection.close();
    await servers.stop();
  };
  return { connection, close };
}

function withPassword<S extends Servers>(servers: S): Servers {
  return { redis: { ...servers.redis, password: 'secret' }, stop: () => servers.stop() };
}
