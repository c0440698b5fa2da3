/**
 * How long and how much a connection may take before it has said what it wants. A client that sends its headers or its
 * body a byte at a time is hung up on; so is one that speaks HTTP in a way that a proxy in front could read otherwise.
 */
import type { ServerOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';

export interface ConnectionLimits {
  /** From the first byte to the end of the headers. */
  readonly headersMilliseconds: number;
  /** From the first byte to the end of the body. */
  readonly requestMilliseconds: number;
  /** How often the two are looked at. */
  readonly checkMilliseconds: number;
  /** Open at the same time; a companion holds one all the time. */
  readonly connections: number;
}

export const usualConnectionLimits: ConnectionLimits = {
  headersMilliseconds: 10_000,
  requestMilliseconds: 30_000,
  checkMilliseconds: 2_000,
  connections: 20_000,
};

/** Options of node:http's server. Never its lenient parser: proxies and it would differ on where a request ends. */
export function serverOptions(limits: ConnectionLimits): ServerOptions {
  return {
    insecureHTTPParser: false,
    requireHostHeader: true,
    joinDuplicateHeaders: false,
    headersTimeout: limits.headersMilliseconds,
    connectionsCheckingInterval: limits.checkMilliseconds,
  };
}

export function limitConnections(app: FastifyInstance, limits: ConnectionLimits): void {
  app.server.maxConnections = limits.connections;
}

/** What could not be read as HTTP gets an answer without words, and nothing after it on that connection is read. */
export function hangUp(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? '408 Request Timeout'
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : '400 Bad Request';
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status}\r\nconnection: close\r\ncache-control: no-store\r\ncontent-length: 0\r\n\r\n`,
    );
  }
  socket.destroy();
}
