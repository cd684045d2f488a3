/** A network, a server in it and a call over them, from begin to end. */

import { Call, type CallOptions } from './call.ts';
import { Internet, type Plan } from './internet.ts';
import { InnerServer } from './server.ts';

export interface Scene {
  plan?: Plan;
  /** The name of a configuration in docs/deploy.md, or several that are laid over each other. */
  config: string | string[];
  /** Laid over it. */
  changes?: Record<string, unknown>;
  /** The server as clients name it, unless by its public address. */
  host?: string;
  call?: CallOptions;
  /** Happens before the server starts: firewalls and other servers. */
  prepare?: (internet: Internet) => void | Promise<void>;
}

export interface Played {
  call: Call;
  server: InnerServer;
  internet: Internet;
}

/** Resolves once the call has been as `during` says and all is taken away. */
export async function scene(setting: Scene, during: (played: Played) => Promise<void>): Promise<void> {
  const internet = await Internet.create(setting.plan);
  try {
    await setting.prepare?.(internet);
    const server = await InnerServer.start(internet.server, [setting.config].flat(), setting.changes, setting.host);
    try {
      const call = await Call.begin(internet, server, setting.call);
      try {
        await during({ call, server, internet });
      } catch (error) {
        console.error(server.output().slice(-6_000));
        throw error;
      } finally {
        await call.end();
      }
    } finally {
      await server.stop();
    }
  } finally {
    await internet.close();
  }
}
