/**
 * `proxy`: what ssh runs before it connects to a gateway. Without arguments it tells whether the environment names a proxy,
 * in milliseconds; with an address and a port it connects through it.
 */
import type { SallyEnvironment } from './environment.ts';
import { shellWord } from './fresh-script.ts';

export function proxyScriptText(program: SallyEnvironment['program']): string {
  return `#!/bin/sh
# Written by sally. ssh runs this before it connects to a gateway.
if [ $# -eq 0 ]; then
  [ -n "$all_proxy$ALL_PROXY$https_proxy$HTTPS_PROXY$http_proxy" ]
  exit
fi
exec ${shellWord(program.node)} ${shellWord(program.entry)} proxy-connect -- "$1" "$2"
`;
}
