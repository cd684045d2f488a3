import { existsSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { StaticFile } from './http/static.ts';

/** The built page; undefined where only the server is installed. */
export function demoFiles(): Map<string, StaticFile> | undefined {
  // The same place from `ts/` and from `dist/`.
  const folder = new URL('../dist/demo/', import.meta.url);
  const names = ['index.html', 'demo.css', 'demo.js'];
  if (!names.every((name) => existsSync(new URL(name, folder)))) return undefined;
  return new Map(
    names.map((name) => [
      name,
      { contentType: CONTENT_TYPES[extname(name)] ?? '', body: readFileSync(new URL(name, folder)) },
    ]),
  );
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};
