import type Provider from 'oidc-provider';

/**
 * oidc-provider takes its paths in any case and with a slash at the end. What here is about a path, such as a limit, goes
 * by its one spelling, so that is the only one there is. The rest of a path may be an id, with its case.
 */
export function withExactPaths(): Parameters<Provider['use']>[0] {
  return async (ctx, next) => {
    const [, first = ''] = ctx.path.split('/');
    if (first === first.toLowerCase() && !ctx.path.endsWith('/')) return await next();
    ctx.status = 404;
  };
}
