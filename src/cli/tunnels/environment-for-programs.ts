/** What a program that goes on in the background is given: the environment of `sally`, with what makes it a machine. */
import type { SallyContext } from '../context.ts';

export function environmentForPrograms({ environment, paths }: SallyContext): NodeJS.ProcessEnv {
  const { forPrograms = {}, home, machine } = environment;
  const { apiToken, idToken, idTokenFile, request, rule } = machine ?? {};
  return {
    ...forPrograms,
    ...(home !== undefined && { HOME: home }),
    SALLY_PROFILE: paths.profile,
    ...(apiToken !== undefined && { SALLY_TOKEN: apiToken }),
    ...(idToken !== undefined && { SALLY_ID_TOKEN: idToken }),
    ...(idTokenFile !== undefined && { SALLY_ID_TOKEN_FILE: idTokenFile }),
    ...(rule !== undefined && { SALLY_CI_RULE: rule }),
    ...(request && {
      ACTIONS_ID_TOKEN_REQUEST_URL: request.url,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: request.token,
    }),
  };
}
