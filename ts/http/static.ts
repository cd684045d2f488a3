import type { Route } from './pipeline.ts';
import { content, notFound } from './reply.ts';

/** A file that is served as it is. */
export interface StaticFile {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Serves files handed in by path, for the page of development mode; never touches the disk. */
export function staticFiles(files: ReadonlyMap<string, StaticFile>): Route {
  return async ({ path, request }) => {
    const file = files.get(path);
    if (file === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return notFound();
    return content(200, file.contentType, file.body);
  };
}
