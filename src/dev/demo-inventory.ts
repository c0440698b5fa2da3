/** What the demo's organization has: rows like anybody's, written by the same code as `sallyport setup`. */
import { type SetupDocument, setupDocument } from '../operator/setup-document.ts';
import { type LoginMode, stagingLogin, targetLogin } from './demo-machine.ts';

export const demoOrganization = 'acme';
export const demoGateway = 'gateway';
export const demoHost = 'web-1';
export const demoTarget = 'shop-production--web';

/** carol's provider has no second factor for her: she may enrol a passkey here instead. */
const loginPolicy = { mfa_required: false, mfa_sources: ['provider', 'passkey'], device_login: 'on' };

/** @param isFirstStart later ones leave alone what was changed in the console since */
export function demoInventory(
  ports: { gateway: number; target: number },
  mode: LoginMode,
  isFirstStart = true,
): SetupDocument {
  const address = '127.0.0.1';
  const own = mode.kind === 'own-login' ? { login: mode.login } : {};
  const staging = { address, port: ports.target, login: stagingLogin, host: demoHost, ...own };
  return setupDocument.parse({
    organization: { slug: demoOrganization, name: 'Acme', domains: ['acme.test'] },
    ...(isFirstStart ? { login_policy: loginPolicy } : {}),
    access_rules: [
      { group: 'admins', role: 'admin' },
      { group: 'contributors', role: 'contributor' },
    ],
    gateways: [{ name: demoGateway, address, port: ports.gateway, ...own }],
    hosts: [{ name: demoHost, address, port: ports.target }],
    projects: [
      {
        slug: 'shop',
        environments: [
          {
            slug: 'production',
            kind: 'production',
            mfa_required: true,
            gateways: [demoGateway],
            apps: [
              {
                slug: 'web',
                instances: [{ address, port: ports.target, login: targetLogin, host: demoHost, ...own }],
              },
            ],
          },
          {
            // The same machine without a second factor, and something of everything for lists and the menu.
            slug: 'staging',
            kind: 'staging',
            // Where everybody is one login at one address, sshd can't tell it from production: it asks for the same.
            mfa_required: mode.kind === 'own-login',
            ...(mode.kind === 'own-login' ? { mfa_max_age_seconds: 900 } : {}),
            gateways: [demoGateway],
            apps: [
              {
                slug: 'web',
                instances: [
                  { slug: 'one', role: 'web', ...staging },
                  { slug: 'old', role: 'web', state: 'stopped', ...staging },
                  { slug: 'mailer', role: 'mail', kind: 'worker', ...staging },
                ],
              },
            ],
          },
        ],
      },
    ],
  });
}
