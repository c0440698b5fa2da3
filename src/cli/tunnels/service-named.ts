import { SallyportError } from '../../errors/sallyport-error.ts';
import { printable } from '../printable.ts';

/** The one of that name; or of that kind, if only one is. @throws not_found */
export function serviceNamed<Service extends { readonly name: string; readonly kind: string }>(
  services: readonly Service[],
  name: string,
): Service {
  const found = services.find((service) => service.name === name);
  const ofKind = services.filter(({ kind }) => kind === name);
  const [only] = ofKind;
  if (found) return found;
  if (only && ofKind.length === 1) return only;
  const names = services.map((service) => printable(service.name)).join(', ');
  throw new SallyportError(
    'not_found',
    `There is no service ${JSON.stringify(printable(name))} that you may tunnel to. There are: ${names}`,
  );
}
