/** Which of the open tunnels is meant. Pure. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { printable } from '../printable.ts';
import { placeOf, type Tunnel } from './tunnel-state.ts';

/** All, or those that the name is of: an id, an environment, an app, a target, by their whole names. @throws not_found */
export function chosenTunnels(tunnels: readonly Tunnel[], name: string | undefined): readonly Tunnel[] {
  if (name === undefined) return tunnels;
  const found = tunnels.filter((tunnel) => namesOf(tunnel).includes(name));
  if (found.length > 0) return found;
  throw new SallyportError(
    'not_found',
    `There is no tunnel ${JSON.stringify(printable(name))}. Those that there are: sally tunnel list`,
  );
}

/** @throws not_found; name_refused: there are several */
export function oneTunnel(tunnels: readonly Tunnel[], name: string | undefined): Tunnel {
  const [tunnel, ...more] = chosenTunnels(tunnels, name);
  if (!tunnel) throw new SallyportError('not_found', 'No tunnel is open. Open one: sally tunnel open');
  if (more.length === 0) return tunnel;
  const lines = [tunnel, ...more].map((one) => `  ${one.id}  ${placeOf(one)}`).join('\n');
  throw new SallyportError('name_refused', `Several tunnels are open. Name one of them:\n${lines}`);
}

function namesOf(tunnel: Tunnel): readonly string[] {
  const place = placeOf(tunnel);
  const { id, target, environment, project, app } = tunnel;
  return [id, place, `${project}.${environment}`, environment, target, `${place}--${app}`, app];
}
