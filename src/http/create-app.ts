/** The HTTP application: what holds for every request first, then the routes. Not listening yet. */
import { randomUUID } from 'node:crypto';
import cookie from '@fastify/cookie';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { accessRuleRoutes } from './access-rule-routes.ts';
import { accountRoutes } from './account-routes.ts';
import type { AppParts } from './app-parts.ts';
import { assetRoutes } from './asset-routes.ts';
import { authenticateRequests } from './authenticate.ts';
import { caRoutes } from './ca-routes.ts';
import { certificateRoutes } from './certificate-routes.ts';
import { ciRoutes } from './ci-routes.ts';
import { findClientAddresses } from './client-address.ts';
import { companionRoutes } from './companion-routes.ts';
import { hangUp, limitConnections, serverOptions, usualConnectionLimits } from './connection-limits.ts';
import { connectionRoutes } from './connection-routes.ts';
import { healthRoutes } from './health-routes.ts';
import { allowOnlyHosts } from './host-allow-list.ts';
import { identityProviderRoutes } from './identity-provider-routes.ts';
import { identityRoutes } from './identity-routes.ts';
import { instanceReportRoutes } from './instance-report-routes.ts';
import { inventoryDocumentRoutes } from './inventory-document-routes.ts';
import { inventoryRoutes } from './inventory-routes.ts';
import { krlRoutes } from './krl-routes.ts';
import { leaseRoutes } from './lease-routes.ts';
import { loginPolicyRoutes } from './login-policy-routes.ts';
import { logoutRoutes } from './logout-routes.ts';
import { mountAuthorizationServer } from './mount-authorization-server.ts';
import { passkeyRoutes } from './passkey-routes.ts';
import { policyRoutes } from './policy-routes.ts';
import { answerProblems } from './problems.ts';
import { largestBodyBytes, readJsonBodies } from './read-body.ts';
import { releaseRoutes } from './release-routes.ts';
import { loggerOptions, logRequests } from './request-log.ts';
import { type ListedRoute, listRoutes } from './route-authentication.ts';
import { refuseCrossSiteRequests } from './same-site.ts';
import { securityEventRoutes } from './security-event-routes.ts';
import { setSecurityHeaders } from './security-headers.ts';
import { sessionRoutes } from './session-routes.ts';
import { sshCodeRoutes } from './ssh-code-routes.ts';
import { sshInfoRoutes } from './ssh-info-routes.ts';
import { sshKeyRoutes } from './ssh-key-routes.ts';
import { targetRoutes } from './target-routes.ts';
import { tokenRoutes } from './token-routes.ts';
import { watchBreakGlass } from './watch-break-glass.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route with its authentication. */
    readonly routeList: readonly ListedRoute[];
  }
}

export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const limits = { ...usualConnectionLimits, ...parts.connectionLimits };
  const app = fastify({
    logger: loggerOptions(parts.logger),
    // logRequests() below writes the one line.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: largestBodyBytes,
    requestTimeout: limits.requestMilliseconds,
    http: serverOptions(limits),
    clientErrorHandler: hangUp,
    // findClientAddresses() below: Fastify would believe forwarded names and schemes as well.
    trustProxy: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    return503OnClosing: false,
  });
  const routes = listRoutes(app);
  app.decorate('routeList', { getter: () => routes });

  limitConnections(app, limits);
  setSecurityHeaders(app, parts.publicUrl);
  findClientAddresses(app, { networks: parts.trustedProxies ?? [], hops: parts.proxyHops ?? 1 });
  logRequests(app);
  answerProblems(app, routes);
  await app.register(cookie);
  allowOnlyHosts(app, parts.allowedHosts);
  refuseCrossSiteRequests(app, parts.publicUrl);
  authenticateRequests(app, parts);
  watchBreakGlass(app, parts);
  readJsonBodies(app);

  healthRoutes(app, parts);
  assetRoutes(app);
  certificateRoutes(app, parts);
  sessionRoutes(app, parts);
  accountRoutes(app, parts);
  targetRoutes(app, parts);
  companionRoutes(app, parts);
  connectionRoutes(app, parts);
  sshInfoRoutes(app, parts);
  krlRoutes(app, parts);
  releaseRoutes(app, parts);
  caRoutes(app, parts);
  logoutRoutes(app, parts);
  securityEventRoutes(app, parts);
  identityProviderRoutes(app, parts);
  loginPolicyRoutes(app, parts);
  identityRoutes(app, parts);
  passkeyRoutes(app, parts);
  tokenRoutes(app, parts);
  ciRoutes(app, parts);
  sshCodeRoutes(app, parts);
  inventoryRoutes(app, parts);
  accessRuleRoutes(app, parts);
  inventoryDocumentRoutes(app, parts);
  policyRoutes(app, parts);
  instanceReportRoutes(app, parts);
  sshKeyRoutes(app, parts);
  leaseRoutes(app, parts);
  await mountAuthorizationServer(app, parts);
  parts.loginFlow.registerRoutes(app);
  return app;
}
