/** Logs are fields. Two forms, both livekit-server's: columns for people, one JSON object a line for machines. */

import { type Logger, pino } from 'pino';

export type Log = Logger;

export interface LogSettings {
  logging: { json: boolean; level: string };
}

/** Writes to stderr, so that stdout stays for what commands print. A full pipe drops lines, it never blocks. */
export function createLog({ logging }: LogSettings, write: (line: string) => void = toStderr): Log {
  const level = LEVELS.has(logging.level) ? logging.level : 'info';
  const options = {
    level,
    base: null,
    timestamp: () => `,"ts":"${new Date().toISOString()}"`,
    messageKey: 'msg',
    serializers: { error: (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : error) },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, { write: logging.json ? write : (line: string) => write(toColumns(line)) });
}

/** `time, LEVEL, logger, message, fields`, joined by tabs. */
function toColumns(line: string): string {
  const { ts, level, msg = '', ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.keys(fields).length === 0 ? '' : `\t${JSON.stringify(fields)}`;
  return `${ts}\t${String(level).toUpperCase()}\tlivekit\t${msg}${rest}\n`;
}

let dropped = 0;

function toStderr(line: string): void {
  if (process.stderr.writableLength > MAX_BUFFERED_BYTES) {
    dropped += 1;
    return;
  }
  if (dropped > 0) {
    process.stderr.write(`${dropped} log lines were dropped because nobody read them\n`);
    dropped = 0;
  }
  process.stderr.write(line);
}

const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
