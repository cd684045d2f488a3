/** A balancer that ends TLS: `balancer.ts <host> <port> <to host> <to port> <certificate> <key>`. Says `ready`. */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer } from 'node:tls';

const [host = '', port = '', toHost = '', toPort = '', cert = '', key = ''] = process.argv.slice(2);

createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (client) => {
  const server = connect(Number(toPort), toHost);
  client.pipe(server).pipe(client);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
}).listen(Number(port), host, () => console.log('ready'));
