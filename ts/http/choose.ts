import { createNodeApp } from './node.ts';
import type { HttpAppFactory } from './types.ts';
import { uwsFactory } from './uws.ts';

/** The HTTP server for this machine; `note` says why it is not uWebSockets.js. */
export function chooseHttpApp(): { readonly create: HttpAppFactory; readonly note: string | undefined } {
  const uws = uwsFactory();
  return 'create' in uws ? { create: uws.create, note: undefined } : { create: createNodeApp, note: uws.reason };
}
