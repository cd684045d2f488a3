/** Signaling: WebSockets as livekit's clients open them. */

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { Participant } from './participant.ts';
import type { Rooms } from './rooms.ts';
import type { Settings } from './settings.ts';
import { readTicket, type Ticket } from './ticket.ts';

/** Resolves once it listens. */
export async function listen(rooms: Rooms, { host, port, apiSecret }: Settings): Promise<void> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const server = createServer((_, response) => response.writeHead(404).end());
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const ticket = readTicket(request.url ?? '', apiSecret);
    if (ticket === undefined) stream.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    else sockets.handleUpgrade(request, stream, head, (socket) => void attend(rooms, ticket, socket));
  });
  server.listen(port, host, BACKLOG);
  await once(server, 'listening');
}

async function attend(rooms: Rooms, ticket: Ticket, socket: WebSocket): Promise<void> {
  const room = await rooms.room(ticket.room);
  if (socket.readyState !== socket.OPEN) return;
  const participant = new Participant(
    ticket,
    room,
    (bytes) => socket.send(bytes),
    () => socket.close(),
  );
  socket.on('message', (bytes: Buffer) => participant.handleMessage(bytes));
  socket.on('close', () => participant.leave());
  socket.on('error', () => participant.leave());
  room.join(participant);
}

/** Connections that wait to be accepted, when hundreds come at once. */
const BACKLOG = 4_096;
