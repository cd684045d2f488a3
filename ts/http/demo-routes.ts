/** The demo page of development mode: its files, and a token for whoever asks. Never on a server with keys of its own. */

import type { Keys } from '../auth/keys.ts';
import { mintToken } from '../auth/token.ts';
import { newGuid } from '../lib/guid.ts';
import type { Route } from './pipeline.ts';
import { text } from './reply.ts';
import type { Routes } from './routes.ts';
import { type StaticFile, staticFiles } from './static.ts';

/** `files` by name, `index.html` for the page itself. */
export function addDemoRoutes(
  routes: Routes,
  files: ReadonlyMap<string, StaticFile>,
  keys: Keys,
  now: () => Date,
): void {
  const paths = new Map([...files].map(([name, file]) => [name === 'index.html' ? '/demo/' : `/demo/${name}`, file]));
  routes.below('/demo/', staticFiles(paths)).exact('/demo/token', token(keys, now));
}

function token(keys: Keys, now: () => Date): Route {
  return async ({ form }) => {
    const name = form.get('name') ?? '';
    const room = form.get('room') ?? '';
    if (name === '' || room === '') return text(400, 'name and room are required');
    const payload = { name, video: { roomJoin: true, room, canUpdateOwnMetadata: true } };
    const expiresAt = Math.floor(now().getTime() / 1000) + TOKEN_SECONDS;
    return text(200, mintToken(keys, payload, newGuid(`${name}-`), expiresAt, now()));
  };
}

const TOKEN_SECONDS = 6 * 3600;
