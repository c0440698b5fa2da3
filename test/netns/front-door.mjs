/** TLS at port 443 of the machine that it runs on, in front of a server that listens on a socket file. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer } from 'node:tls';

const [socket, key, certificate] = process.argv.slice(2);
const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (client) => {
  const upstream = connect(socket);
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
  client.pipe(upstream).pipe(client);
});
server.on('tlsClientError', () => undefined);
server.listen(443, '::', () => process.stdout.write('listening\n'));
