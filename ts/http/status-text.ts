import { STATUS_CODES } from 'node:http';

/** `404 Not Found`, the form a status line wants. */
export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
}
