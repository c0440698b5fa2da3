/**
 * What happens around a provider's reply. Whoever needs a login calls begin(); the handler of its purpose gets the login
 * once everything is proven.
 */
import { beginLogin } from './begin-login.ts';
import { registerChoiceRoutes } from './choose-provider-routes.ts';
import { allowBeginning } from './limit-logins.ts';
import type { LoginFlow, LoginFlowParts } from './login-purpose.ts';
import { registerLoginRoutes } from './login-routes.ts';
import { registerPasskeyRoutes } from './passkey-routes.ts';

export type {
  LoginDemand,
  LoginFlow,
  LoginFlowParts,
  LoginPurposeHandler,
  ProvenLogin,
} from './login-purpose.ts';

export function createLoginFlow(parts: LoginFlowParts): LoginFlow {
  return {
    async begin(request, reply, start) {
      await allowBeginning(parts, request);
      return await beginLogin(parts, request, reply, start);
    },
    registerRoutes(app) {
      registerLoginRoutes(app, parts);
      registerChoiceRoutes(app, parts);
      registerPasskeyRoutes(app, parts);
    },
  };
}
